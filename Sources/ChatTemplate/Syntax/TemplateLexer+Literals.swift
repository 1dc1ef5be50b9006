extension TemplateLexer {
    private mutating func finish(_ kind: Token.Kind, at end: Int) {
        tokens.append(Token(kind: kind, line: line))
        for place in position..<end where source[place] == "\n" { line += 1 }
        position = end
    }

    /// Digits with single underscores between them, from `place`.
    private func digits(from place: Int) -> Int {
        var place = place
        while place < source.count {
            if source[place].isASCIIDigit {
                place += 1
            } else if source[place] == "_", place + 1 < source.count, source[place + 1].isASCIIDigit {
                place += 2
            } else {
                break
            }
        }
        return place
    }

    mutating func lexNumber() throws {
        if lexPrefixedNumber() { return }
        var end = digits(from: position)
        var isFloat = false
        // "loop.0.5" reads items, not a fraction.
        let followsDot = position > 0 && source[position - 1] == "."
        if !followsDot {
            if end + 1 < source.count, source[end] == ".", source[end + 1].isASCIIDigit {
                isFloat = true
                end = digits(from: end + 1)
            }
            if end < source.count, source[end] == "e" || source[end] == "E" {
                var exponent = end + 1
                if exponent < source.count, source[exponent] == "+" || source[exponent] == "-" { exponent += 1 }
                if exponent < source.count, source[exponent].isASCIIDigit {
                    isFloat = true
                    end = digits(from: exponent)
                }
            }
        }
        if !isFloat, source[position] == "0" {
            // Python has no leading zeros: "007" is the two numbers 0 and 7.
            end = position
            while end < source.count, source[end] == "0" || (source[end] == "_" && matches("0", at: end + 1)) {
                end += 1
            }
        }
        let text = String(Text(source[position..<end]).string.filter { $0 != "_" })
        if isFloat {
            finish(.float(Double(text) ?? .infinity), at: end)
        } else {
            finish(Int(text).map(Token.Kind.integer) ?? .largeInteger(Text(text)), at: end)
        }
    }

    /// `0x1F`, `0o17`, `0b101`.
    private mutating func lexPrefixedNumber() -> Bool {
        guard source[position] == "0", let marker = peek(1) else { return false }
        let radix: Int
        switch marker {
        case "x", "X": radix = 16
        case "o", "O": radix = 8
        case "b", "B": radix = 2
        default: return false
        }
        var end = position + 2
        while end < source.count, source[end] == "_" || Int(String(source[end]), radix: radix) != nil { end += 1 }
        let text = String(Text(source[(position + 2)..<end]).string.filter { $0 != "_" })
        guard let value = Int(text, radix: radix) else { return false }
        finish(.integer(value), at: end)
        return true
    }

    mutating func lexString(quote: Unicode.Scalar) throws {
        var end = position + 1
        while end < source.count, source[end] != quote { end += source[end] == "\\" ? 2 : 1 }
        guard end < source.count else {
            throw SyntaxFailure(
                line: line, message: "unexpected char \(Text([quote]).representation) at \(position)")
        }
        let text = try unescape(source[(position + 1)..<end])
        finish(.string(Text(text)), at: end + 1)
    }

    /// Python's escapes in a string; an unknown one stays as it is.
    private func unescape(_ text: ArraySlice<Unicode.Scalar>) throws -> [Unicode.Scalar] {
        guard text.contains("\\") else { return Array(text) }
        var result: [Unicode.Scalar] = []
        var place = text.startIndex
        while place < text.endIndex {
            guard text[place] == "\\", place + 1 < text.endIndex else {
                result.append(text[place])
                place += 1
                continue
            }
            let escape = text[place + 1]
            place += 2
            switch escape {
            case "\n": break
            case "\\", "'", "\"": result.append(escape)
            case "a": result.append("\u{07}")
            case "b": result.append("\u{08}")
            case "f": result.append("\u{0C}")
            case "n": result.append("\n")
            case "r": result.append("\r")
            case "t": result.append("\t")
            case "v": result.append("\u{0B}")
            case "x": result.append(try hexadecimal(text, &place, count: 2, name: "\\xXX"))
            case "u": result.append(try hexadecimal(text, &place, count: 4, name: "\\uXXXX"))
            case "U": result.append(try hexadecimal(text, &place, count: 8, name: "\\UXXXXXXXX"))
            case "N": throw SyntaxFailure(line: line, message: "characters by name (\\N) are not supported")
            case "0"..."7":
                var value = escape.value - 0x30
                var count = 1
                while count < 3, place < text.endIndex, ("0"..."7").contains(text[place]) {
                    value = value * 8 + text[place].value - 0x30
                    place += 1
                    count += 1
                }
                result.append(Unicode.Scalar(value) ?? "\u{FFFD}")
            default: result += ["\\", escape]
            }
        }
        return result
    }

    private func hexadecimal(
        _ text: ArraySlice<Unicode.Scalar>, _ place: inout Int, count: Int, name: String
    ) throws -> Unicode.Scalar {
        let digits = text[place..<min(place + count, text.endIndex)]
        guard digits.count == count, digits.allSatisfy({ $0.value < 0x80 && $0.properties.isASCIIHexDigit }),
            let value = UInt32(Text(digits).string, radix: 16)
        else {
            throw SyntaxFailure(line: line, message: "truncated \(name) escape")
        }
        place += count
        // Half of a surrogate pair is no character; the other half may follow.
        if (0xD800...0xDBFF).contains(value), count == 4, place + 6 <= text.endIndex, text[place] == "\\",
            text[place + 1] == "u",
            let low = UInt32(Text(text[(place + 2)..<(place + 6)]).string, radix: 16), (0xDC00...0xDFFF).contains(low),
            let scalar = Unicode.Scalar(0x10000 + ((value & 0x3FF) << 10) + (low & 0x3FF))
        {
            place += 6
            return scalar
        }
        guard let scalar = Unicode.Scalar(value) else {
            throw SyntaxFailure(line: line, message: "\(name) escape names no character")
        }
        return scalar
    }
}
