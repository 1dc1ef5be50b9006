package import ArgumentParser
import Glibc

/// The options of every command that prints measurements.
package struct ResultOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "md, csv, json, jsonl or sql.")
    package var output = TableFormat.md

    @Option(help: "Also appends each row to this file, one JSON object a line.", completion: .file())
    package var save: String?

    package init() {}
}

/// Standard output, and the file that `--save` names, row by row.
package struct ResultOutput: ~Copyable {
    private var writer = OutputWriter()
    private var table: TableText?
    private let options: ResultOptions
    private let file: FileDescriptor?

    /// - Throws: ``OutputError`` where the file cannot be opened.
    package init(_ options: ResultOptions) throws {
        self.options = options
        file = try options.save.map { path in
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else {
                throw OutputError.failed(name: path, reason: String(cString: strerror(errno)))
            }
            return FileDescriptor(rawValue: descriptor)
        }
    }

    /// Also closes the table of a run that failed; who reads it has the rows until then.
    deinit {
        if let text = table?.footer(), !text.isEmpty {
            var writer = writer
            // What could not be written has been thrown before, or the run fails for another reason.
            try? writer.write(text)
            try? writer.flush()
        }
        if let file { _ = close(file.rawValue) }
    }

    /// Begins a table; the one before is closed. JSON has one array of all rows, which name their suite.
    package mutating func begin(_ name: String) throws {
        let isFirst = table == nil
        if !isFirst, options.output == .json { return }
        try end()
        if !isFirst, options.output == .md { try writer.write("\n") }
        table = TableText(options.output, name: name)
    }

    /// Prints one row at once.
    /// - Throws: ``OutputError``.
    package mutating func write(_ row: TableRow) throws {
        if let text = table?.row(row) { try writer.write(text) }
        try writer.flush()
        try file?.writeAll(Array((TableText.json(row) + "\n").utf8))
    }

    /// Closes the table.
    package mutating func end() throws {
        if let text = table?.footer() { try writer.write(text) }
        table = nil
        try writer.flush()
    }
}
