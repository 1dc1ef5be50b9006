import Foundation
import TestSupport
import Testing
import Tokenization

/// Seeded mutations of `tokenizer.json`: whatever comes, no trap and no hang, and a tokenizer that loads also works.
@Suite struct TokenizerFuzzTests {
    private static let text = "The 1,234 naïve kings’ 日本 🦙 e\u{301}\n\n  don't <s>[SEP] x"

    private func fuzz(_ name: String, runs: Int, seed: UInt64) throws -> (loaded: Int, encoded: Int) {
        let original = shrink(try tinyTokenizerBytes(name))
        var generator = SplitMix64(seed: seed)
        var loaded = 0
        var encoded = 0
        for _ in 0..<runs {
            guard let tokenizer = try? Tokenizer(json: generator.mutate(original)) else { continue }
            loaded += 1
            guard let ids = try? tokenizer.encode(Self.text) else { continue }
            encoded += 1
            if let pieces = try? stream(ids, tokenizer), let whole = try? tokenizer.decode(ids) {
                #expect(Array(pieces.joined().utf8) == Array(whole.utf8))
            }
        }
        return (loaded, encoded)
    }

    /// Cuts the 300 kB character map down to a tiny one (that maps nothing), so that mutations also hit the rest.
    private func shrink(_ json: [UInt8]) -> [UInt8] {
        let text = String(decoding: json, as: UTF8.self)
        guard
            let start = text.range(of: "\"precompiled_charsmap\": \"") ?? text.range(of: "\"precompiled_charsmap\":\""),
            let end = text[start.upperBound...].firstIndex(of: "\"")
        else { return json }
        return Array((text[..<start.upperBound] + "BAAAAAAAAABiAA==" + text[end...]).utf8)
    }

    @Test(arguments: tinyTokenizers) func mutatedFilesNeverTrap(_ name: String) throws {
        let outcome = try fuzz(name, runs: 20_000, seed: 20_261_124)
        #expect(outcome.loaded > 200, "\(outcome)")
        #expect(outcome.loaded < 19_500, "\(outcome)")
        #expect(outcome.encoded > 100, "\(outcome)")
    }

    /// Damages the bytes of the real character map itself.
    @Test func mutatedCharacterMapsNeverTrap() throws {
        var generator = SplitMix64(seed: 5)
        // Trie of 256 units; small enough for every unit to be hit.
        var map: [UInt8] = [0, 4, 0, 0] + (0..<1024).map { _ in UInt8.random(in: 0...255, using: &generator) }
        map += Array("x\0yz\0é\0".utf8)
        var applied = 0
        for _ in 0..<20_000 {
            guard let characterMap = try? PrecompiledCharacterMap(generator.mutate(map)) else { continue }
            let vocabulary = try Vocabulary(tokens: ["?"])
            let tokenizer = try Tokenizer(
                model: .wordLevel(WordLevelModel(vocabulary: vocabulary, unknownToken: "?")),
                normalizer: .precompiled(characterMap))
            #expect(try tokenizer.encode(Self.text).count <= 1)
            applied += 1
        }
        #expect(applied > 1000)
    }
}
