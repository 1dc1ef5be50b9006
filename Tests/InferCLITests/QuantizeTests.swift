import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// `infer quantize` and `infer perplexity` as a user sees them.
@Suite struct QuantizeTests {
    private static func fixture(_ name: String) -> String {
        ReferenceMaterial.fixtures.appendingPathComponent("models/\(name)").path
    }

    private static let text = String(repeating: "Once upon a time, there was a little girl named Lily. ", count: 40)

    /// Names in a folder, in order.
    private func names(_ folder: TemporaryFolder) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test(arguments: QuantizationType.allCases) func everyTypeIsWrittenAndRuns(type: QuantizationType) throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let output = folder.file("m.gguf").path
        let result = try CommandLineTool.run(["quantize", Self.fixture("llama"), output, "--type", type.rawValue])
        #expect(result.exitCode == 0, "\(result.errors)")
        #expect(result.output.contains("21 tensors") && result.output.contains("bits per weight"))
        #expect(result.errors.isEmpty, "\(result.errors)")
        #expect(try names(folder) == ["m.gguf"])
        let generated = try CommandLineTool.run([
            "generate", "-m", output, "--device", "cpu", "--max-tokens", "4", "--json", "Once",
        ])
        #expect(generated.exitCode == 0, "\(generated.errors)")
    }

    /// GGUF in, GGUF out; the second time in place of a file that is there.
    @Test func replacesAFileThatIsThere() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let (first, second) = (folder.file("a.gguf").path, folder.file("b.gguf").path)
        #expect(try CommandLineTool.run(["quantize", Self.fixture("gpt2"), first, "--type", "f32"]).exitCode == 0)
        try Data("old".utf8).write(to: folder.file("b.gguf"))
        #expect(try CommandLineTool.run(["quantize", first, second, "--type", "q8_0"]).exitCode == 0)
        #expect(try GGUFFile(path: second).tensors.contains { $0.type == .q8_0 })
        let refused = try CommandLineTool.run(["quantize", second, first, "--type", "q4_0"])
        CommandLineTool.expectFailure(
            refused, code: 1, naming: [second, "Q8_0", "--allow-requantize"], "requantising")
        let allowed = try CommandLineTool.run(["quantize", second, first, "--type", "q4_0", "--allow-requantize"])
        #expect(allowed.exitCode == 0, "\(allowed.errors)")
    }

    @Test func badInputsAreNamedAndLeaveNothing() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let model = folder.file("m.gguf").path
        #expect(try CommandLineTool.run(["quantize", Self.fixture("llama"), model, "--type", "f32"]).exitCode == 0)
        try FileManager.default.createSymbolicLink(atPath: folder.file("link.gguf").path, withDestinationPath: model)
        try Data("GGUF".utf8).write(to: folder.file("short.gguf"))
        let vocabulary = GGUFBuilder(metadata: [("general.architecture", .string("llama"))])
        try Data(vocabulary.file).write(to: folder.file("vocabulary.gguf"))
        let before = try names(folder)
        let output = folder.file("out.gguf").path
        let cases: [(arguments: [String], code: Int32, culprits: [String])] = [
            ([model, output], 64, ["--type"]),
            ([model, output, "--type", "q9"], 64, ["q9", "--type"]),
            ([model, "--type", "q8_0"], 64, ["output"]),
            (["", output, "--type", "q8_0"], 64, ["IN"]),
            ([model, "", "--type", "q8_0"], 64, ["OUT"]),
            ([model, model, "--type", "q8_0"], 1, [model, "input itself"]),
            ([model, folder.file("link.gguf").path, "--type", "q8_0"], 1, ["link.gguf", "input itself"]),
            ([folder.file("absent").path, output, "--type", "q8_0"], 1, ["absent", "no such file"]),
            ([folder.path, output, "--type", "q8_0"], 1, [folder.path, "name one"]),
            ([folder.file("short.gguf").path, output, "--type", "q8_0"], 1, ["short.gguf", "4 bytes"]),
            ([folder.file("vocabulary.gguf").path, output, "--type", "q8_0"], 1, ["vocabulary.gguf", "no tensors"]),
            ([model, folder.path, "--type", "q8_0"], 1, [folder.path, "directory"]),
            ([model, folder.file("no/out.gguf").path, "--type", "q8_0"], 1, ["no/out.gguf", "no such file"]),
            ([model, "/dev/full", "--type", "q8_0"], 1, ["/dev/full", "No space left"]),
            ([model, "/proc/out.gguf", "--type", "q8_0"], 1, ["/proc/out.gguf", "cannot be written"]),
        ]
        for (arguments, code, culprits) in cases {
            let result = try CommandLineTool.run(["quantize"] + arguments)
            CommandLineTool.expectFailure(result, code: code, naming: culprits, arguments.joined(separator: " "))
            #expect(try names(folder) == before, "\(arguments)")
        }
    }

    /// What is in a checkpoint that cannot be in a GGUF file.
    @Test(arguments: [
        BrokenModel("an unknown architecture", naming: ["config.json", "model_type", "mamba"]) {
            try $0.editJSON("config.json") { $0["model_type"] = "mamba" }
        },
        BrokenModel("an activation of its own", naming: ["hidden_act", "relu"]) {
            try $0.editJSON("config.json") { $0["hidden_act"] = "relu" }
        },
        BrokenModel("fewer layers than stated", naming: ["blk.2.", "missing"]) {
            try $0.editJSON("config.json") { $0["num_hidden_layers"] = 3 }
        },
        BrokenModel("a tensor without a name", naming: ["model.layers.0.surprise.weight", "llama"]) {
            try $0.editHeader { $0["model.layers.0.surprise.weight"] = $0.removeValue(forKey: "model.norm.weight") }
        },
        BrokenModel("no such file", naming: ["config.json"]) { try $0.delete("config.json") },
        BrokenModel("a broken tokenizer", naming: ["tokenizer.json"]) { try $0.write("tokenizer.json", "{") },
        BrokenModel("more tokens than rows", naming: ["vocab_size", "384 tokens for 100 rows"]) {
            try $0.editJSON("config.json") { $0["vocab_size"] = 100 }
        },
        BrokenModel("words cut in a way without a name", fixture: "gpt2", naming: ["pre_tokenizer"]) {
            try $0.editJSON("tokenizer.json") {
                $0["pre_tokenizer"] = [
                    "type": "Sequence",
                    "pretokenizers": [
                        ["type": "Split", "pattern": ["Regex": "a+"], "behavior": "Isolated", "invert": false],
                        ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false],
                    ],
                ]
            }
        },
        BrokenModel("not a number", naming: ["token_embd.weight", "row 0", "NaN"]) { folder in
            var (header, data) = try folder.safetensors()
            let object = try JSONSerialization.jsonObject(with: header) as? [String: [String: Any]]
            let place = (object?["model.embed_tokens.weight"]?["data_offsets"] as? [Int])?[0] ?? 0
            data.replaceSubrange(place..<place + 4, with: [0, 0, 0xC0, 0x7F])
            header.append(contentsOf: [])
            try folder.writeSafetensors(header: header, data: data)
        },
    ])
    func brokenFoldersAreNamed(_ broken: BrokenModel) throws {
        let folder = try ModelFolder(broken.fixture)
        defer { folder.remove() }
        try broken.edit(folder)
        let target = try TemporaryFolder()
        defer { target.remove() }
        let result = try CommandLineTool.run([
            "quantize", folder.path, target.file("m.gguf").path, "--type", "q8_0",
        ])
        CommandLineTool.expectFailure(result, code: 1, naming: broken.culprits, broken.name)
        #expect(try names(target).isEmpty)
    }

    /// Stopped while it works: the signal ends it, and no part of a file stays. (Shells keep Ctrl-C from what runs aside.)
    @Test func interruptionLeavesNothing() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        // Large enough to be at work when the signal comes; a hole takes no disk.
        let rows = 1 << 17
        var builder = GGUFBuilder(metadata: [("general.architecture", .string("llama"))])
        builder.tensors = [.init("blk.0.ffn_up.weight", [1024, UInt64(rows)], type: 0, bytes: [])]
        let path = folder.file("m.gguf").path
        try Data(builder.file).write(to: folder.file("m.gguf"))
        let file = try FileHandle(forWritingTo: folder.file("m.gguf"))
        try file.truncate(atOffset: UInt64(builder.file.count + 1024 * rows * 4))
        try file.close()
        let result = try CommandLineTool.shell(
            """
            "$INFER" quantize '\(path)' '\(folder.path)/out.gguf' --type q4_k_m & sleep 0.3; kill -TERM $!; wait $!
            """)
        #expect(result.exitCode == 143, "\(result.exitCode) \(result.errors)")
        #expect(result.errorLines.count == 1 && result.errors.contains("interrupted"), "\(result.errors)")
        #expect(try names(folder) == ["m.gguf"])
    }

    @Test func perplexityPrintsEachChunkAndTheEstimate() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        try Data(Self.text.utf8).write(to: folder.file("t.txt"))
        let arguments = [
            "perplexity", "-m", Self.fixture("llama"), "--file", folder.file("t.txt").path, "--ctx", "64", "--device",
            "cpu",
        ]
        let plain = try CommandLineTool.run(arguments + ["--chunks", "3"])
        #expect(plain.exitCode == 0, "\(plain.errors)")
        let lines = plain.output.split(separator: "\n")
        #expect(lines.count == 2 && lines[0].hasPrefix("[1]") && lines[0].contains(",[3]"))
        #expect(lines.last?.hasPrefix("Final estimate: PPL = ") == true && lines.last?.contains(" +/- ") == true)
        let json = try CommandLineTool.run(arguments + ["--chunks", "3", "--json"])
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(json.outputBytes)) as? [String: Any])
        #expect(object["scored_tokens"] as? Int == 3 * 31 && object["chunks"] as? Int == 3)
        let value = try #require(object["perplexity"] as? Double)
        #expect(lines.last?.contains("\(Int(value))") == true)
        #expect((object["running"] as? [Double])?.last == value)
        let strided = try CommandLineTool.run(arguments + ["--chunks", "2", "--stride", "16", "--json"])
        let windows = try #require(
            try JSONSerialization.jsonObject(with: Data(strided.outputBytes)) as? [String: Any])
        #expect(windows["context"] as? Int == 72 && windows["scored_tokens"] as? Int == 32)
        for options in [["--dtype", "bfloat16"], ["--kv-dtype", "float16"], ["--threads", "1"]] {
            let result = try CommandLineTool.run(arguments + ["--chunks", "1"] + options)
            #expect(result.exitCode == 0 && result.output.contains("PPL"), "\(result.errors)")
        }
    }

    @Test func perplexityNamesWhatIsWrong() throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let (text, short) = (folder.file("t.txt").path, folder.file("short.txt").path)
        try Data(Self.text.utf8).write(to: folder.file("t.txt"))
        try Data("Once".utf8).write(to: folder.file("short.txt"))
        try Data([0x41, 0xFF]).write(to: folder.file("latin.txt"))
        let model = Self.fixture("llama")
        let cases: [(arguments: [String], code: Int32, culprits: [String])] = [
            ([], 64, ["--file"]),
            (["--file", text, "--stride", "0"], 64, ["--stride"]),
            (["--file", text, "--ctx", "64", "--stride", "65"], 64, ["--stride", "--ctx"]),
            (["--file", text, "--ctx", "3"], 64, ["--ctx"]),
            (["--file", text, "--chunks", "0"], 64, ["--chunks"]),
            (["--file", folder.file("absent.txt").path], 1, ["absent.txt"]),
            (["--file", folder.file("latin.txt").path], 1, ["latin.txt", "byte 1"]),
            (["--file", short, "--ctx", "64"], 1, ["128", "--ctx"]),
            (["--file", text, "--ctx", "4096"], 1, ["4096", "512"]),
        ]
        for (arguments, code, culprits) in cases {
            let result = try CommandLineTool.run(["perplexity", "-m", model, "--device", "cpu"] + arguments)
            CommandLineTool.expectFailure(result, code: code, naming: culprits, arguments.joined(separator: " "))
        }
    }
}
