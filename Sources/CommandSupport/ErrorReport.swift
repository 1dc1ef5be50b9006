package import ArgumentParser
import Glibc

/// How a failed command ends: its exit code and what is printed.
///
/// A failure is one line `error: …` on standard error, followed by usage lines where the arguments were wrong (exit code
/// 64). Requests for help or the version are no failures, and neither is a reader that closed our output.
package struct ErrorReport {
    private let exitCode: Int32
    private let text: String

    /// - Parameter root: the command whose usage is shown.
    package init(_ error: any Error, of root: any ParsableCommand.Type) {
        if case OutputError.closed = error {
            exitCode = 0
            text = ""
            return
        }
        let code = root.exitCode(for: error)
        exitCode = code.rawValue
        let full = root.fullMessage(for: error)
        guard !code.isSuccess else {
            text = full.isEmpty ? "" : full + "\n"
            return
        }
        // ArgumentParser marks only its own messages and its usage; other errors say what they are by themselves.
        var lines = ["error: " + ErrorReport.flattened(root.message(for: error))]
        if code == .validationFailure {
            lines += full.split(separator: "\n").drop { !$0.hasPrefix("Usage: ") }.map(String.init)
        }
        text = lines.joined(separator: "\n") + "\n"
    }

    /// Prints the report and returns the exit code.
    package func deliver() -> Int32 {
        try? FileDescriptor(rawValue: exitCode == 0 ? STDOUT_FILENO : STDERR_FILENO).writeAll(Array(text.utf8))
        return exitCode
    }

    /// The message on one line, without control characters that would garble a terminal or a log.
    package static func flattened(_ message: String) -> String {
        let lines = message.split(whereSeparator: \.isNewline).map { line in
            String(
                String.UnicodeScalarView(
                    line.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
        }
        // ArgumentParser lists what it would take on lines of their own.
        return lines.filter { !$0.allSatisfy(\.isWhitespace) }.reduce(into: "") { text, line in
            let item = line.drop { $0 == " " }
            guard item.hasPrefix("- ") else { return text += (text.isEmpty ? "" : "; ") + line }
            text += (text.hasSuffix(":") ? " " : ", ") + item.dropFirst(2)
        }
    }
}
