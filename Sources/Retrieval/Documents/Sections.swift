/// Where the parts of structured text begin: headings of Markdown and LaTeX, functions of source code.
package enum Sections {
    package static func split(_ bytes: [UInt8], kind: DocumentKind) -> [ExtractedText.Section] {
        switch kind {
        case .markdown: markdown(bytes)
        case .latex: latex(bytes)
        case .source: source(bytes)
        case .text, .html, .jsonLines, .pdf: [ExtractedText.Section(range: 0..<bytes.count, headings: [])]
        }
    }

    /// Headings of CommonMark: `#` to `######`, and lines that `===` or `---` underline; none inside fenced code.
    private static func markdown(_ bytes: [UInt8]) -> [ExtractedText.Section] {
        var builder = SectionBuilder()
        var fence: (mark: UInt8, count: Int)?
        var previous: (range: Range<Int>, text: ArraySlice<UInt8>)?
        for line in LineScanner(bytes) {
            defer { previous = line }
            let content = line.text.drop { $0 == 0x20 }
            if let open = fence {
                let count = content.prefix { $0 == open.mark }.count
                if count >= open.count, content.dropFirst(count).allSatisfy({ $0 == 0x20 }) { fence = nil }
                continue
            }
            guard line.text.count - content.count < 4, let first = content.first else { continue }
            let run = content.prefix { $0 == first }.count
            switch first {
            case UInt8(ascii: "`"), UInt8(ascii: "~"):
                if run >= 3 { fence = (first, run) }
            case UInt8(ascii: "#"):
                let title = content.dropFirst(run)
                guard run <= 6, title.first.map({ $0 == 0x20 || $0 == 0x09 }) ?? true else { continue }
                builder.begin(at: line.range.lowerBound, level: run, title: closed(title))
            case UInt8(ascii: "="), UInt8(ascii: "-"):
                guard content.allSatisfy({ $0 == first || $0 == 0x20 }), let title = previous,
                    !title.text.trimmedText.isEmpty, title.text.first != UInt8(ascii: "#")
                else { continue }
                builder.begin(
                    at: title.range.lowerBound, level: first == UInt8(ascii: "=") ? 1 : 2, title: title.text.trimmedText
                )
            default: break
            }
        }
        return builder.finish(at: bytes.count)
    }

    /// A heading's title without the `#` that may close it.
    private static func closed(_ title: ArraySlice<UInt8>) -> String {
        var text = title.trimmedText
        while text.hasSuffix("#") { text.removeLast() }
        return text[...].utf8.isEmpty ? "" : Array(text.utf8)[...].trimmedText
    }

    private static func latex(_ bytes: [UInt8]) -> [ExtractedText.Section] {
        let levels = [
            ("\\part", 0), ("\\chapter", 1), ("\\section", 2), ("\\subsection", 3), ("\\subsubsection", 4),
            ("\\paragraph", 5),
        ]
        var builder = SectionBuilder()
        for line in LineScanner(bytes) {
            let text = line.text.trimmedText
            guard text.hasPrefix("\\") else { continue }
            for (command, level) in levels {
                guard text.hasPrefix(command), let open = text.firstIndex(of: "{"),
                    ["", "*"].contains(text[..<open].dropFirst(command.count)),
                    let close = text[open...].firstIndex(of: "}")
                else { continue }
                let title = String(text[text.index(after: open)..<close])
                builder.begin(at: line.range.lowerBound, level: level, title: title)
            }
        }
        return builder.finish(at: bytes.count)
    }

    /// Declarations at the left margin begin parts, with the comment lines right above them; the heading is their line.
    private static func source(_ bytes: [UInt8]) -> [ExtractedText.Section] {
        let openers = [
            "func ", "public ", "package ", "private ", "internal ", "static ", "struct ", "class ", "enum ",
            "protocol ",
            "extension ", "actor ", "final ", "def ", "async def ", "function ", "export ", "fn ", "pub ", "impl ",
            "trait ", "mod ", "type ", "interface ", "namespace ", "template", "kernel ", "__kernel ", "void ", "int ",
            "float ", "double ", "char ", "bool ", "unsigned ", "inline ", "abstract ", "sub ", "module ", "CREATE ",
            "create ",
        ]
        var builder = SectionBuilder()
        var commentStart: Int?
        for line in LineScanner(bytes) {
            guard let first = line.text.first else {
                commentStart = nil
                continue
            }
            if [UInt8(ascii: "/"), UInt8(ascii: "#"), UInt8(ascii: "@"), UInt8(ascii: "*")].contains(first) {
                commentStart = commentStart ?? line.range.lowerBound
                continue
            }
            if first != 0x20, first != 0x09 {
                let text = String(decoding: line.text, as: UTF8.self)
                if openers.contains(where: text.hasPrefix) {
                    let title = text.prefix { $0 != "{" && $0 != "(" }
                    builder.begin(
                        at: commentStart ?? line.range.lowerBound, level: 1,
                        title: Array(title.utf8)[...].trimmedText)
                }
            }
            commentStart = nil
        }
        return builder.finish(at: bytes.count)
    }
}

/// Parts of a text from the headings found in it.
package struct SectionBuilder {
    private var sections: [ExtractedText.Section] = []
    private var headings = HeadingStack()
    private var start = 0

    package mutating func begin(at offset: Int, level: Int, title: String) {
        close(at: offset)
        headings.push(level: level, title: title)
    }

    package mutating func finish(at end: Int) -> [ExtractedText.Section] {
        close(at: end)
        return sections
    }

    private mutating func close(at offset: Int) {
        guard offset > start else { return }
        sections.append(ExtractedText.Section(range: start..<offset, headings: headings.titles))
        start = offset
    }
}
