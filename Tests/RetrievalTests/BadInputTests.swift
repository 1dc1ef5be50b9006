import CPUBackend
import Foundation
import GRDB
import JSONCore
import TestSupport
import Testing

import Retrieval

@Suite("Input that is not as it should be")
struct BadInputTests {
    private func keys(_ scratch: Scratch) async throws -> Set<String> {
        Set(
            try DocumentCollection(path: scratch.collection).documentStates().keys.map {
                $0.text.replacing(scratch.path + "/", with: "")
            })
    }

    @Test("A byte-order mark before JSON lines is none of the first one")
    func markedLines() throws {
        let line = [0xEF, 0xBB, 0xBF] + Array(#"{"id": "a", "text": "heron"}"#.utf8)
        #expect(try JSONLineDocument(line, path: "c.jsonl", number: 1)?.text == "heron")
        #expect(throws: RetrievalError.self) { try JSONLineDocument(line, path: "c.jsonl", number: 2) }
    }

    @Test("Binary files and broken encodings: one line each, the rest is indexed")
    func bytes() async throws {
        let scratch = try Scratch()
        try scratch.write("docs/a.txt", "plain heron")
        try scratch.write("docs/b.bin", bytes: [0x7F, 0x45, 0x4C, 0x46, 0, 0, 0, 1, 2, 3])
        try scratch.write("docs/c.pdf", "%PDF-1.4 this is none")
        try scratch.write("docs/d.txt", bytes: Array("caf".utf8) + [0xE9] + Array(" heron".utf8))
        try scratch.write(
            "docs/e.txt", bytes: [0xFF, 0xFE] + Array("heron".utf16).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] })
        try scratch.write("docs/f.txt", bytes: [0xFF, 0xFE, 0x41])
        try scratch.write("docs/empty.md", "")
        let report = try await scratch.index(paths: [scratch.path + "/docs"])
        for name in ["b.bin", "c.pdf"] {
            #expect(report.skipped.filter { $0.contains(name) }.count == 1, "\(name): \(report.skipped)")
        }
        #expect(report.skipped.allSatisfy { !$0.contains("\n") })
        let searcher = try Searcher(CollectionReader(path: scratch.collection))
        let found = try await searcher.search("heron", SearchOptions(mode: .lexical))
        #expect(
            Set(found.map { URL(fileURLWithPath: $0.chunk.path).lastPathComponent }) == ["a.txt", "d.txt", "e.txt"])
        #expect(try await searcher.search("café", SearchOptions(mode: .lexical)).count == 1)
    }

    @Test("A line without end is left out, those around it are not")
    func longLine() async throws {
        let scratch = try Scratch()
        let path = scratch.path + "/d.jsonl"
        try scratch.write("d.jsonl", #"{"id":"1","text":"one heron"}"# + "\n")
        // A hole in the file: it reads as a line of zeros of more than 64 MiB, and takes no room.
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.truncate(atOffset: 70 << 20)
        try file.seekToEnd()
        try file.write(contentsOf: Data(("\n" + #"{"id":"2","text":"two herons"}"# + "\n").utf8))
        try file.close()
        let report = try await scratch.index(jsonLines: [path])
        #expect(report.added == 2)
        #expect(report.skipped.count == 1 && report.skipped[0].contains("d.jsonl, line 2: longer than"))
    }

    @Test("A folder that has moved is told, and what was indexed from it stays; what is gone from one is removed")
    func folders() async throws {
        let scratch = try Scratch()
        try scratch.write("docs/a.txt", "heron")
        try scratch.write("docs/sub/b.txt", "pike")
        let docs = scratch.path + "/docs"
        try await scratch.index(paths: [docs])
        try FileManager.default.moveItem(atPath: docs, toPath: scratch.path + "/elsewhere")
        await #expect(throws: RetrievalError.unreadable(path: docs, reason: "No such file or directory")) {
            try await scratch.index(paths: [docs])
        }
        #expect(try await keys(scratch) == ["docs/a.txt", "docs/sub/b.txt"])
        try FileManager.default.moveItem(atPath: scratch.path + "/elsewhere", toPath: docs)
        try FileManager.default.removeItem(atPath: docs + "/sub")
        let report = try await scratch.index(paths: [docs])
        #expect((report.removed, report.unchanged) == (1, 1))
    }

    @Test("Folders in each other without end: one line, and what was indexed from below stays")
    func deepFolders() async throws {
        let scratch = try Scratch()
        let deep = "docs/" + (0..<70).map { _ in "d" }.joined(separator: "/")
        try scratch.write(deep + "/x.txt", "heron")
        try scratch.write("docs/a.txt", "pike")
        try await scratch.index(paths: [scratch.path + "/" + deep])
        let report = try await scratch.index(paths: [scratch.path + "/docs"])
        #expect(report.added == 1 && report.removed == 0)
        #expect(report.skipped.count == 1 && report.skipped[0].contains("folders in each other"))
        #expect(try await keys(scratch).count == 2)
    }

    @Test("A folder is no collection")
    func folderForACollection() throws {
        let scratch = try Scratch()
        #expect(throws: RetrievalError.notACollection(path: scratch.path, reason: "a folder")) {
            try CollectionReader(path: scratch.path)
        }
    }

    @Test("Names that look alike are two documents, in folders and in JSON lines")
    func equivalentNames() async throws {
        let scratch = try Scratch()
        // "é" as one code point, and as an e with an accent.
        let names = ["\u{E9}", "e\u{301}"]
        for name in names { try scratch.write("docs/\(name).txt", "heron of \(name.utf8.count) bytes") }
        let lines = names.map { #"{"id": "\#($0)", "text": "pike of \#($0.utf8.count) bytes"}"# }
        try scratch.write("d.jsonl", lines.joined(separator: "\n"))
        let (docs, jsonLines) = ([scratch.path + "/docs"], [scratch.path + "/d.jsonl"])
        #expect(try await scratch.index(paths: docs, jsonLines: jsonLines).added == 4)
        let again = try await scratch.index(paths: docs, jsonLines: jsonLines)
        #expect((again.unchanged, again.changed, again.removed) == (4, 0, 0))
        #expect(again.skipped.isEmpty)
        unlink(scratch.path + "/docs/\(names[1]).txt")
        let fewer = try await scratch.index(paths: docs)
        #expect((fewer.unchanged, fewer.removed) == (1, 1))
        #expect(try await keys(scratch).count == 2)
        #expect(try DocumentCollection(path: scratch.collection).documentStates().count == 3)
    }

    @Test("A file whose name is not UTF-8: one line")
    func nameThatIsNoText() async throws {
        let scratch = try Scratch()
        try scratch.write("docs/a.txt", "heron")
        let path = Array("\(scratch.path)/docs/b".utf8) + [0xFF] + Array(".txt".utf8) + [0]
        let descriptor = path.map { CChar(bitPattern: $0) }.withUnsafeBufferPointer {
            open($0.baseAddress!, O_CREAT, 0o600)
        }
        #expect(descriptor >= 0)
        close(descriptor)
        let report = try await scratch.index(paths: [scratch.path + "/docs"])
        #expect(report.added == 1)
        #expect(report.skipped.count == 1 && report.skipped[0].contains("its name is not UTF-8"))
    }

    @Test("Another embedder is refused for indexing and for searching")
    func otherEmbedder() async throws {
        let scratch = try Scratch()
        try scratch.write("d.jsonl", #"{"id":"1","text":"heron"}"#)
        let lines = [scratch.path + "/d.jsonl"]
        try await scratch.index(jsonLines: lines, embedder: WordEmbedder())
        for other in [WordEmbedder(fingerprint: "w2"), WordEmbedder(size: 8)] {
            await #expect(throws: RetrievalError.self) { try await scratch.index(jsonLines: lines, embedder: other) }
            #expect(throws: RetrievalError.self) {
                try Searcher(CollectionReader(path: scratch.collection), embedder: other, on: CPUBackend())
            }
        }
        await #expect(throws: RetrievalError.self) { try await scratch.index(jsonLines: lines) }
        let searcher = try Searcher(
            CollectionReader(path: scratch.collection), embedder: WordEmbedder(), on: CPUBackend())
        #expect(try await searcher.search("heron", SearchOptions(mode: .hybrid)).count == 1)
    }

    @Test("A collection that another process writes to can be read, and refuses a second writer in one line")
    func locked() async throws {
        let scratch = try Scratch()
        try scratch.write("d.jsonl", #"{"id":"1","text":"heron"}"#)
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"])
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: scratch.collection, configuration: configuration)
        try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE; DELETE FROM setting") }
        #expect(throws: RetrievalError.collectionBusy(path: scratch.collection)) {
            try DocumentCollection(path: scratch.collection, settings: nil, busySeconds: 0.05)
        }
        let found = try await Searcher(CollectionReader(path: scratch.collection))
            .search("heron", SearchOptions(mode: .lexical))
        #expect(found.count == 1)
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        #expect(try await keys(scratch) == ["1"])
    }

    @Test("A place where no file can be made, and a damaged collection: one line each")
    func places() async throws {
        let scratch = try Scratch()
        let reason = "its folder is missing or read-only"
        #expect(throws: RetrievalError.collectionUnwritable(path: scratch.path + "/none/c.db", reason: reason)) {
            try DocumentCollection(path: scratch.path + "/none/c.db", settings: CollectionSettings())
        }
        try scratch.write(
            "d.jsonl", (0..<300).map { #"{"id":"\#($0)","text":"heron w\#($0)"}"# + "\n" }.joined())
        try await scratch.index(jsonLines: [scratch.path + "/d.jsonl"])
        let whole = try Data(contentsOf: URL(fileURLWithPath: scratch.collection))
        var generator = SplitMix64(seed: 11)
        for _ in 0..<60 {
            var bytes = Array(whole)
            for _ in 0..<20 { bytes[generator.next(below: bytes.count)] = UInt8(generator.next(below: 256)) }
            try scratch.write("broken.db", bytes: bytes)
            do {
                let searcher = try Searcher(CollectionReader(path: scratch.path + "/broken.db"))
                _ = try await searcher.search("heron w7", SearchOptions(mode: .lexical))
            } catch let error as RetrievalError {
                #expect(!error.description.contains("\n"))
            }
        }
    }
}
