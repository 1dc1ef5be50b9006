import JSONCore

/// An example with its answer, as a file has it: named fields of a JSON object or of a table's row.
struct EvaluationRecord {
    enum Fields {
        case json(JSONValue)
        case columns([String: String])
    }

    let fields: Fields
    /// The file.
    let name: String
    /// From 1: the line of JSON lines or of a table, or the place in an array.
    let number: Int

    func has(_ key: String) -> Bool {
        switch fields {
        case .json(let value): value[key].map { !$0.isNull } ?? false
        case .columns(let columns): columns[key] != nil
        }
    }

    /// The first of some fields that is there; of a table whose columns have none of these names, one that differs from
    /// them only by case and blanks around it.
    func first(of keys: [String]) -> String? {
        if let key = keys.first(where: has) { return key }
        guard case .columns(let columns) = fields else { return nil }
        let names = columns.keys.sorted()
        return keys.lazy.compactMap { key in names.first { EvaluationRecord.folded($0) == key } }.first
    }

    private static func folded(_ name: String) -> String {
        String(name.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed()).lowercased()
    }

    func value(_ key: String) -> JSONValue? {
        guard case .json(let value) = fields else { return nil }
        return value[key]
    }

    /// A field as text; numbers and booleans as they are written.
    func text(_ key: String) throws -> String {
        switch fields {
        case .columns(let columns):
            guard let text = columns[key] else { throw missing([key]) }
            return text
        case .json(let value):
            guard let member = value[key] else { throw missing([key]) }
            guard let text = EvaluationRecord.text(member) else {
                throw invalid("'\(key)' is \(member.kind.name), expected text")
            }
            return text
        }
    }

    /// A field as a number.
    func number(_ key: String) throws -> Double {
        let text = try text(key)
        guard let number = Double(text.filter { $0 != " " }), number.isFinite else {
            throw invalid("'\(key)' is '\(text.prefix(40))', expected a number")
        }
        return number
    }

    /// A field that is a text or an array of texts.
    func texts(_ key: String) throws -> [String] {
        guard let elements = value(key)?.array else { return [try text(key)] }
        return try elements.map { element in
            guard let text = EvaluationRecord.text(element) else {
                throw invalid("'\(key)' holds \(element.kind.name), expected texts")
            }
            return text
        }
    }

    static func text(_ value: JSONValue) -> String? {
        if let text = value.string { return text }
        if let integer = value.int { return "\(integer)" }
        if let number = value.double { return "\(number)" }
        return value.bool.map { $0 ? "1" : "0" }
    }

    func missing(_ keys: [String]) -> InputError {
        let found: [String] =
            switch fields {
            case .json(let value): value.object.map { Array($0.prefix(12).map(\.key)) } ?? [value.kind.name]
            case .columns(let columns): columns.keys.sorted()
            }
        return invalid(
            "has no \(keys.map { "'\($0)'" }.joined(separator: " or ")); found \(found.joined(separator: ", "))")
    }

    func invalid(_ reason: String) -> InputError { .invalidLine(name: name, line: number, reason: reason) }
}

/// Reads examples: JSON lines, a JSON array, or a table with a line of names (tab- or comma-separated).
enum EvaluationFile {
    /// - Throws: `InputError`, `JSONError`.
    static func records(_ path: String) throws -> [EvaluationRecord] {
        let text = try read(path)
        let records: [EvaluationRecord]
        if path.hasSuffix(".tsv") {
            records = try table(text, name: path, separator: "\t")
        } else if path.hasSuffix(".csv") {
            records = try table(text, name: path, separator: ",")
        } else if let first = text.unicodeScalars.first(where: { !$0.properties.isWhitespace }),
            "[{".contains(Character(first))
        {
            records = try json(text, name: path)
        } else {
            let head = text.prefix { $0 != "\n" && $0 != "\r\n" }
            records = try table(text, name: path, separator: head.contains("\t") ? "\t" : ",")
        }
        guard !records.isEmpty else { throw InputError.unreadable(name: path, reason: "it holds no examples") }
        return records
    }

    static func read(_ path: String) throws -> String {
        let text = path == "-" ? try InputText.argumentOrStandardInput(nil) : try InputText.file(path)
        return text.hasPrefix("\u{FEFF}") ? String(text.unicodeScalars.dropFirst()) : text
    }

    // MARK: JSON

    private static let readingOptions = JSONReadingOptions(allowsNonFiniteNumbers: true)

    private static func json(_ text: String, name: String) throws -> [EvaluationRecord] {
        if let document = try wholeDocument(text, name: name) {
            let root = document.root
            // Datasets' exports put the examples under "data".
            let elements = root.array ?? root["data"]?.array
            let values = elements.map(Array.init) ?? [root]
            return values.enumerated().map {
                EvaluationRecord(fields: .json($0.element), name: name, number: $0.offset + 1)
            }
        }
        return try JSONLines(text).compactMap { number, line in
            guard line.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else { return nil }
            let value = try JSONDocument(
                parsing: Array(line.utf8), source: "\(name), line \(number)", options: readingOptions
            ).root
            guard value.kind == .object else {
                throw InputError.invalidLine(
                    name: name, line: number, reason: "expected a JSON object, found \(value.kind.name)")
            }
            return EvaluationRecord(fields: .json(value), name: name, number: number)
        }
    }

    /// A file that is one JSON text; `nil` for JSON lines, of which the first is a text by itself.
    private static func wholeDocument(_ text: String, name: String) throws -> JSONDocument? {
        do {
            return try JSONDocument(parsing: Array(text.utf8), source: name, options: readingOptions)
        } catch {
            let line = JSONLines(text).makeIterator().next()?.line ?? ""
            guard
                (try? JSONDocument(parsing: Array(line.utf8), source: name, options: readingOptions)) != nil
            else { throw error }
            return nil
        }
    }

    // MARK: Tables

    private static func table(_ text: String, name: String, separator: Character) throws -> [EvaluationRecord] {
        let rows = separator == "," ? try quotedRows(text, name: name) : plainRows(text, separator)
        guard let head = rows.first, head.fields.count > 1 else {
            throw InputError.invalidLine(
                name: name, line: 1,
                reason: "expected names of columns, such as sentence and label, with tabs or commas between; "
                    + "or JSON objects, one a line")
        }
        return try rows.dropFirst().map { row in
            guard row.fields.count == head.fields.count else {
                throw InputError.invalidLine(
                    name: name, line: row.line,
                    reason: "has \(row.fields.count) fields, but the first line names \(head.fields.count)")
            }
            let columns = Dictionary(zip(head.fields, row.fields), uniquingKeysWith: { $1 })
            return EvaluationRecord(fields: .columns(columns), name: name, number: row.line)
        }
    }

    private static func plainRows(_ text: String, _ separator: Character) -> [(fields: [String], line: Int)] {
        JSONLines(text).compactMap { number, line in
            let line = line.hasSuffix("\r") ? String(line.unicodeScalars.dropLast()) : line
            guard !line.isEmpty else { return nil }
            return (line.split(separator: separator, omittingEmptySubsequences: false).map(String.init), number)
        }
    }

    /// Rows of RFC 4180: fields in quotes may hold commas, line ends and doubled quotes.
    private static func quotedRows(_ text: String, name: String) throws -> [(fields: [String], line: Int)] {
        var rows: [(fields: [String], line: Int)] = []
        var (fields, field) = ([String](), String.UnicodeScalarView())
        var (line, start, opening) = (1, 1, 1)
        var (isQuoted, wasQuoted) = (false, false)
        func endField() {
            fields.append(String(field))
            field = String.UnicodeScalarView()
            wasQuoted = false
        }
        func endRow() {
            endField()
            if fields != [""] { rows.append((fields, start)) }
            fields = []
        }
        for scalar in text.unicodeScalars {
            if scalar == "\n" { line += 1 }
            switch scalar {
            case "\"" where isQuoted: (isQuoted, wasQuoted) = (false, true)
            case "\"" where wasQuoted:
                field.append(scalar)
                (isQuoted, wasQuoted) = (true, false)
            case "\"" where field.isEmpty: (isQuoted, opening) = (true, line)
            case "," where !isQuoted: endField()
            case "\n" where !isQuoted:
                if field.last == "\r" { field.removeLast() }
                endRow()
                start = line
            default:
                field.append(scalar)
                // A doubled quote is one right behind another.
                wasQuoted = false
            }
        }
        guard !isQuoted else {
            throw InputError.invalidLine(name: name, line: opening, reason: "has a quote that nothing closes")
        }
        if !field.isEmpty || !fields.isEmpty { endRow() }
        return rows
    }
}
