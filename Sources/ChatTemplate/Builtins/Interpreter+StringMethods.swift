/// The methods of `str`.
extension Interpreter {
    func stringMethod(_ text: Text, _ name: String) -> Value? {
        guard Interpreter.stringMethods.contains(name) else { return nil }
        return method(name) { [unowned self] arguments in
            try budget.spend(1 + text.count >> 4)
            if let result = try caseMethod(text, name, arguments) { return result }
            if let result = try searchMethod(text, name, arguments) { return result }
            if let result = try splitMethod(text, name, arguments) { return result }
            return try layoutMethod(text, name, arguments)
        }
    }

    private static let stringMethods: Set<String> = [
        "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find", "format",
        "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "isidentifier", "islower",
        "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip", "partition",
        "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip",
        "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
    ]

    private func caseMethod(_ text: Text, _ name: String, _ arguments: Arguments) throws -> Value? {
        func all(_ test: (Unicode.Scalar) -> Bool) -> Value { .bool(!text.isEmpty && text.scalars.allSatisfy(test)) }
        switch name {
        case "upper", "lower", "capitalize", "title", "swapcase", "casefold":
            _ = try arguments.values(name, [])
            try budget.allocate(text.count)
            return .string(text.cased(name))
        case "isalnum": return all { $0.isPythonAlpha || $0.isPythonNumeric }
        case "isalpha": return all { $0.isPythonAlpha }
        case "isascii": return .bool(text.scalars.allSatisfy { $0.isASCII })
        case "isdecimal": return all { $0.isPythonDecimal }
        case "isdigit": return all { $0.properties.numericType == .digit || $0.properties.numericType == .decimal }
        case "isnumeric": return all { $0.isPythonNumeric }
        case "isspace": return all { $0.isPythonSpace }
        case "isprintable": return .bool(text.scalars.allSatisfy { $0.isPythonPrintable })
        case "islower": return .bool(text.isCased(lower: true))
        case "isupper": return .bool(text.isCased(lower: false))
        case "istitle": return .bool(text.isTitle)
        case "isidentifier":
            guard let first = text.scalars.first else { return .bool(false) }
            let startsWell = first == "_" || first.properties.isXIDStart
            return .bool(startsWell && text.scalars.dropFirst().allSatisfy { $0.properties.isXIDContinue })
        default: return nil
        }
    }

    // MARK: Searching

    /// The strings that an argument gives: one, or a tuple of them.
    private func strings(_ value: Value, _ name: String) throws -> [Text] {
        if let text = value.text { return [text] }
        if case .tuple(let list) = value { return try list.items.map { try string($0, name) } }
        throw TemplateFailure.type("\(name) first arg must be str or a tuple of str, not \(value.typeName)")
    }

    private func string(_ value: Value, _ name: String) throws -> Text {
        guard let text = value.text else {
            throw TemplateFailure.type("\(name) argument must be str, not \(value.typeName)")
        }
        return text
    }

    /// The range that optional start and end arguments leave, as slices have it; nil where it is empty by its start.
    private func range(_ start: Value, _ end: Value, count: Int) throws -> Range<Int>? {
        func place(_ value: Value, _ fallback: Int) throws -> Int {
            guard let value = value.given, !value.isNone else { return fallback }
            guard let integer = value.integer else {
                throw TemplateFailure.type(
                    "slice indices must be integers or None or have an __index__ method")
            }
            return integer < 0 ? max(integer, -count) + count : integer
        }
        let low = try place(start, 0)
        let high = min(try place(end, count), count)
        return low <= high && low <= count ? low..<high : nil
    }

    private func searchMethod(_ text: Text, _ name: String, _ arguments: Arguments) throws -> Value? {
        switch name {
        case "startswith", "endswith":
            let values = try arguments.values(name, ["prefix", "start", "end"], required: 1)
            let candidates = try strings(values[0], name)
            guard let range = try range(values[1], values[2], count: text.count) else { return .bool(false) }
            let part = range.count == text.count ? text : Text(text.scalars[range])
            return .bool(candidates.contains { name == "startswith" ? part.hasPrefix($0) : part.hasSuffix($0) })
        case "find", "rfind", "index", "rindex", "count":
            let values = try arguments.values(name, ["sub", "start", "end"], required: 1)
            let part = try string(values[0], name)
            guard let range = try range(values[1], values[2], count: text.count) else {
                return try notFound(name)
            }
            if name == "count" { return .int(try count(part, in: text, range)) }
            let found =
                name.hasPrefix("r")
                ? try findLast(part.scalars, in: text.scalars, from: range.lowerBound, to: range.upperBound)
                : try find(part.scalars, in: text.scalars, from: range.lowerBound, to: range.upperBound)
            return try found.map(Value.int) ?? notFound(name)
        case "removeprefix", "removesuffix":
            let part = try string(arguments.values(name, ["part"], required: 1)[0], name)
            if name == "removeprefix" {
                return .string(text.hasPrefix(part) ? Text(text.scalars[part.count...]) : text)
            }
            return .string(
                text.hasSuffix(part) && !part.isEmpty ? Text(text.scalars[..<(text.count - part.count)]) : text)
        case "replace":
            let values = try arguments.values(name, ["old", "new", "count"], required: 2)
            let count = try values[2].given.map { value in
                guard let integer = value.integer else {
                    throw TemplateFailure.type(
                        "'\(value.typeName)' object cannot be interpreted as an integer")
                }
                return integer
            }
            return .string(
                try replacing(string(values[0], name), by: string(values[1], name), in: text, count: count ?? -1))
        default: return nil
        }
    }

    private func notFound(_ name: String) throws -> Value {
        if name.hasSuffix("index") { throw TemplateFailure.value("substring not found") }
        return .int(name == "count" ? 0 : -1)
    }

    private func count(_ part: Text, in text: Text, _ range: Range<Int>) throws -> Int {
        if part.isEmpty { return range.count + 1 }
        var count = 0
        var place = range.lowerBound
        while let found = try find(part.scalars, in: text.scalars, from: place, to: range.upperBound) {
            count += 1
            place = found + part.count
        }
        return count
    }

    // MARK: Splitting and joining

    private func list(_ parts: [Text]) throws -> Value { .list(try ListValue(parts.map { .string($0) })) }

    private func splitMethod(_ text: Text, _ name: String, _ arguments: Arguments) throws -> Value? {
        switch name {
        case "split", "rsplit":
            let values = try arguments.values(name, ["sep", "maxsplit"])
            let limit = values[1].given.flatMap(\.integer) ?? -1
            try budget.allocate(text.count)
            guard let separator = values[0].given, !separator.isNone else {
                return try list(splitAtSpace(text, limit: limit, fromEnd: name == "rsplit"))
            }
            let part = try string(separator, name)
            guard !part.isEmpty else { throw TemplateFailure.value("empty separator") }
            return try list(split(text, at: part, limit: limit, fromEnd: name == "rsplit"))
        case "splitlines":
            let keeps = try arguments.values(name, ["keepends"])[0].given?.isTrue ?? false
            try budget.allocate(text.count)
            return try list(text.lines(keepingEnds: keeps).map { Text($0) })
        case "partition", "rpartition":
            let part = try string(arguments.values(name, ["sep"], required: 1)[0], name)
            guard !part.isEmpty else { throw TemplateFailure.value("empty separator") }
            let isLast = name == "rpartition"
            let found = isLast ? try findLast(part.scalars, in: text.scalars) : try find(part.scalars, in: text.scalars)
            guard let found else {
                let parts: [Text] = isLast ? ["", "", text] : [text, "", ""]
                return .tuple(try ListValue(parts.map { .string($0) }))
            }
            let parts = [Text(text.scalars[..<found]), part, Text(text.scalars[(found + part.count)...])]
            return .tuple(try ListValue(parts.map { .string($0) }))
        case "join":
            let items = try items(of: arguments.values(name, ["iterable"], required: 1)[0])
            var result: [Unicode.Scalar] = []
            for (index, item) in items.enumerated() {
                guard let part = item.text else {
                    throw TemplateFailure.type(
                        "sequence item \(index): expected str instance, \(item.typeName) found")
                }
                try budget.allocate(part.count + text.count)
                if index > 0 { result += text.scalars }
                result += part.scalars
            }
            return .string(Text(result))
        default: return nil
        }
    }

    private func split(_ text: Text, at part: Text, limit: Int, fromEnd: Bool) throws -> [Text] {
        var parts: [Text] = []
        var remaining = limit < 0 ? Int.max : limit
        if fromEnd, limit >= 0 {
            var end = text.count
            while remaining > 0, let found = try findLast(part.scalars, in: text.scalars, to: end) {
                parts.append(Text(text.scalars[(found + part.count)..<end]))
                end = found
                remaining -= 1
            }
            parts.append(Text(text.scalars[..<end]))
            return parts.reversed()
        }
        var start = 0
        while remaining > 0, let found = try find(part.scalars, in: text.scalars, from: start) {
            try budget.spend()
            parts.append(Text(text.scalars[start..<found]))
            start = found + part.count
            remaining -= 1
        }
        parts.append(Text(text.scalars[start...]))
        return parts
    }

    private func splitAtSpace(_ text: Text, limit: Int, fromEnd: Bool) -> [Text] {
        guard limit >= 0 else { return text.words.map { Text($0) } }
        if fromEnd {
            let reversed = splitAtSpace(Text(text.scalars.reversed()), limit: limit, fromEnd: false)
            return reversed.map { Text($0.scalars.reversed()) }.reversed()
        }
        var parts: [Text] = []
        var rest = text.scalars[...].drop(while: \.isPythonSpace)
        while !rest.isEmpty, parts.count < limit {
            let end = rest.firstIndex(where: \.isPythonSpace) ?? rest.endIndex
            parts.append(Text(rest[..<end]))
            rest = rest[end...].drop(while: \.isPythonSpace)
        }
        if !rest.isEmpty { parts.append(Text(rest)) }
        return parts
    }

    // MARK: Layout

    private func layoutMethod(_ text: Text, _ name: String, _ arguments: Arguments) throws -> Value {
        switch name {
        case "strip", "lstrip", "rstrip":
            let set = try stripSet(arguments.values(name, ["chars"])[0].given ?? .none, name)
            return .string(text.stripped(by: set, left: name != "rstrip", right: name != "lstrip"))
        case "center", "ljust", "rjust":
            let values = try arguments.values(name, ["width", "fillchar"], required: 1)
            let fill = try values[1].given.map { try string($0, name) } ?? " "
            guard let width = values[0].integer, fill.count == 1 else {
                throw TemplateFailure.type("\(name) needs a width and a fill character of exactly one character")
            }
            let alignment: Alignment = name == "center" ? .center : name == "ljust" ? .left : .right
            return .string(try pad(text, width: width, with: fill.scalars[0], alignment: alignment))
        case "zfill":
            guard let width = try arguments.values(name, ["width"], required: 1)[0].integer else {
                throw TemplateFailure.type("zfill needs an integer")
            }
            let hasSign = text.scalars.first == "-" || text.scalars.first == "+"
            let digits = Text(text.scalars[(hasSign ? 1 : 0)...])
            let padded = try pad(digits, width: width - (hasSign ? 1 : 0), with: "0", alignment: .right)
            return .string(Text(text.scalars.prefix(hasSign ? 1 : 0) + padded.scalars))
        case "expandtabs":
            let size = try arguments.values(name, ["tabsize"])[0].given?.integer ?? 8
            var result: [Unicode.Scalar] = []
            var column = 0
            for scalar in text.scalars {
                if scalar == "\t" {
                    let count = size > 0 ? size - column % size : 0
                    try budget.allocate(count)
                    result += Array(repeating: " ", count: count)
                    column += count
                } else {
                    result.append(scalar)
                    column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
                }
            }
            return .string(Text(result))
        case "format": return .string(try formatBraces(text, arguments))
        case "format_map":
            guard case .dict(let dict) = try arguments.values(name, ["mapping"], required: 1)[0] else {
                throw TemplateFailure.type("format_map() argument must be a mapping")
            }
            let keyword = try zip(dict.keys, dict.values).map { (name: try self.text($0).string, value: $1) }
            return .string(try formatBraces(text, Arguments(positional: [], keyword: keyword)))
        default: throw TemplateFailure.type("str.\(name)() is not supported in templates")
        }
    }
}
