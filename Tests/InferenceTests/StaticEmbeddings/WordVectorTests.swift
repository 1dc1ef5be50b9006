import Foundation
import Inference
import ModelIO
import TestSupport
import Testing

/// Files of word vectors as word2vec and GloVe write them.
@Suite("Static embeddings")
struct WordVectorTests {
    /// Royalty, maleness, animal.
    private static let table: [(String, [Float])] = [
        ("king", [1, 1, 0.125]), ("queen", [1, -1, 0.125]), ("man", [0.0625, 1, 0]), ("woman", [0.0625, -1, 0]),
        ("Köln", [0.5, 0.25, -2e-3]), ("the", [0, 0.03125, 0]), ("frog", [0, 0, 3]), ("toad", [0.125, 0, 2.5]),
    ]

    private static let text = table.map { word, vector in
        "\(word) " + vector.map { "\($0)" }.joined(separator: " ")
    }.joined(separator: "\n")

    private static func binary(newline: Bool, header: String = "\(table.count) 3\n") -> [UInt8] {
        var bytes = Array(header.utf8)
        for (word, vector) in table {
            bytes += Array(word.utf8) + [0x20]
            for value in vector { bytes += withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
            if newline { bytes.append(0x0A) }
        }
        return bytes
    }

    private func load(_ bytes: [UInt8], ending: String = "txt") throws -> WordVectors {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("v-\(UUID().uuidString).\(ending)")
            .path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        #expect(WordVectors.isFile(path) || ending == "bin")
        return try WordVectors(path: path)
    }

    @Test("Every format gives the same vectors")
    func formats() throws {
        let count = WordVectorTests.table.count
        let files: [[UInt8]] = [
            Array("\(count) 3\n\(WordVectorTests.text)\n".utf8), Array(WordVectorTests.text.utf8),
            Array("\r\n\(WordVectorTests.text.replacing("\n", with: " \r\n"))\r\n\n".utf8),
            WordVectorTests.binary(newline: true), WordVectorTests.binary(newline: false),
        ]
        for bytes in files {
            let vectors = try load(bytes)
            #expect(vectors.dimensions == 3 && vectors.words == WordVectorTests.table.map(\.0))
            for (word, vector) in WordVectorTests.table { #expect(vectors[word] == vector, "\(word)") }
            #expect(vectors["duck"] == nil)
        }
    }

    @Test("GloVe's words may hold blanks, and a word that comes twice has its first vector")
    func oddWords() throws {
        let vectors = try load(Array("the 1 2\n. . . 3 4\nthe 5 6\nat name@domain.com 7 8\n1/2 9 10".utf8))
        #expect(vectors.words == ["the", ". . .", "the", "at name@domain.com", "1/2"])
        #expect(vectors["the"] == [1, 2] && vectors[". . ."] == [3, 4] && vectors["1/2"] == [9, 10])
        #expect(try vectors.neighbours(of: "the", count: 10).map(\.word).filter { $0 == "the" }.isEmpty)
    }

    @Test("A text is the mean of its words, in lower case where they are not known otherwise")
    func texts() throws {
        let vectors = try load(Array(WordVectorTests.text.utf8))
        #expect(vectors.embed("King, queen!") == [1, 0, 0.125])
        #expect(vectors.embed("The 'MAN-woman'") == [0.125 / 3, 0.03125 / 3, 0])
        #expect(vectors.words(in: "Köln: frog's unknown toad") == ["Köln", "frog", "toad"])
        #expect(vectors.embed("nothing known") == [0, 0, 0] && vectors.embed("") == [0, 0, 0])
    }

    @Test("Neighbours by cosine, and what is to woman as king is to man")
    func nearness() throws {
        let vectors = try load(WordVectorTests.binary(newline: true), ending: "bin")
        let near = try vectors.neighbours(of: "frog", count: 2)
        #expect(near.map(\.word) == ["toad", "queen"] || near.map(\.word) == ["toad", "king"])
        #expect(abs(near[0].score - 2.5 / (2.5 * 2.5 + 0.125 * 0.125).squareRoot()) < 1e-12)
        #expect(try vectors.analogy("man", "king", "woman", count: 1).map(\.word) == ["queen"])
        #expect(try vectors.neighbours(of: "KING", count: 100).count == WordVectorTests.table.count - 1)
        #expect(throws: InferenceError.self) { try vectors.neighbours(of: "duck", count: 1) }
        #expect(throws: InferenceError.self) { try vectors.analogy("man", "duck", "woman", count: 1) }
    }

    @Test("Decimal numbers are read as the library reads them")
    func decimals() throws {
        var generator = SplitMix64(seed: 5)
        var spelled = ["0", "-0.0", "1e-3", "-2.5E+2", "123456789012345678901234567890", ".5", "7.", "3e-45", "1e38"]
        for _ in 0..<2000 {
            let digits = String(generator.next() % 1_000_000_000_000)
            let point = generator.next(below: digits.count + 1)
            let sign = generator.next() % 2 == 0 ? "-" : ""
            spelled.append("\(sign)\(digits.prefix(point)).\(digits.dropFirst(point))0")
        }
        let vectors = try load(Array(("word " + spelled.joined(separator: " ")).utf8))
        let found = try #require(vectors["word"])
        for (value, text) in zip(found, spelled) {
            let wanted = try #require(Float(text.hasSuffix(".") ? text + "0" : text))
            #expect(abs(value - wanted) <= wanted.ulp, "\(text)")
        }
    }

    @Test(
        "A broken file ends in one line that names it",
        arguments: [
            "", "\n\n", "word", "word a b", "3 2\nthe 1 2\n", "1 2\nthe 1 2\na 3 4\n", "the 1 2\na 3\n",
            "the 1 2\na 3 x\n", "the 1 2\na 3 1e60\n", "the 1 2\na nan 3\n", "0 5\n", "5 0\n", "2 70000\n",
            "999999999999999 3\nabc", "9999999 60000\nabc def", "1 1000\nthe 1\n", "<html><body>",
        ])
    func broken(text: String) {
        #expect(throws: LoadError.self, "\(text.prefix(20))") { try load(Array(text.utf8)) }
        do {
            _ = try load(Array(text.utf8))
        } catch {
            #expect(!"\(error)".contains("\n") && "\(error)".contains(".txt"))
        }
    }

    @Test("Cut off at any byte, a binary file ends in an error")
    func cutOff() throws {
        let bytes = WordVectorTests.binary(newline: true)
        for count in stride(from: 0, to: bytes.count - 1, by: 5) {
            #expect(throws: LoadError.self) { try load(Array(bytes.prefix(count)), ending: "bin") }
        }
        var infinite = WordVectorTests.binary(newline: false)
        infinite.replaceSubrange(infinite.count - 4..<infinite.count, with: [0, 0, 0x80, 0x7F])
        #expect(throws: LoadError.self) { try load(infinite) }
    }

    @Test("Damaged bytes never trap")
    func fuzz() throws {
        var generator = SplitMix64(seed: 11)
        let files = [
            Array("\(WordVectorTests.table.count) 3\n\(WordVectorTests.text)\n".utf8), Array(WordVectorTests.text.utf8),
            WordVectorTests.binary(newline: true), WordVectorTests.binary(newline: false),
        ]
        var refused = 0
        for round in 0..<1500 {
            var bytes = files[round % files.count]
            for _ in 0..<1 + generator.next(below: 4) {
                let place = generator.next(below: bytes.count)
                switch generator.next(below: 4) {
                case 0: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(Array(" \n9.-e\u{0}".utf8)[generator.next(below: 7)], at: place)
                default: bytes = Array(bytes.prefix(place)) + bytes.dropFirst(generator.next(below: bytes.count))
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            do {
                let vectors = try load(bytes)
                _ = vectors.embed("king frog the")
                #expect(vectors.words.count * vectors.dimensions * 2 <= bytes.count)
            } catch is LoadError {
                refused += 1
            }
        }
        #expect(refused > 100 && refused < 1500)
    }
}
