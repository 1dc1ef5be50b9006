import CPUBackend
import Foundation
import Testing

import Retrieval

/// A collection that is searched while it changes.
@Suite("Collections that are served")
struct ServiceTests {
    private func service(_ scratch: Scratch, embedder: (any TextEmbedder)? = nil, count: Int = 2) -> CollectionService {
        CollectionService(path: scratch.collection, embedder: embedder, searcherCount: count) {
            try CPUBackend(threadCount: 1)
        }
    }

    private func keys(_ service: CollectionService, _ query: String) async throws -> [String] {
        try await service.search(query, SearchOptions(mode: .lexical, count: 50)).map(\.key).sorted()
    }

    @Test("A search finds what was committed before it began")
    func reopens() async throws {
        let scratch = try Scratch()
        try scratch.write("d.jsonl", #"{"id":"a","text":"a heron"}"# + "\n")
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"])
        let service = service(scratch)
        #expect(try await keys(service, "heron") == ["a"])
        try scratch.write("d.jsonl", #"{"id":"b","text":"two herons, one heron"}"# + "\n")
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"])
        #expect(try await keys(service, "heron") == ["b"])

        // Another file of the same name.
        for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: scratch.collection + ending) }
        await #expect(throws: RetrievalError.collectionMissing(path: scratch.collection)) {
            try await keys(service, "heron")
        }
        try scratch.write("d.jsonl", #"{"id":"c","text":"the last heron"}"# + "\n")
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"])
        #expect(try await keys(service, "heron") == ["c"])
    }

    @Test("Many searches at once, in all arms, answer as one does")
    func concurrent() async throws {
        let scratch = try Scratch()
        let words = (0..<40).map { "word\($0)" }
        let lines = (0..<200).map { row in
            let text = (0..<6).map { words[(row * 7 + $0 * $0) % 40] }.joined(separator: " ")
            return #"{"id":"\#(row)","text":"\#(text)"}"# + "\n"
        }
        try scratch.write("d.jsonl", lines.joined())
        let embedder = WordEmbedder(givesTermWeights: false)
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: embedder)
        let searcher = try Searcher(
            CollectionReader(path: scratch.collection), embedder: embedder, on: CPUBackend(threadCount: 1))
        let options = SearchOptions(mode: .hybrid, count: 5)
        var expected: [String: [String]] = [:]
        for word in words { expected[word] = try await searcher.search(word, options).map { $0.chunk.key } }
        let service = service(scratch, embedder: embedder, count: 3)
        let found = try await withThrowingTaskGroup(of: (String, [String]).self) { group in
            for _ in 0..<4 {
                for word in words {
                    group.addTask { (word, try await service.search(word, options).map(\.key)) }
                }
            }
            return try await group.reduce(into: [(String, [String])]()) { $0.append($1) }
        }
        #expect(found.count == 160)
        for (word, keys) in found { #expect(keys == expected[word], "\(word)") }
    }

    @Test("Searches while another connection writes see whole documents")
    func whileWriting() async throws {
        let scratch = try Scratch()
        let collection = try DocumentCollection(
            path: scratch.collection, settings: CollectionSettings(analyzer: .simple))
        @Sendable func write(_ round: Int) throws {
            try collection.write(
                ["left", "right"].map { key in
                    IndexedDocument(
                        key: key, path: key, source: "s", state: DocumentState(contentHash: 1, byteCount: 1),
                        chunks: [Chunk(byteRange: 0..<5, text: "heron round\(round)")])
                })
        }
        try write(0)
        let service = service(scratch)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for round in 1...30 { try write(round) }
            }
            for _ in 0..<60 {
                group.addTask {
                    let texts = try await service.search("heron", SearchOptions(mode: .lexical)).map(\.text)
                    #expect(texts.count == 2 && texts[0] == texts[1])
                }
            }
            try await group.waitForAll()
        }
        let last = try await service.search("heron", SearchOptions(mode: .lexical)).map(\.text)
        #expect(last == ["heron round30", "heron round30"])
        service.closeStale()
    }

    @Test("An embedder that differs, a cancelled search and a missing file end in an error")
    func failures() async throws {
        let scratch = try Scratch()
        try scratch.write("d.jsonl", #"{"id":"a","text":"a heron"}"# + "\n")
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"], embedder: WordEmbedder())
        let other = service(scratch, embedder: WordEmbedder(fingerprint: "another"))
        await #expect(throws: RetrievalError.self) { try await keys(other, "heron") }
        let lexical = service(scratch)
        #expect(try await keys(lexical, "heron") == ["a"])
        await #expect(throws: RetrievalError.noVectors(path: scratch.collection)) {
            try await lexical.search("heron", SearchOptions(mode: .dense))
        }
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await lexical.search("heron", SearchOptions(mode: .lexical))
        }
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        #expect(try await keys(lexical, "heron") == ["a"])
    }
}
