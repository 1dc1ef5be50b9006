import Foundation
import JSONCore
import TestSupport
import Testing

@Suite("Collections on the command line")
struct RetrievalCommandTests {
    private func words(_ count: Int, seed: Int) -> String {
        (0..<count).map { "w\(($0 * 7919 + seed * 104_729) % 997)" }.joined(separator: " ")
    }

    private func elements(_ value: JSONValue?) -> [JSONValue] { value?.array.map(Array.init) ?? [] }

    @Test("A process that is killed leaves a collection that opens, and the next one finishes it")
    func kills() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let lines = (0..<3000).map { #"{"id": "d\#($0)", "text": "\#(words(60, seed: $0))"}"# }
        try Data(lines.joined(separator: "\n").utf8).write(to: folder.file("docs.jsonl"))
        let index = [
            "index", "--jsonl", folder.file("docs.jsonl").path, "--lexical-only", "--analyzer", "simple",
            "--chunk-tokens", "20", "-c", folder.file("c.db").path,
        ]
        var wasKilled = 0
        for delay in [0.02, 0.06, 0.1, 0.15, 0.25] {
            let process = Process()
            process.executableURL = CommandLineTool.path
            process.arguments = index
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            Thread.sleep(forTimeInterval: delay)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            wasKilled += process.terminationReason == .uncaughtSignal ? 1 : 0
            guard FileManager.default.fileExists(atPath: folder.file("c.db").path) else { continue }
            let found = try CommandLineTool.run(["search", "w1", "-c", folder.file("c.db").path, "--json"])
            // Killed before the file had its tables, there is no collection yet.
            #expect(found.exitCode == 0 || found.errorLines.count == 1, "\(found.errors)")
        }
        #expect(wasKilled > 0)
        let result = try CommandLineTool.run(index + ["--json"])
        #expect(result.exitCode == 0, "\(result.errors)")
        let report = try JSONDocument(parsing: result.outputBytes, source: "report").root
        #expect((report["added"]?.int ?? 0) + (report["unchanged"]?.int ?? 0) == 3000)
    }

    @Test("A limit of a file's size ends in one line, and what was written before stays")
    func fullDisk() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let lines = (0..<4000).map { #"{"id": "d\#($0)", "text": "\#(words(60, seed: $0))"}"# }
        try Data(lines.joined(separator: "\n").utf8).write(to: folder.file("docs.jsonl"))
        let index = "\"$INFER\" index --jsonl docs.jsonl --lexical-only -c c.db"
        let full = try CommandLineTool.shell(
            "cd '\(folder.file("").path)'; trap '' XFSZ; ulimit -f 600; \(index)")
        #expect(full.exitCode == 1)
        #expect(full.errorLines.count == 1 && full.errors.contains("c.db: cannot write"), "\(full.errors)")
        let again = try CommandLineTool.shell("cd '\(folder.file("").path)'; \(index)")
        #expect(again.exitCode == 0 && again.output.contains("4000 chunks"), "\(again.output) \(again.errors)")
    }

    @Test(
        "Models without a vector a text have collections of their own",
        arguments: [("late-interaction", [], "multi-vector"), ("mlm", ["--sparse"], "sparse")])
    func singleOutputs(model: String, flags: [String], mode: String) throws {
        let (folder, files) = (try TemporaryFolder(), try TaskModelFolder(model))
        defer {
            folder.remove()
            files.remove()
        }
        let lines = ["the cat sat on the mat", "a dog", "where is the dog"].enumerated()
        try Data(lines.map { #"{"id": "\#($0)", "text": "\#($1)"}"# }.joined(separator: "\n").utf8)
            .write(to: folder.file("docs.jsonl"))
        let collection = folder.file("c.db").path
        let indexed = try CommandLineTool.run(
            ["index", "--jsonl", folder.file("docs.jsonl").path, "--model", files.path, "-c", collection] + flags)
        #expect(indexed.exitCode == 0, "\(indexed.errors)")
        for asked in [mode, "hybrid", "auto"] {
            let found = try CommandLineTool.run(["search", "the cat", "-c", collection, "--mode", asked, "--json"])
            #expect(found.exitCode == 0, "\(found.errors)")
            let hits = elements(try JSONDocument(parsing: found.outputBytes, source: "hits").root)
            #expect(hits.count == 3 && hits.first?["id"]?.string == "0", "\(asked): \(found.output)")
        }
        let dense = try CommandLineTool.run(["search", "the cat", "-c", collection, "--mode", "dense"])
        #expect(dense.exitCode == 1 && dense.errorLines.count == 1, "\(dense.errors)")
        let approximate = try CommandLineTool.run(
            ["index", "--jsonl", folder.file("docs.jsonl").path, "--model", files.path, "-c", collection + "2"]
                + flags + ["--approximate", "hnsw"])
        #expect(approximate.exitCode == 1 && approximate.errorLines.count == 1, "\(approximate.errors)")
    }

    @Test("A question is answered with citations, or told to have no sources")
    func ask() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try Data("# Birds\n\nThe heron wades in shallow water.\n".utf8).write(to: folder.file("birds.md"))
        try Data("# Fish\n\nThe pike waits among reeds.\n".utf8).write(to: folder.file("fish.md"))
        let collection = folder.file("c.db").path
        let indexed = try CommandLineTool.run(
            ["index", folder.file("birds.md").path, folder.file("fish.md").path, "--lexical-only", "-c", collection])
        #expect(indexed.exitCode == 0, "\(indexed.errors)")
        let result = try CommandLineTool.run(
            ["ask", "Where does the heron wade?", "-c", collection, "--json", "--show-sources", "--device", "cpu"])
        #expect(result.exitCode == 0, "\(result.errors)")
        let answer = try JSONDocument(parsing: result.outputBytes, source: "answer").root
        #expect(answer["answer"]?.string != nil)
        let citation = try #require(elements(answer["citations"]).first)
        #expect(citation["path"]?.string == folder.file("birds.md").path)
        #expect(citation["start_line"]?.int == 1 && citation["end_line"]?.int == 3)
        let nothing = try CommandLineTool.run(["ask", "What is the capital of Peru?", "-c", collection, "--json"])
        #expect(nothing.exitCode == 0)
        let told = try JSONDocument(parsing: nothing.outputBytes, source: "answer").root
        #expect(told["found"]?.bool == false && elements(told["citations"]).isEmpty)
        let human = try CommandLineTool.run(
            ["ask", "Where does the pike wait?", "-c", collection, "--show-sources", "--device", "cpu"])
        #expect(human.output.contains("fish.md:1-3"), "\(human.output)")
        let missing = try CommandLineTool.run(["ask", "x", "-c", folder.file("none.db").path])
        #expect(missing.exitCode == 1 && missing.errorLines.count == 1)
    }

    @Test("Runs are written, compared and swept")
    func evaluate() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        func file(_ name: String, _ text: String) throws -> String {
            try Data(text.utf8).write(to: folder.file(name))
            return folder.file(name).path
        }
        let docs = try file(
            "docs.jsonl", (0..<40).map { #"{"id": "d\#($0)", "text": "\#(words(30, seed: $0))"}"# + "\n" }.joined())
        let queries = try file(
            "q.jsonl", (0..<10).map { #"{"id": "q\#($0)", "text": "\#(words(4, seed: $0 * 3))"}"# + "\n" }.joined())
        let qrels = try file("qrels", (0..<10).map { "q\($0) 0 d\($0 * 3) 1\n" }.joined())
        let (collection, run, svg) = (
            folder.file("c.db").path, folder.file("a.run").path, folder.file("a.svg").path
        )
        #expect(
            try CommandLineTool.run(["index", "--jsonl", docs, "--lexical-only", "-c", collection]).exitCode == 0)
        let evaluate = ["evaluate", "retrieval", "-c", collection, "--queries", queries, "--qrels", qrels]
        let first = try CommandLineTool.run(evaluate + ["--run", run, "--json"])
        #expect(first.exitCode == 0, "\(first.errors)")
        let second = try CommandLineTool.run(
            evaluate + [
                "--compare", run, "--sweep", "k=1,5", "--sweep", "chunk-tokens=8,40", "--svg", svg, "--json",
            ])
        #expect(second.exitCode == 0, "\(second.errors)")
        let report = try JSONDocument(parsing: second.outputBytes, source: "report").root
        let alone = try JSONDocument(parsing: first.outputBytes, source: "report").root
        #expect(report["ndcg"]?.double == alone["ndcg"]?.double)
        #expect((alone["ndcg"]?.double ?? 0) > 0.5)
        let measures = elements(report["comparisons"]).first?["measures"]
        #expect(measures?["ndcg"]?["difference"]?.double == 0)
        #expect(measures?["ndcg"]?["p"]?.double == 1)
        #expect(elements(report["sweep"]).count == 4)
        let picture = try String(contentsOfFile: svg, encoding: .utf8)
        #expect(picture.hasPrefix("<svg") && picture.ranges(of: "<circle").count == 8)
        for wrong in ["k=0", "mode=fast", "x=1", "k=1,1", "chunk-tokens=2"] {
            let result = try CommandLineTool.run(evaluate + ["--sweep", wrong])
            #expect(result.exitCode == 64, "\(wrong): \(result.errors)")
        }
    }

    @Test("Triples are walked, taken out by a generator, and fused by weights that were learned")
    func graph() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        func file(_ name: String, _ text: String) throws -> String {
            try Data(text.utf8).write(to: folder.file(name))
            return folder.file(name).path
        }
        let names = (0..<12).map { "E\($0)x" }
        let docs = try file(
            "docs.jsonl",
            (0..<11).map {
                #"{"id": "d\#($0)", "text": "\#(names[$0]) knows \#(names[$0 + 1]). \#(words(9, seed: $0))"}"# + "\n"
            }
            .joined())
        let triples = try file(
            "t.jsonl",
            (0..<11).map { #"{"subject": "\#(names[$0])", "relation": "knows", "object": "\#(names[$0 + 1])"}"# + "\n" }
                .joined() + #"{"subject": "nobody", "relation": "knows", "object": "nothing"}"#)
        let collection = folder.file("c.db").path
        let indexed = try CommandLineTool.run(
            ["index", "--jsonl", docs, "--lexical-only", "-c", collection, "--triples", triples])
        #expect(indexed.exitCode == 0 && indexed.output.contains("graph of 12 entities and 11 relations"))
        #expect(indexed.errors.contains("t.jsonl, line 12"), "\(indexed.errors)")
        func search(_ arguments: [String]) throws -> [String] {
            let found = try CommandLineTool.run(["search", "-c", collection, "--json"] + arguments)
            #expect(found.exitCode == 0, "\(found.errors)")
            return elements(try JSONDocument(parsing: found.outputBytes, source: "hits").root).compactMap {
                $0["id"]?.string
            }
        }
        #expect(Set(try search(["--mode", "graph", "--hops", "1", "whom does e3x know"])) == ["d2", "d3"])
        #expect(Set(try search(["--mode", "graph", "whom does e3x know"])) == ["d1", "d2", "d3", "d4"])
        let queries = try file(
            "q.jsonl", (0..<11).map { #"{"id": "q\#($0)", "text": "\#(names[$0])"}"# + "\n" }.joined())
        let qrels = try file("qrels", (0..<11).map { "q\($0) 0 d\($0) 1\n" }.joined())
        let weights = folder.file("w.json").path
        let evaluate = ["evaluate", "retrieval", "-c", collection, "--queries", queries, "--qrels", qrels, "--json"]
        let fitted = try CommandLineTool.run(evaluate + ["--fit-fusion", weights])
        #expect(fitted.exitCode == 0, "\(fitted.errors)")
        let report = try JSONDocument(parsing: fitted.outputBytes, source: "report").root
        let again = try CommandLineTool.run(evaluate + ["--fusion", weights])
        #expect(again.exitCode == 0, "\(again.errors)")
        let fused = try JSONDocument(parsing: again.outputBytes, source: "report").root
        #expect(fused["ndcg"]?.double == report["ndcg"]?.double && report["learned"]?["weights"]?["graph"] != nil)
        for arguments in [
            ["--fusion", "none.json"], ["--fusion", docs], ["--mode", "lexical", "--fit-fusion", weights],
        ] {
            let refused = try CommandLineTool.run(evaluate + arguments)
            #expect(refused.exitCode == 1 && refused.errorLines.count == 1, "\(arguments): \(refused.errors)")
        }
        #expect(try CommandLineTool.run(evaluate + ["--fusion", "sum"]).exitCode == 64)
        let extracted = try CommandLineTool.run(
            ["index", "-c", collection, "--extract-triples", "bundled", "--device", "cpu"])
        #expect(extracted.exitCode == 0 && extracted.output.contains("relations"), "\(extracted.errors)")
        for vectors in [["--chunking", "semantic"], ["--vector-format", "int8"], ["--approximate", "hnsw"]] {
            let refused = try CommandLineTool.run(
                ["index", "--jsonl", docs, "--lexical-only", "-c", folder.file("s.db").path] + vectors)
            #expect(refused.exitCode == 64, "\(vectors)")
        }
    }

    @Test("The suite of searches prints its rows, and keeps what it searched")
    func bench() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let result = try CommandLineTool.run([
            "bench", "retrieval", "--chunks", "300", "--dimensions", "24", "--queries", "6", "--widths", "200",
            "--probes",
            "100", "--data", folder.file("data").path, "-o", "jsonl", "--device", "cpu",
        ])
        #expect(result.exitCode == 0, "\(result.errors)")
        let rows = try result.output.split(separator: "\n").map {
            try JSONDocument(parsing: Array($0.utf8), source: "row").root
        }
        let searches = rows.filter { $0["ms_mean"]?.double ?? 0 > 0 }.compactMap { $0["way"]?.string }
        #expect(searches == ["BM25", "exact", "ivf:100", "hnsw:200"], "\(result.output)")
        #expect(rows.compactMap { $0["recall"]?.double }.allSatisfy { $0 > 0.98 })
        let vectors = try Data(contentsOf: folder.file("data/vectors.f32"))
        #expect(vectors.count == 300 * 24 * 4)
    }
}
