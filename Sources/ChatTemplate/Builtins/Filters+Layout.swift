/// Filters that lay text out.
extension Interpreter {
    func layoutFilter(_ name: String, _ value: Value, _ arguments: Arguments) throws -> Value? {
        switch name {
        case "indent": return try indent(value, arguments)
        case "center":
            let width = try arguments.values(name, ["width"])[0].given?.integer ?? 80
            return .string(try pad(text(value), width: width, with: " ", alignment: .center))
        case "truncate": return try truncate(value, arguments)
        case "wordwrap": return try wordWrap(value, arguments)
        case "xmlattr":
            let usesSpace = try arguments.values(name, ["autospace"])[0].given?.isTrue ?? true
            guard case .dict(let dict) = value else {
                throw TemplateFailure.type("'\(value.typeName)' object has no attribute 'items'")
            }
            var parts: [String] = []
            for (key, value) in zip(dict.keys, dict.values) where !value.isNone && !value.isUndefined {
                let name = try text(key)
                guard !name.scalars.contains(where: { $0.isPythonSpace || "/>=".unicodeScalars.contains($0) }) else {
                    throw TemplateFailure.value("Invalid character in attribute name: \(name.representation)")
                }
                parts.append("\(try escape(name).string)=\"\(try escape(text(value)).string)\"")
            }
            let joined = parts.joined(separator: " ")
            return .string(
                Text(
                    Array((usesSpace && !joined.isEmpty ? " " + joined : joined).unicodeScalars),
                    isMarkup: escapesOutput))
        case "pprint": return .string(try representation(value))
        default: return nil
        }
    }

    private func indent(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("indent", ["width", "first", "blank"])
        guard let source = value.text else {
            if case .undefined(let undefined) = value { throw undefined.failure }
            throw TemplateFailure.type("unsupported operand type(s) for +=: '\(value.typeName)' and 'str'")
        }
        let width = values[0].given ?? .int(4)
        let indentation: [Unicode.Scalar]
        if let text = width.text {
            indentation = text.scalars
        } else if let count = width.integer {
            try budget.allocate(max(count, 0))
            indentation = Array(repeating: " ", count: max(count, 0))
        } else {
            throw TemplateFailure.type("can't multiply sequence by non-int of type '\(width.typeName)'")
        }
        let indentsBlank = values[2].given?.isTrue ?? false
        let lines = Text(source.scalars + ["\n"]).lines(keepingEnds: false)
        try budget.allocate(source.count + lines.count * (indentation.count + 1))
        var result: [Unicode.Scalar] = values[1].given?.isTrue ?? false ? indentation : []
        for (index, line) in lines.enumerated() {
            if index > 0 {
                result.append("\n")
                if indentsBlank || !line.isEmpty { result += indentation }
            }
            result += line
        }
        return .string(Text(result, isMarkup: source.isMarkup))
    }

    enum Alignment { case left, right, center }

    func pad(_ text: Text, width: Int, with fill: Unicode.Scalar, alignment: Alignment) throws -> Text {
        let missing = width - text.count
        guard missing > 0 else { return text }
        try budget.allocate(width)
        let left: Int
        switch alignment {
        case .left: left = 0
        case .right: left = missing
        // `str.center` puts the odd space on the left where the width is odd.
        case .center: left = missing / 2 + (missing & width & 1)
        }
        return Text(
            Array(repeating: fill, count: left) + text.scalars + Array(repeating: fill, count: missing - left),
            isMarkup: text.isMarkup)
    }

    private func truncate(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values("truncate", ["length", "killwords", "end", "leeway"])
        let length = values[0].given?.integer ?? 255
        let end = try values[2].given.map { try text($0) } ?? "..."
        let leeway = values[3].given?.integer ?? 5
        guard length >= end.count, leeway >= 0 else {
            throw TemplateFailure.python(
                kind: "AssertionError", message: "expected length >= \(end.count), got \(length)")
        }
        // Whatever has a length is short enough or not; only text can be cut.
        if try self.length(of: value) - leeway <= length { return value }
        guard let source = value.text else {
            throw TemplateFailure.type("object of type '\(value.typeName)' cannot be truncated")
        }
        var kept = source.scalars.prefix(length - end.count)
        if !(values[1].given?.isTrue ?? false), let space = kept.lastIndex(of: " ") {
            kept = kept[..<space]
        }
        return .string(Text(kept + end.scalars, isMarkup: source.isMarkup))
    }

    private func wordWrap(_ value: Value, _ arguments: Arguments) throws -> Value {
        let values = try arguments.values(
            "wordwrap", ["width", "break_long_words", "wrapstring", "break_on_hyphens"])
        let width = values[0].given?.integer ?? 79
        guard width > 0 else { throw TemplateFailure.value("invalid width \(width) (must be > 0)") }
        let breaksWords = values[1].given?.isTrue ?? true
        let separator = try values[2].given.flatMap { $0.isNone ? nil : $0 }.map { try text($0).scalars } ?? ["\n"]
        let breaksHyphens = values[3].given?.isTrue ?? true
        var result: [Unicode.Scalar] = []
        if case .undefined(let undefined) = value { throw undefined.failure }
        guard let source = value.text else {
            throw TemplateFailure.python(
                kind: "AttributeError", message: "'\(value.typeName)' object has no attribute 'splitlines'")
        }
        for (index, line) in source.lines(keepingEnds: false).enumerated() {
            if index > 0 { result += separator }
            let wrapped = wrap(line, width: width, breaksWords: breaksWords, breaksHyphens: breaksHyphens)
            try budget.allocate(line.count + wrapped.count * separator.count)
            result += wrapped.joined(separator: separator)
        }
        return .string(Text(result))
    }

    /// `textwrap.wrap` without changing white space, but for what stands at the ends of lines.
    private func wrap(
        _ line: [Unicode.Scalar], width: Int, breaksWords: Bool, breaksHyphens: Bool
    ) -> [[Unicode.Scalar]] {
        var chunks = Interpreter.chunks(line, breaksHyphens: breaksHyphens)[...]
        var lines: [[Unicode.Scalar]] = []
        while !chunks.isEmpty {
            if let first = chunks.first, first.allSatisfy(\.isPythonSpace), !lines.isEmpty {
                chunks.removeFirst()
                continue
            }
            var current: [[Unicode.Scalar]] = []
            var length = 0
            while let next = chunks.first, length + next.count <= width {
                current.append(next)
                length += next.count
                chunks.removeFirst()
            }
            if let next = chunks.first, next.count > width {
                let room = width - length
                if breaksWords, room > 0 {
                    current.append(Array(next.prefix(room)))
                    chunks[chunks.startIndex] = Array(next.dropFirst(room))
                } else if current.isEmpty {
                    current.append(next)
                    chunks.removeFirst()
                }
            }
            if let last = current.last, last.allSatisfy(\.isPythonSpace) { current.removeLast() }
            if !current.isEmpty { lines.append(current.flatMap { $0 }) }
        }
        return lines
    }

    /// Words and the white space between them; words fall apart after hyphens between letters.
    private static func chunks(_ line: [Unicode.Scalar], breaksHyphens: Bool) -> [[Unicode.Scalar]] {
        var chunks: [[Unicode.Scalar]] = []
        var current: [Unicode.Scalar] = []
        for (index, scalar) in line.enumerated() {
            if let last = current.last, last.isPythonSpace != scalar.isPythonSpace {
                chunks.append(current)
                current = []
            }
            current.append(scalar)
            let isAfterLetters = current.count > 2 && current.dropLast().suffix(2).allSatisfy(\.isPythonAlpha)
            if breaksHyphens, scalar == "-", isAfterLetters, index + 1 < line.count, line[index + 1].isPythonAlpha {
                chunks.append(current)
                current = []
            }
        }
        if !current.isEmpty { chunks.append(current) }
        return chunks
    }
}
