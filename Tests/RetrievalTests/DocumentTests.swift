import TestSupport
import Testing

import Retrieval

@Suite("Documents")
struct DocumentTests {
    private func chunker(_ strategy: Chunker.Strategy, _ count: Int, overlap: Int = 0) throws -> Chunker {
        try Chunker(strategy: strategy, tokenCount: count, overlapTokenCount: overlap) {
            Analyzer.simple.terms(in: $0).count
        }
    }

    private func extract(_ text: String, _ path: String) throws -> ExtractedText {
        try DocumentReader.extract(Array(text.utf8), path: path)
    }

    @Test("Chunks hold whole sentences, no more tokens than allowed, and say where they stand")
    func sentences() throws {
        let sentences = (0..<30).map { "Sentence number \($0) has seven words, really." }
        let text = sentences.joined(separator: " ")
        let chunks = try chunker(.sentence, 20, overlap: 8).chunks(of: extract(text, "a.txt"))
        for chunk in chunks {
            #expect(Analyzer.simple.terms(in: chunk.text).count <= 20)
            let bytes = Array(text.utf8)[chunk.byteRange]
            #expect(bytes.trimmedText == chunk.text)
            #expect(chunk.text.hasPrefix("Sentence") && chunk.text.hasSuffix("really."))
        }
        for sentence in sentences { #expect(chunks.contains { $0.text.contains(sentence) }) }
        // The overlap repeats the sentence before.
        #expect(chunks[1].text.hasPrefix(sentences[1]))
    }

    @Test("Every word is in a chunk, whatever the strategy", arguments: Chunker.Strategy.allCases)
    func coverage(strategy: Chunker.Strategy) throws {
        var generator = SplitMix64(seed: 4)
        let words = (0..<500).map { "w\($0)" + [" ", ". ", "\n\n", "\n# h\n", "。"][generator.next(below: 5)] }
        let text = words.joined()
        let chunks = try chunker(strategy, 16, overlap: 4).chunks(of: extract(text, "a.md"))
        let found = Set(chunks.flatMap { Analyzer.simple.terms(in: $0.text) + $0.headings })
        for index in 0..<500 { #expect(found.contains("w\(index)")) }
        for chunk in chunks { #expect(Analyzer.simple.terms(in: chunk.text).count <= 16) }
    }

    @Test("A line without a space is cut between characters")
    func longLine() throws {
        let chunks = try chunker(.structure, 8).chunks(of: extract(String(repeating: "é", count: 5000), "a.txt"))
        #expect(chunks.map(\.text).joined() == String(repeating: "é", count: 5000))
    }

    @Test("Headings of Markdown, none in code")
    func markdown() throws {
        let text = "intro\n# One\na\n```\n# no heading\n```\n## Two ##\nb\n\nThree\n=====\nc\n"
        let sections = Sections.split(Array(text.utf8), kind: .markdown)
        #expect(sections.map(\.headings) == [[], ["One"], ["One", "Two"], ["Three"]])
        #expect(sections.first?.range.lowerBound == 0 && sections.last?.range.upperBound == text.utf8.count)
    }

    @Test("Functions of source code carry their comments")
    func source() throws {
        let text = "import x\n\n// adds\nfunc add(a: Int) {\n    a\n}\n\nstruct S {\n}\n"
        let sections = Sections.split(Array(text.utf8), kind: .source)
        #expect(sections.map(\.headings) == [[], ["func add"], ["struct S"]])
        #expect(Array(text.utf8)[sections[1].range].trimmedText.hasPrefix("// adds"))
    }

    @Test("HTML becomes its text, with places in the file")
    func html() throws {
        let page = """
            <html><head><title>T</title><style>p { x: "</p>" }</style><script>var a = "<b>";</script></head>
            <body><h1>Caf&eacute; &#x263A;</h1><p class="a>b">One &lt; two<!-- hidden --> end.</p><p>Next</p></body></html>
            """
        let text = try extract(page, "a.html")
        let plain = String(decoding: text.bytes, as: UTF8.self)
        #expect(plain.contains("Café ☺") && plain.contains("One < two end.") && !plain.contains("hidden"))
        #expect(!plain.contains("var a") && !plain.contains("x:"))
        #expect(text.sections.last?.headings == ["Café ☺"])
        let chunk = try #require(try chunker(.structure, 50).chunks(of: text).last)
        let source = String(decoding: Array(page.utf8)[chunk.byteRange], as: UTF8.self)
        #expect(source.hasPrefix("Caf&") && source.contains("Next"))
    }

    @Test("Text that is not UTF-8 is read, what is no text refused")
    func encodings() throws {
        let latin = try #require(TextDecoding.text([0x63, 0x61, 0x66, 0xE9, 0x20, 0x80]))
        #expect(String(decoding: latin.bytes, as: UTF8.self) == "café €")
        #expect(latin.fileRange(3..<5) == 3..<4)
        let utf16 = try #require(TextDecoding.text([0xFF, 0xFE, 0x41, 0x00, 0xE9, 0x00]))
        #expect(String(decoding: utf16.bytes, as: UTF8.self) == "Aé")
        let marked = try #require(TextDecoding.text([0xEF, 0xBB, 0xBF, 0x23, 0x41]))
        #expect(String(decoding: marked.bytes, as: UTF8.self) == "#A" && marked.fileRange(0..<1) == 3..<4)
        #expect(TextDecoding.text([0x7F, 0x45, 0x4C, 0x46, 0x00, 0x01]) == nil)
    }

    @Test("No text makes a reader trap")
    func fuzz() throws {
        var generator = SplitMix64(seed: 12)
        let parts = [
            "<p>", "</", "<!--", "-->", "&#", "&amp;", "&#xD800;", "# ", "===", "```", ".", "\n", " ", "é", "。",
            "\u{FEFF}",
        ]
        for path in ["a.html", "a.md", "a.tex", "a.swift", "a.txt"] {
            for _ in 0..<200 {
                var bytes: [UInt8] = []
                for _ in 0..<30 { bytes += Array(parts[generator.next(below: parts.count)].utf8) }
                bytes[generator.next(below: bytes.count)] = UInt8(truncatingIfNeeded: generator.next())
                guard let text = try? DocumentReader.extract(bytes, path: path) else { continue }
                for chunk in try chunker(.structure, 8, overlap: 2).chunks(of: text) {
                    #expect(chunk.byteRange.upperBound <= bytes.count)
                }
            }
        }
    }

    @Test("Filters")
    func filters() throws {
        let fields = try DocumentFields(
            key: "k", path: "docs/Guide.md", time: 1_750_000_000,
            metadata: #"{"lang":["en","de"],"draft":true,"stars":4.5}"#, headings: "", collection: "c")
        func matches(_ filter: String) throws -> Bool { try DocumentFilter(filter).matches(fields) }
        #expect(try matches("time > 2025-01-01 and path ~ \"guide\""))
        #expect(try !matches("time > 2025-12-31T10:00:00Z"))
        #expect(try matches("lang = de and draft = true and stars >= 4.5"))
        #expect(try matches("not (lang = fr or stars < 4)"))
        #expect(try !matches("missing = 1") && matches("not missing = 1") && !matches("missing != 1"))
        for bad in ["", "path", "path ~", "path = 'a", "(a = 1", "a = 1 b", "a = 1 and", "= 1"] {
            #expect(throws: RetrievalError.self, "\(bad)") { try DocumentFilter(bad) }
        }
        #expect(throws: RetrievalError.self) { try DocumentFilter(String(repeating: "(", count: 10_000)) }
    }

    @Test("xxHash64 of its specification")
    func hash() {
        func hash(_ text: String) -> UInt64 { Array(text.utf8).withUnsafeBytes(ContentHash.hash) }
        #expect(hash("") == 0xEF46_DB37_51D8_E999)
        #expect(hash("abc") == 0x44BC_2CF5_AD77_0999)
        #expect(hash("The quick brown fox jumps over the lazy dog") == 0x0B24_2D36_1FDA_71BC)
    }
}
