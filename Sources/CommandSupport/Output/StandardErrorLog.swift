import Glibc
package import Logging

/// Logs as lines `level: message` on standard error.
package struct StandardErrorLog: LogHandler {
    package var logLevel: Logger.Level = .notice
    package var metadata: Logger.Metadata = [:]
    package var metadataProvider: Logger.MetadataProvider?

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let level = event.level >= .warning ? "\(event.level): " : ""
        StandardErrorLog.line("infer: \(level)\(ErrorReport.flattened(event.message.description))")
    }

    /// Writes one line to standard error.
    package static func line(_ text: String) {
        // A log that cannot be written has nowhere to complain.
        try? FileDescriptor(rawValue: STDERR_FILENO).writeAll(Array((text + "\n").utf8))
    }

    /// A logger for the command line: notices (such as the chosen device) and worse, or everything.
    package static func logger(verbose: Bool) -> Logger {
        Logger(label: "infer") { _ in StandardErrorLog(logLevel: verbose ? .debug : .notice) }
    }
}
