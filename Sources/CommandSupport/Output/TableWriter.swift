import ArgumentParser
import JSONCore

/// How results are printed.
package enum TableFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
    case md, csv, json, jsonl, sql
}

/// Turns rows into text as they come, so that what was measured before a failure has been printed.
///
/// All rows of one table have the same fields and cells.
package struct TableText {
    package let format: TableFormat
    /// The table's name, for SQL.
    package let name: String
    private var rowCount = 0

    package init(_ format: TableFormat, name: String) {
        self.format = format
        self.name = name
    }

    /// The text of one row, with what comes before it where it is the first.
    package mutating func row(_ row: TableRow) -> String {
        defer { rowCount += 1 }
        let head = rowCount == 0 ? header(row) : format == .json ? ",\n" : ""
        return head + body(row)
    }

    /// What closes the table.
    package func footer() -> String {
        guard format == .json else { return "" }
        return rowCount == 0 ? "[]\n" : "\n]\n"
    }

    private func header(_ row: TableRow) -> String {
        switch format {
        case .md:
            line(row.cells.map(\.title)) + line(row.cells.map { $0.isNumber ? "--:" : ":--" })
        case .csv: row.fields.filter { !$0.isList }.map(\.name).joined(separator: ",") + "\n"
        case .json: "[\n"
        case .jsonl: ""
        case .sql: sqlTable(row)
        }
    }

    private func body(_ row: TableRow) -> String {
        switch format {
        case .md: line(row.cells.map { $0.text.replacing("|", with: "\\|") })
        case .csv:
            row.fields.filter { !$0.isList }.map { "\"" + text($0.value).replacing("\"", with: "\"\"") + "\"" }
                .joined(separator: ",") + "\n"
        case .json: TableText.json(row)
        case .jsonl: TableText.json(row) + "\n"
        case .sql: sqlInsertion(row)
        }
    }

    private func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }

    private func text(_ value: TableRow.Value) -> String {
        switch value {
        case .text(let text): text
        case .integer(let integer): "\(integer)"
        case .real(let real): fixed(real, digits: 6)
        case .reals(let reals): reals.map { fixed($0, digits: 6) }.joined(separator: " ")
        }
    }

    private func sqlTable(_ row: TableRow) -> String {
        let definitions = row.fields.filter { !$0.isList }.map { field in
            switch field.value {
            case .integer: "\(field.name) INTEGER"
            case .real: "\(field.name) REAL"
            default: "\(field.name) TEXT"
            }
        }
        return "CREATE TABLE IF NOT EXISTS \(name) (\n  " + definitions.joined(separator: ",\n  ") + "\n);\n"
    }

    private func sqlInsertion(_ row: TableRow) -> String {
        let scalars = row.fields.filter { !$0.isList }
        let names = scalars.map(\.name).joined(separator: ", ")
        let texts = scalars.map { "'" + text($0.value).replacing("'", with: "''") + "'" }.joined(separator: ", ")
        return "INSERT INTO \(name) (\(names)) VALUES (\(texts));\n"
    }

    /// One JSON object; numbers that are not finite become null.
    package static func json(_ row: TableRow) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        for field in row.fields {
            writer.key(field.name)
            switch field.value {
            case .text(let text): writer.value(text)
            case .integer(let integer): writer.value(integer)
            case .real(let real): write(real, to: &writer)
            case .reals(let reals):
                writer.beginArray()
                for real in reals { write(real, to: &writer) }
                writer.endArray()
            }
        }
        writer.endObject()
        return writer.text
    }

    private static func write(_ real: Double, to writer: inout JSONWriter) {
        do { try writer.value(real) } catch { writer.null() }
    }
}
