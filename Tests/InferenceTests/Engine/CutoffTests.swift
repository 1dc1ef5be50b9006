import Foundation
import Inference
import JSONCore
import ModelIO
import TestSupport
import Testing

/// What may be drawn, against `transformers`; made by Tools/make_cutoff_cases.py.
@Suite struct CutoffTests {
    private static func root() throws -> JSONValue {
        let url = ReferenceMaterial.fixtures.appendingPathComponent("tasks/cutoff-cases.json")
        return try JSONDocument(parsing: Array(Data(contentsOf: url)), source: url.path).root
    }

    @Test func whatIsLeftIsThatOfTheReference() throws {
        let root = try Self.root()
        let rows = try root.requireArray("logits").map { try $0.requireArray().map { Float(try $0.requireDouble()) } }
        let cases = try root.requireArray("cases")
        #expect(cases.count > 250)
        for (number, example) in cases.enumerated() {
            let settings = try example.require("generation")
            func number32(_ key: String) -> Float? { settings[key]?.double.map { Float($0) } }
            let parameters = SamplingParameters(
                temperature: number32("temperature") ?? 1, topK: settings["top_k"]?.int, topP: number32("top_p") ?? 1,
                minP: number32("min_p") ?? 0, topH: number32("top_h"), typicalP: number32("typical_p") ?? 1,
                epsilonCutoff: number32("epsilon_cutoff") ?? 0, etaCutoff: number32("eta_cutoff") ?? 0)
            try parameters.validate(vocabularySize: 384)
            let logits = rows[try example.requireInt("row")]
            let found = Sampler(parameters: parameters, seed: 1).distribution(logits: logits).filter { $0.value > 0 }
            var expected: [Int32: Double] = [:]
            for pair in try example.requireArray("expected").map({ Array(try $0.requireArray()) }) {
                expected[Int32(try pair[0].requireInt())] = try pair[1].requireDouble()
            }
            #expect(Set(found.keys) == Set(expected.keys), "case \(number)")
            for (token, probability) in expected {
                #expect(abs((found[token] ?? 0) - probability) < 1e-6, "case \(number), token \(token)")
            }
        }
    }

    @Test func filesAreReadAndWhatTheyAskForInVainIsTold() throws {
        func read(_ text: String) throws -> GenerationConfiguration {
            try GenerationConfiguration(parsing: Array(text.utf8), path: "generation_config.json")
        }
        let all = try read(#"{"typical_p": 0.9, "epsilon_cutoff": 0.01, "eta_cutoff": 1, "top_h": 0.4}"#)
        #expect(all.typicalP == 0.9 && all.epsilonCutoff == 0.01 && all.etaCutoff == 1 && all.topH == 0.4)
        #expect(all.notices.isEmpty)
        #expect(try read(#"{"stop_strings": "\n\n"}"#).stopStrings == ["\n\n"])
        #expect(try read(#"{"stop_strings": ["User:", "END"]}"#).stopStrings == ["User:", "END"])
        for (text, words) in [
            (#"{"stop_strings": ["END", ""]}"#, "'stop_strings'"), (#"{"stop_strings": 7}"#, "'stop_strings'"),
            (#"{"typical_p": 0}"#, "'typical_p': expected a number over 0 and up to 1, found 0"),
            (#"{"top_h": 1.5}"#, "'top_h'"), (#"{"epsilon_cutoff": -0.1}"#, "'epsilon_cutoff'"),
            (#"{"guidance_scale": 3.0}"#, "guidance_scale: texts are written without guidance"),
            (#"{"watermarking_config": {"bias": 2.5}}"#, "watermarking_config: "),
            (#"{"penalty_alpha": 0.6}"#, "penalty_alpha: "), (#"{"dola_layers": "high"}"#, "dola_layers: "),
            (#"{"num_beam_groups": 2}"#, "num_beam_groups: "), (#"{"force_words_ids": [[3]]}"#, "force_words_ids: "),
            (#"{"token_healing": true}"#, "token_healing: "),
        ] {
            let notices = try read(text).notices
            #expect(notices.count == 1 && notices[0].contains(words), "\(notices)")
        }
        let silent =
            #"{"guidance_scale": 1, "watermarking_config": null, "num_beam_groups": 1, "penalty_alpha": 0, "#
            + #""num_assistant_tokens": 20, "assistant_confidence_threshold": 0.4, "token_healing": false}"#
        #expect(try read(silent).notices.isEmpty)
    }

    @Test func topHLooksAtAllLogits() {
        let parameters = SamplingParameters(temperature: 1, topK: 5, topH: 0.5)
        let sampler = Sampler(parameters: parameters, seed: 1)
        #expect(sampler.requirement(maxTopK: 64, vocabularySize: 100) == .allLogits)
    }
}
