import Foundation
import TestSupport
import Testing

import Retrieval

@Suite("Collections")
struct CollectionTests {
    private func index(
        _ scratch: Scratch, paths: [String] = [], jsonLines: [String] = []
    ) async throws -> Indexer.Report {
        try await scratch.index(paths: paths, jsonLines: jsonLines)
    }

    private func find(_ scratch: Scratch, _ query: String, filter: String? = nil) async throws -> [FoundChunk] {
        let searcher = try Searcher(CollectionReader(path: scratch.path + "/c.db"))
        let options = SearchOptions(mode: .lexical, count: 20, filter: try filter.map { try DocumentFilter($0) })
        return try await searcher.search(query, options).map(\.chunk)
    }

    @Test("What is new, changed or gone is told, and nothing else is touched")
    func incremental() async throws {
        let scratch = try Scratch()
        let docs = scratch.path + "/docs"
        try scratch.write("docs/a.md", "# Birds\nThe heron wades.\n\n# Fish\nThe pike waits.\n")
        try scratch.write("docs/sub/b.txt", "A heron again.")
        try scratch.write("docs/.hidden", "heron")
        try Data([0, 1, 2, 3]).write(to: URL(fileURLWithPath: docs + "/c.bin"))
        let first = try await index(scratch, paths: [docs])
        #expect((first.added, first.changed, first.removed, first.skipped.count) == (2, 0, 0, 1))
        let herons = try await find(scratch, "heron")
        #expect(Set(herons.map(\.path)) == [docs + "/a.md", docs + "/sub/b.txt"])
        #expect(herons.first { $0.path.hasSuffix("a.md") }?.chunk.headings == ["Birds"])

        let again = try await index(scratch, paths: [docs])
        #expect((again.added, again.changed, again.unchanged, again.removed) == (0, 0, 2, 0))

        try scratch.write("docs/a.md", "# Birds\nThe stork nests.\n")
        try FileManager.default.removeItem(atPath: docs + "/sub/b.txt")
        let third = try await index(scratch, paths: [docs])
        #expect((third.added, third.changed, third.removed, third.chunkCount) == (0, 1, 1, 1))
        #expect(try await find(scratch, "heron pike").isEmpty)
        #expect(try await find(scratch, "stork").count == 1)
    }

    @Test("Scores after many changes are those of a collection made anew")
    func churn() async throws {
        let scratch = try Scratch()
        var generator = SplitMix64(seed: 2)
        var lines: [Int: String] = [:]
        func write() throws {
            let text = lines.sorted { $0.key < $1.key }.map { #"{"id":"\#($0.key)","text":"\#($0.value)"}"# + "\n" }
            try scratch.write("d.jsonl", text.joined())
        }
        for round in 0..<12 {
            for _ in 0..<20 {
                let words = (0..<8).map { _ in "w\(generator.next(below: 30))" }.joined(separator: " ")
                lines[generator.next(below: 100)] = words
            }
            if round > 0 { for _ in 0..<5 { lines.removeValue(forKey: generator.next(below: 100)) } }
            try write()
            _ = try await index(scratch, jsonLines: [scratch.path + "/d.jsonl"])
        }
        let fresh = try Scratch()
        try FileManager.default.copyItem(atPath: scratch.path + "/d.jsonl", toPath: fresh.path + "/d.jsonl")
        _ = try await index(fresh, jsonLines: [fresh.path + "/d.jsonl"])
        let options = SearchOptions(mode: .lexical, count: 100)
        for query in ["w1 w2", "w3", "w4 w5 w6 w29"] {
            let old = try await Searcher(CollectionReader(path: scratch.path + "/c.db")).search(query, options)
            let new = try await Searcher(CollectionReader(path: fresh.path + "/c.db")).search(query, options)
            #expect(
                Dictionary(uniqueKeysWithValues: old.map { ($0.chunk.key, $0.score) })
                    == Dictionary(uniqueKeysWithValues: new.map { ($0.chunk.key, $0.score) }))
        }
    }

    @Test("Lines that are no documents are told by number, the others indexed")
    func badLines() async throws {
        let scratch = try Scratch()
        try scratch.write(
            "d.jsonl",
            """
            {"id": 1, "text": "one apple", "lang": "en", "tags": ["x", "y"]}
            {"id": "1", "text": "again"}
            not json
            {"text": "no id"}

            {"id": "2", "text": "two apples", "lang": "de"}
            """)
        let report = try await index(scratch, jsonLines: [scratch.path + "/d.jsonl"])
        #expect(report.added == 2)
        #expect(report.skipped.count == 3)
        #expect(report.skipped.allSatisfy { $0.contains("d.jsonl, line") })
        #expect(try await find(scratch, "apple apples", filter: "lang = de").map(\.key) == ["2"])
        #expect(try await find(scratch, "apple apples", filter: "tags = y").map(\.key) == ["1"])
    }

    @Test("A reader sees the collection as it was when it was opened")
    func snapshot() async throws {
        let scratch = try Scratch()
        try scratch.write("d.jsonl", #"{"id": "1", "text": "old apple"}"#)
        _ = try await index(scratch, jsonLines: [scratch.path + "/d.jsonl"])
        let searcher = try Searcher(CollectionReader(path: scratch.path + "/c.db"))
        try scratch.write("d.jsonl", #"{"id": "1", "text": "new pear"}"#)
        _ = try await index(scratch, jsonLines: [scratch.path + "/d.jsonl"])
        let options = SearchOptions(mode: .lexical)
        #expect(try await searcher.search("apple pear", options).map(\.chunk.chunk.text) == ["old apple"])
        #expect(try await find(scratch, "apple pear").map(\.chunk.text) == ["new pear"])
    }

    @Test("Other files and settings are refused in one line")
    func refusals() async throws {
        let scratch = try Scratch()
        try scratch.write("not.db", String(repeating: "no database ", count: 100))
        #expect(throws: RetrievalError.collectionMissing(path: scratch.path + "/none.db")) {
            try CollectionReader(path: scratch.path + "/none.db")
        }
        #expect(throws: RetrievalError.self) { try CollectionReader(path: scratch.path + "/not.db") }
        #expect(throws: RetrievalError.self) {
            try DocumentCollection(path: scratch.path + "/not.db", settings: CollectionSettings())
        }
        _ = try DocumentCollection(path: scratch.path + "/c.db", settings: CollectionSettings(analyzer: .cjk))
        #expect(
            throws: RetrievalError.settingDiffers(
                path: scratch.path + "/c.db", name: "analyzer", stored: "cjk", requested: "simple")
        ) { try DocumentCollection(path: scratch.path + "/c.db", settings: CollectionSettings(analyzer: .simple)) }
        await #expect(throws: RetrievalError.self) {
            try await find(scratch, "a AND (b")
        }
        await #expect(throws: RetrievalError.self) {
            try await index(scratch, paths: [scratch.path + "/missing"])
        }
    }
}
