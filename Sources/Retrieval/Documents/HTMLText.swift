/// The text of an HTML page: tags, scripts and styles left out, entities decoded, block elements as paragraphs.
struct HTMLText {
    private static let blocks: Set<String> = [
        "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption", "figure",
        "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre",
        "section", "table", "td", "th", "tr", "ul", "title", "body",
    ]
    /// Elements whose content is no text.
    private static let hidden: Set<String> = ["script", "style", "template", "noscript", "svg"]
    private static let entities: [String: String] = [
        "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": " ", "mdash": "—", "ndash": "–",
        "hellip": "…", "copy": "©", "reg": "®", "deg": "°", "times": "×", "middot": "·", "laquo": "«", "raquo": "»",
        "lsquo": "‘", "rsquo": "’", "ldquo": "“", "rdquo": "”", "auml": "ä", "ouml": "ö", "uuml": "ü", "Auml": "Ä",
        "Ouml": "Ö", "Uuml": "Ü", "szlig": "ß", "eacute": "é", "egrave": "è", "agrave": "à", "ccedil": "ç", "euro": "€",
    ]

    private let source: [UInt8]
    private var text: [UInt8] = []
    private var runs: [ExtractedText.OffsetRun] = []
    private var builder = SectionBuilder()
    private var heading: (level: Int, start: Int)?

    static func extract(_ page: ExtractedText) -> ExtractedText {
        var reader = HTMLText(source: page.bytes)
        reader.read()
        if let (level, start) = reader.heading { reader.endHeading(level, start) }
        var extracted = ExtractedText(
            bytes: reader.text, sections: reader.builder.finish(at: reader.text.count), offsets: reader.runs,
            fileByteCount: page.fileByteCount)
        if page.offsets != nil {
            extracted.offsets = reader.runs.map {
                .init(text: $0.text, file: page.fileRange($0.file..<$0.file).lowerBound)
            }
        }
        return extracted
    }

    private init(source: [UInt8]) { self.source = source }

    private mutating func read() {
        var index = 0
        while index < source.count {
            switch source[index] {
            case UInt8(ascii: "<"): index = readTag(index)
            case UInt8(ascii: "&"): index = readEntity(index)
            default:
                append(source[index...index], from: index)
                index += 1
            }
        }
    }

    private mutating func readTag(_ start: Int) -> Int {
        if source[start...].starts(with: Array("<!--".utf8)) {
            return find("-->", from: start + 4).map { $0 + 3 } ?? source.count
        }
        var index = start + 1
        let closes = index < source.count && source[index] == UInt8(ascii: "/")
        if closes { index += 1 }
        let nameStart = index
        while index < source.count, Unicode.Scalar(source[index]).isLetterOrDigit { index += 1 }
        guard index > nameStart || (index < source.count && [0x21, 0x3F].contains(source[index])) else {
            append(source[start...start], from: start)
            return start + 1
        }
        let name = String(decoding: source[nameStart..<index], as: UTF8.self).lowercased()
        index = tagEnd(from: index)
        if HTMLText.hidden.contains(name), !closes {
            return find("</\(name)", from: index).map { tagEnd(from: $0) } ?? source.count
        }
        if HTMLText.blocks.contains(name) { handleBlock(name, closes: closes, at: start) }
        return index
    }

    /// The place behind the `>` that ends a tag. A quoted value may contain `>`.
    private func tagEnd(from start: Int) -> Int {
        var quote: UInt8?
        for index in start..<source.count {
            let byte = source[index]
            if let open = quote {
                if byte == open { quote = nil }
            } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                quote = byte
            } else if byte == UInt8(ascii: ">") {
                return index + 1
            }
        }
        return source.count
    }

    private mutating func handleBlock(_ name: String, closes: Bool, at offset: Int) {
        if text.last != 0x0A, !text.isEmpty { append([0x0A], from: offset) }
        guard name.count == 2, name.hasPrefix("h"), let level = Int(name.dropFirst()) else {
            if name == "p", text.suffix(2) != [0x0A, 0x0A], !text.isEmpty { append([0x0A], from: offset) }
            return
        }
        if closes, let (level, start) = heading {
            endHeading(level, start)
        } else if !closes {
            heading = (level, text.count)
        }
    }

    private mutating func endHeading(_ level: Int, _ start: Int) {
        builder.begin(at: start, level: level, title: text[start...].trimmedText)
        heading = nil
    }

    private mutating func readEntity(_ start: Int) -> Int {
        let limit = min(start + 12, source.count)
        guard let end = source[start..<limit].firstIndex(of: UInt8(ascii: ";")) else {
            append(source[start...start], from: start)
            return start + 1
        }
        let name = String(decoding: source[start + 1..<end], as: UTF8.self)
        var decoded = HTMLText.entities[name]
        if name.hasPrefix("#x") || name.hasPrefix("#X") {
            decoded = UInt32(name.dropFirst(2), radix: 16).flatMap(Unicode.Scalar.init).map { String($0) }
        } else if name.hasPrefix("#") {
            decoded = UInt32(name.dropFirst()).flatMap(Unicode.Scalar.init).map { String($0) }
        }
        guard let decoded else {
            append(source[start...start], from: start)
            return start + 1
        }
        append(Array(decoded.utf8)[...], from: start)
        return end + 1
    }

    private mutating func append(_ bytes: ArraySlice<UInt8>, from offset: Int) {
        // Starts a new run only where text and file do not continue together.
        if runs.last.map({ $0.file + text.count - $0.text != offset }) ?? true {
            runs.append(.init(text: text.count, file: offset))
        }
        text += bytes
    }

    private func find(_ word: String, from start: Int) -> Int? {
        let wanted = Array(word.utf8)
        guard start < source.count else { return nil }
        return source[start...].indices.first { index in
            index + wanted.count <= source.count
                && zip(source[index..<index + wanted.count], wanted).allSatisfy { $0 | 0x20 == $1 | 0x20 }
        }
    }
}
