import Foundation
import JSONCore
import TestSupport
import Testing

/// `infer generate` under the rules of `generation_config.json`, against `transformers`; made by Tools/make_rule_cases.py.
struct GenerationRuleTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let number: Int
        let model: String
        let generation: String
        let arguments: [String]
        let expected: JSONValue

        var testDescription: String { "\(number) \(model) \(generation.prefix(60))" }
    }

    private static let fixtures = ReferenceMaterial.fixtures

    static func cases() throws -> [Case] {
        let url = fixtures.appendingPathComponent("tasks/rule-cases.json")
        let bytes = try Data(contentsOf: url)
        let root = try JSONDocument(parsing: Array(bytes), source: url.path).root
        let plain = try JSONSerialization.jsonObject(with: bytes) as? [String: Any]
        let cases = plain?["cases"] as? [[String: Any]]
        return try root.requireArray("cases").enumerated().map { number, value in
            let settings = try #require(cases?[number]["generation"])
            return Case(
                number: number, model: try value.requireString("model"),
                generation: String(decoding: try JSONSerialization.data(withJSONObject: settings), as: UTF8.self),
                arguments: try value.requireArray("arguments").map { try $0.requireString() },
                expected: try value.require("expected"))
        }
    }

    /// The model's files with settings that are added to those of its generation_config.json, which is made where it is
    /// missing.
    private func run(_ model: String, _ settings: String, _ arguments: [String]) throws -> CommandLineTool.Result {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let source = GenerationRuleTests.fixtures.appendingPathComponent(model)
        for name in ["config.json", "model.safetensors", "generation_config.json"] {
            let file = source.appendingPathComponent(name)
            guard FileManager.default.fileExists(atPath: file.path) else { continue }
            try FileManager.default.copyItem(at: file, to: folder.file(name))
        }
        let file = folder.file("generation_config.json")
        let old = (try? JSONSerialization.jsonObject(with: Data(contentsOf: file))) as? [String: Any] ?? [:]
        let new = try JSONSerialization.jsonObject(with: Data(settings.utf8)) as? [String: Any] ?? [:]
        try JSONSerialization.data(withJSONObject: old.merging(new) { $1 }).write(to: file)
        return try CommandLineTool.run(
            ["generate", "--model", folder.path, "--device", "cpu", "--precision", "highest", "--json"] + arguments)
    }

    @Test(arguments: try cases()) func textsAreThoseOfTheReference(_ example: Case) throws {
        let result = try run(example.model, example.generation, example.arguments)
        try #require(result.exitCode == 0, "\(result.errors)")
        let root = try JSONDocument(parsing: result.outputBytes, source: "output").root
        let own = root["sequences"]?.array.map(Array.init) ?? [root]
        let expected = try example.expected.requireArray()
        try #require(own.count == expected.count)
        for (own, expected) in zip(own, expected) {
            var tokens = try own.requireArray("token_ids").map { try $0.requireInt() }
            // Those of a beam search come without the one that ends the text.
            if own["finish_reason"]?.string == "stop", own["score"] == nil { tokens.removeLast() }
            #expect(try tokens == expected.requireArray("token_ids").map { try $0.requireInt() })
            if let score = expected["score"]?.double { #expect(try abs(own.requireDouble("score") - score) < 1e-4) }
        }
    }

    @Test(arguments: [#""epsilon_cutoff": 0.9999"#, #""top_h": 1e-6"#]) func whatIsDrawnIsCut(_ cutoff: String) throws {
        func tokens(_ settings: String, _ arguments: [String]) throws -> [Int] {
            let result = try run(
                "models/gpt2", settings, ["--prompt-ids", "17,93,205", "--max-tokens", "9", "--ignore-eos"] + arguments)
            try #require(result.exitCode == 0, "\(result.errors)")
            let root = try JSONDocument(parsing: result.outputBytes, source: "output").root
            return try root.requireArray("token_ids").map { try $0.requireInt() }
        }
        let settings = #"{"do_sample": true, "temperature": 3.0, "top_k": 0, "top_p": 1.0"#
        let drawn = ["--seed", "5"]
        let best = try tokens("{}", ["--temperature", "0"])
        #expect(try tokens(settings + "}", drawn) != best)
        // Only the best token is left each time, unless the flags say otherwise.
        #expect(try tokens(settings + ", " + cutoff + "}", drawn) == best)
        #expect(
            try tokens(settings + ", " + cutoff + "}", drawn + ["--epsilon-cutoff", "0", "--top-h", "1"]) != best)
        #expect(try tokens(settings + "}", drawn + ["--epsilon-cutoff", "0.9999"]) == best)
    }

    @Test func whatIsNotFollowedIsTold() throws {
        let result = try run("models/gpt2", #"{"guidance_scale": 1.5}"#, ["--prompt-ids", "5,6", "--max-tokens", "3"])
        #expect(result.exitCode == 0)
        #expect(result.errors.contains("guidance_scale: texts are written without guidance"), "\(result.errors)")
        for option in [["--typical-p", "0"], ["--top-h", "2"], ["--epsilon-cutoff", "-1"], ["--eta-cutoff", "nan"]] {
            let result = try run("models/gpt2", "{}", ["--prompt-ids", "5,6", "--max-tokens", "3"] + option)
            #expect(result.exitCode == 1 && result.errorLines.count == 1, "\(result.errors)")
            #expect(result.errors.contains(option[0].dropFirst(2)), "\(result.errors)")
        }
    }

    @Test(arguments: [
        (#"{"sequence_bias": []}"#, "sequence_bias"), (#"{"sequence_bias": [[[], 1.0]]}"#, "sequence_bias"),
        (#"{"sequence_bias": [[[1, 2]]]}"#, "sequence_bias"),
        (#"{"sequence_bias": [[[1, -2], 0.5]]}"#, "sequence_bias"),
        (#"{"sequence_bias": [[[1], "much"]]}"#, "sequence_bias"), (#"{"sequence_bias": {"1": 2.0}}"#, "sequence_bias"),
        (#"{"sequence_bias": [[[1, 400], 2.0]]}"#, "sequence_bias is 400"),
        (#"{"exponential_decay_length_penalty": [5]}"#, "exponential_decay_length_penalty"),
        (#"{"exponential_decay_length_penalty": [0.5, 1.1]}"#, "exponential_decay_length_penalty"),
        (#"{"exponential_decay_length_penalty": 1.1}"#, "exponential_decay_length_penalty"),
        (#"{"encoder_repetition_penalty": 0}"#, "encoder_repetition_penalty"),
        (#"{"encoder_repetition_penalty": "2"}"#, "encoder_repetition_penalty"),
        (#"{"renormalize_logits": 1}"#, "renormalize_logits"),
    ]) func valuesOfAnotherKindAreErrors(_ settings: String, _ words: String) throws {
        for model in ["models/llama", "tasks/marian"] {
            for beams in [[], ["--beams", "2"]] {
                let result = try run(model, settings, ["--prompt-ids", "5,6", "--max-tokens", "3"] + beams)
                #expect(result.exitCode == 1 && result.errorLines.count == 1, "\(result.errors)")
                #expect(result.errors.contains(words), "\(result.errors)")
            }
        }
    }
}
