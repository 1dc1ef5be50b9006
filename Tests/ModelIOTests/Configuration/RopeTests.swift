import Foundation
import JSONCore
import ModelIO
import TestSupport
import Testing

/// Against frequencies that `transformers`' own formulas gave (Fixtures/models/rope-cases.json says how).
@Suite struct RopeTests {
    private struct Reference {
        let name: String
        let configuration: ModelConfiguration
        let frequencies: [Double]
        let attentionFactor: Double
    }

    private func references() throws -> [Reference] {
        let file = ReferenceMaterial.fixtures.appendingPathComponent("models/rope-cases.json")
        let text = [UInt8](try Data(contentsOf: file))
        return try JSONDocument(parsing: text).root.requireArray("cases").map { value in
            let name = try value.requireString("name")
            let original = try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any]
            let cases = original?["cases"] as? [[String: Any]] ?? []
            let config = try #require(cases.first { $0["name"] as? String == name }?["config"])
            let bytes = [UInt8](try JSONSerialization.data(withJSONObject: config))
            return Reference(
                name: name, configuration: try ModelConfiguration(parsing: bytes, path: "\(name)/config.json"),
                frequencies: try value.requireArray("inverse_frequencies").compactMap(\.double),
                attentionFactor: try value.requireDouble("attention_factor"))
        }
    }

    @Test func frequenciesAndFactorsEqualTransformers() throws {
        let references = try references()
        #expect(references.count == 16)
        for reference in references {
            let geometry = try reference.configuration.attentionGeometry()
            let rope = try reference.configuration.rope(headSize: geometry.headSize)
            let frequencies = rope.inverseFrequencies()
            #expect(frequencies.count == reference.frequencies.count, "\(reference.name)")
            #expect(rope.rotarySize == 2 * frequencies.count, "\(reference.name)")
            for (found, expected) in zip(frequencies, reference.frequencies) {
                #expect(abs(found - expected) <= 1e-13 * abs(expected), "\(reference.name)")
            }
            #expect(abs(rope.attentionFactor - reference.attentionFactor) < 1e-14, "\(reference.name)")
        }
    }

    /// LongRoPE as Phi-3's configurations give it; the expected numbers follow its paper's formulas.
    @Test func longRopeTakesItsFactorsByTheContext() throws {
        func rope(_ members: String) throws -> RopeConfiguration {
            let text =
                #"{"model_type":"phi3","hidden_size":32,"num_attention_heads":4,"max_position_embeddings":4096,"#
                + #""rope_theta":10000,\#(members)}"#
            return try ModelConfiguration(parsing: Array(text.utf8), path: "config.json").rope(headSize: 8)
        }
        let factors = #""short_factor":[1,1.5,2,4],"long_factor":[1,3,8,16]"#
        let plain = RopeConfiguration(base: 10_000, rotarySize: 8).inverseFrequencies()
        for type in ["longrope", "su"] {
            let stated = try rope(
                #""original_max_position_embeddings":512,"rope_scaling":{"type":"\#(type)",\#(factors)}"#)
            #expect(stated.inverseFrequencies() == zip(plain, [1, 1.5, 2, 4]).map { $0 / $1 })
            #expect(stated.inverseFrequencies(contextLength: 512) == stated.inverseFrequencies())
            #expect(stated.inverseFrequencies(contextLength: 513) == zip(plain, [1, 3, 8, 16]).map { $0 / $1 })
            // The contexts are 8 = 2^3 times as long as those of 512 = 2^9 tokens.
            #expect(abs(stated.attentionFactor - (1 + 3.0 / 9).squareRoot()) < 1e-14)
            #expect(stated.table(positions: 600)[599 * 8 + 1] != stated.table(positions: 512)[511 * 8 + 1])
        }
        let unscaled = try rope(
            #""original_max_position_embeddings":4096,"rope_scaling":{"type":"longrope",\#(factors)}"#)
        #expect(unscaled.attentionFactor == 1)
        let byFactor = try rope(#""rope_scaling":{"type":"longrope","factor":4,\#(factors)}"#)
        // A factor that the file gives counts before the ratio; Phi-3's original context is 4096 = 4^6 tokens.
        #expect(abs(byFactor.attentionFactor - (1 + 1.0 / 6).squareRoot()) < 1e-14)
        let both = try rope(
            #""original_max_position_embeddings":512,"rope_scaling":{"type":"longrope","factor":4,\#(factors)}"#)
        #expect(abs(both.attentionFactor - (1 + 2.0 / 9).squareRoot()) < 1e-14)
        let partial = #""partial_rotary_factor":0.5,"rope_scaling":{"type":"longrope","factor":4,\#(factors)}"#
        #expect(throws: LoadError.self) { try rope(partial) }
    }

    @Test func tableIsCosinesThenSinesTimesTheFactor() throws {
        for reference in try references() where reference.name.hasPrefix("yarn") {
            let rope = try reference.configuration.rope(
                headSize: try reference.configuration.attentionGeometry().headSize)
            let positions = 700
            let table = rope.table(positions: positions)
            let pairs = reference.frequencies.count
            #expect(table.count == positions * 2 * pairs)
            for position in [0, 1, 15, 16, 31, 255, 256, 257, 699] {
                for pair in 0..<pairs {
                    let angle = Double(position) * reference.frequencies[pair]
                    let row = position * 2 * pairs + pair
                    // Half a unit in the last place is the rounding itself.
                    let unit = 0.5000001 * Double(Float(reference.attentionFactor).ulp)
                    #expect(abs(Double(table[row]) - cos(angle) * reference.attentionFactor) <= unit)
                    #expect(abs(Double(table[row + pairs]) - sin(angle) * reference.attentionFactor) <= unit)
                }
            }
        }
        #expect(RopeConfiguration(base: 10_000, rotarySize: 4).table(positions: 0).isEmpty)
        #expect(RopeConfiguration(base: 10_000, rotarySize: 4).table(positions: 1) == [1, 1, 0, 0])
    }

    @Test func olderSpellingsAndLayerTypes() throws {
        func rope(_ json: String, layerType: String? = nil, headSize: Int = 16) throws -> RopeConfiguration {
            let bytes = Array(#"{"model_type":"x","max_position_embeddings":64,\#(json)}"#.utf8)
            return try ModelConfiguration(parsing: bytes, path: "config.json")
                .rope(headSize: headSize, layerType: layerType)
        }
        #expect(try rope(#""rotary_pct":0.25,"rotary_emb_base":20000"#) == .init(base: 20_000, rotarySize: 4))
        #expect(try rope(#""rotary_dim":8"#) == .init(base: 10_000, rotarySize: 8))
        #expect(try rope(#""rope_theta":5e5,"partial_rotary_factor":0.5"#) == .init(base: 5e5, rotarySize: 8))
        #expect(try rope(#""rope_scaling":{},"rope_parameters":{"rope_theta":7}"#) == .init(base: 7, rotarySize: 16))
        let nested = #""rope_parameters":{"full":{"rope_theta":1e6},"sliding":{"rope_type":"linear","factor":2}}"#
        #expect(try rope(nested, layerType: "full") == .init(base: 1e6, rotarySize: 16))
        #expect(
            try rope(nested, layerType: "sliding") == .init(base: 1e4, rotarySize: 16, scaling: .linear(factor: 2)))
        #expect(
            errorText { _ = try rope(nested) }?.contains("'model_type' and 'rope_parameters' contradict") == true)
        #expect(
            errorText { _ = try rope(nested, layerType: "other") }
                == "config.json: key 'rope_parameters.other' is missing")
        #expect(
            try rope(#""rope_scaling":{"type":"linear","rope_type":"linear","factor":3}"#).scaling
                == .linear(factor: 3))
    }
}
