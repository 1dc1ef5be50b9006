import Foundation
import TestSupport
import Testing
import Tokenization

/// Properties and POSIX classes in patterns, over all code points. `Tests/Fixtures/unicode-properties.json` has for each
/// pattern how many code points the reference library finds, and a hash of them.
@Suite struct UnicodePropertyTests {
    private struct Expectation: Decodable {
        let pattern: String
        let count: Int
        let hash: String
    }

    private static func expectations() throws -> [Expectation] {
        let file = ReferenceMaterial.fixtures.appendingPathComponent("unicode-properties.json")
        return try JSONDecoder().decode([Expectation].self, from: Data(contentsOf: file))
    }

    /// All scalars in order, as one text.
    private static let everything: [UInt8] = (0..<0x110000 as Range<UInt32>).compactMap(Unicode.Scalar.init)
        .reduce(into: [UInt8]()) { $0.append(contentsOf: Array(String(Character($1)).utf8)) }

    /// FNV-1a over the scalars found, four bytes each, lowest first.
    private static func matches(_ pattern: String) throws -> (count: Int, hash: UInt64) {
        let regex = try RegexPattern(pattern)
        var count = 0
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        try regex.forEachMatch(in: everything) { range in
            for scalar in String(decoding: everything[range], as: UTF8.self).unicodeScalars {
                count += 1
                for shift in stride(from: 0 as UInt32, through: 24, by: 8) {
                    hash = (hash ^ UInt64(scalar.value >> shift & 0xFF)) &* 0x100_0000_01B3
                }
            }
        }
        return (count, hash)
    }

    @Test func agreeWithTheReferenceOverAllCodePoints() throws {
        // `INFER_ALL_PROPERTIES` compares all of them; the suite takes every eighth, and those that patterns use most.
        let all = ProcessInfo.processInfo.environment["INFER_ALL_PROPERTIES"] != nil
        for (index, expected) in try Self.expectations().enumerated() where all || index < 24 || index % 8 == 0 {
            let found = try Self.matches(expected.pattern)
            #expect(
                found.count == expected.count && String(found.hash, radix: 16) == expected.hash,
                "\(expected.pattern): \(found.count) code points, expected \(expected.count)")
        }
    }

    @Test(arguments: [
        (#"\p{^L}"#, "1 \n", "aé中"), (#"\P{^L}"#, "aé中", "1 \n"), (#"[^\p{Greek}]"#, "a中", "αΩ"),
        (#"[[:^alpha:]]"#, "1 ", "aé"), (#"[\p{Han}&&[^中]]"#, "国", "中a"), (#"[\p{Lu}\d]"#, "A1٣", "a "),
        (#"\p{ greek }"#, "α", "a"), (#"\p{White_Space}"#, "\u{3000} ", "a"), (#"\pL"#, "", "aL"),
        (#"[[:punct:]$]"#, "$!", "a"), (#"\p{Letter}"#, "a", "1"), (#"\p{Decimal_Number}"#, "1", "a½"),
    ])
    func spellings(_ pattern: String, _ matching: String, _ others: String) throws {
        let regex = try RegexPattern(pattern)
        for (text, isMatching) in [(matching, true), (others, false)] {
            for character in text.unicodeScalars {
                var found = false
                let bytes = Array(String(Character(character)).utf8)
                try regex.forEachMatch(in: bytes) { found = found || $0 == 0..<bytes.count }
                #expect(found == isMatching, "\(pattern) on \(character)")
            }
        }
    }

    @Test(arguments: [#"\p{Foo}"#, #"[[:foo:]]"#, #"[\p{Script_Extensions}]"#])
    func unknownNamesAreErrors(_ pattern: String) {
        #expect(throws: TokenizationError.self) { try RegexPattern(pattern) }
    }
}
