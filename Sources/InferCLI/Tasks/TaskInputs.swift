import ArgumentParser
import CommandSupport
import Glibc
import Inference

/// `--lines` and `--json`, which all commands over texts share.
struct TextListOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Read one text a line of this file; - is standard input.", valueName: "file"),
        completion: .file())
    var lines: String?

    @Flag(help: "Print JSON; with --lines, one value a line.")
    var json = false

    /// Lines whose answers are computed together.
    private static let batchLineCount = 512

    /// Calls `body` with the texts given, or batch by batch with the lines of the file; standard input where neither is
    /// named. Shows progress.
    /// - Parameter body: takes texts and the place of the first one.
    func forEachBatch(of texts: [String], _ body: ([String], Int) throws -> Void) throws {
        guard texts.isEmpty else { return try body(texts, 0) }
        var source = try TextLines(path: lines ?? "-")
        var progress = ProgressLine("infer")
        defer { progress.clear() }
        var count = 0
        while true {
            let batch = try source.next(TextListOptions.batchLineCount)
            guard !batch.isEmpty else { break }
            try body(batch, count)
            count += batch.count
            if let total = source.byteCount {
                progress.update(Double(source.consumedByteCount) / Double(total), "\(count) texts")
            }
        }
        guard count > 0 else { throw TaskArgumentError.noTexts }
    }

    /// All texts, where the answer needs them at once.
    func all(_ texts: [String]) throws -> [String] {
        var all: [String] = []
        try forEachBatch(of: texts) { batch, _ in all += batch }
        return all
    }

    /// - Throws: `ValidationError` where texts are given twice.
    func check(_ texts: [String]) throws {
        guard lines == nil || texts.isEmpty else {
            throw ValidationError("give texts as arguments or with --lines, not both")
        }
    }

}

/// Why a task's arguments cannot be used.
enum TaskArgumentError: Error, CustomStringConvertible {
    case noTexts

    var description: String {
        switch self {
        case .noTexts: "no text was given; give one as an argument, a line a text with --lines, or on standard input"
        }
    }
}

extension ModelOptions {
    /// The options of a task.
    func taskOptions(truncates: Bool = false) -> TaskOptions {
        TaskOptions(engine: engineOptions(), truncates: truncates)
    }

    /// A score as people read it.
    static func score(_ score: Double) -> String { fixed(score, digits: 4) }
}
