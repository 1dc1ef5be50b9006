import TestSupport
import Testing

import Retrieval

@Suite("Semantic chunking")
struct SemanticChunkingTests {
    private func topic(_ word: String, _ count: Int) -> String {
        (0..<count).map { "The \(word) of \(word) is \(word)\($0 % 3)." }.joined(separator: " ")
    }

    private func chunks(_ text: String, tokens: Int = 60, overlap: Int = 0, name: String = "d.txt") async throws
        -> [String]
    {
        let scratch = try Scratch()
        try scratch.write(name, text)
        let embedder = WordEmbedder()
        let collection = try DocumentCollection(
            path: scratch.collection,
            settings: CollectionSettings(
                embedder: "words", embedderFingerprint: "w1", dimensionCount: embedder.dimensionCount))
        let chunker = try Chunker(strategy: .semantic, tokenCount: tokens, overlapTokenCount: overlap) {
            Analyzer.simple.terms(in: $0).count
        }
        var indexer = Indexer(collection, chunker: chunker, embedder: embedder)
        _ = try await indexer.index(paths: [scratch.path + "/" + name])
        let reader = try CollectionReader(path: scratch.collection)
        return try (1...Int64(reader.chunkCount)).map { try reader.chunk($0).chunk.text }
    }

    @Test("Chunks end where the topic changes")
    func topics() async throws {
        let parts = [topic("heron", 6), topic("diesel", 7), topic("sonata", 5)]
        #expect(try await chunks(parts.joined(separator: " ")) == parts)
        // A part that is too small to stand alone stays with its neighbour.
        let small = [topic("heron", 6), topic("diesel", 1), topic("sonata", 6)]
        let found = try await chunks(small.joined(separator: " "))
        #expect(found.joined(separator: " ") == small.joined(separator: " "))
        #expect(found.allSatisfy { Analyzer.simple.terms(in: $0).count >= 60 / 8 })
        // One topic has no reason to be cut, nor has one sentence.
        let same = "The heron wades. The heron wades. The heron wades. The heron wades. The heron wades."
        #expect(try await chunks(same) == [same])
        #expect(try await chunks("Alone.") == ["Alone."])
    }

    @Test("A topic that is too long is cut at sentences, and headings end chunks")
    func bounds() async throws {
        let long = topic("heron", 40) + " " + topic("diesel", 5)
        let found = try await chunks(long, tokens: 30, overlap: 6)
        #expect(found.allSatisfy { Analyzer.simple.terms(in: $0).count <= 30 && $0.hasSuffix(".") })
        #expect(!found.contains { $0.contains("heron") && $0.contains("diesel") })
        let markdown = "# Birds\n\n\(topic("heron", 3))\n\n# More\n\n\(topic("heron", 3))\n"
        #expect(try await chunks(markdown, name: "d.md").count == 2)
        var generator = SplitMix64(seed: 2)
        for _ in 0..<30 {
            let text = (0..<generator.next(below: 60)).map { _ in
                ["a.", "B?", "\n\n", "鹭。", "word ", "Heron ", "# H\n", "\u{301}", "x1 "][generator.next(below: 9)]
            }.joined(separator: " ")
            let pieces = try await chunks("start " + text, tokens: 8, overlap: generator.next(below: 5), name: "d.md")
            #expect(
                Analyzer.simple.terms(in: pieces.joined(separator: " ")).count
                    >= Analyzer.simple.terms(in: text).count)
        }
    }
}
