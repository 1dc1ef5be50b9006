import Foundation
import Synchronization
import Testing

import Retrieval

/// Finds a statement supported as far as its words stand in the passage.
private final class OverlapModel: SupportModel {
    let name = "overlap"
    private let seen = Mutex<[String]>([])

    var passages: [String] { seen.withLock { $0 } }

    func support(_ pairs: [(passage: String, statement: String)]) async throws -> [Double] {
        seen.withLock { $0 += pairs.map(\.passage) }
        return pairs.map { passage, statement in
            let known = Set(Analyzer.simple.terms(in: passage))
            let words = Analyzer.simple.terms(in: statement)
            return Double(words.filter(known.contains).count) / Double(max(words.count, 1))
        }
    }
}

@Suite("Groundedness")
struct GroundednessTests {
    private func source(_ number: Int, _ text: String) -> AnswerSource {
        AnswerSource(number: number, key: "\(number)", path: "", byteRange: 0..<0, text: text)
    }

    @Test("The share of sentences that a source supports, each with the source that does it best")
    func share() async throws {
        let sources = [source(1, "The heron wades in water."), source(4, "The pike waits. It is a fish.")]
        let answer = "The heron wades [1]. The pike is a fish [4][1]. Unicorns have horns [2]. 42 [1]."
        let result = try await Groundedness(of: answer, sources: sources, by: OverlapModel(), threshold: 0.9)
        #expect(result.sentences.map(\.text) == ["The heron wades.", "The pike is a fish.", "Unicorns have horns."])
        #expect(result.sentences.map(\.isSupported) == [true, true, false])
        #expect(result.sentences.map(\.source) == [1, 4, 1] && result.sentences[0].support == 1)
        #expect(result.share == 2.0 / 3)
        let loose = try await Groundedness(of: answer, sources: sources, by: OverlapModel(), threshold: 0)
        #expect(loose.share == 1)
    }

    @Test("A long source is read in windows that overlap, and all of it is read")
    func windows() async throws {
        for count in [1, 4, 5, 7, 8, 100] {
            let sentences = (0..<count).map { "Sentence number \($0) is here." }
            let model = OverlapModel()
            let result = try await Groundedness(
                of: "Number \(count - 1) is here.", sources: [source(1, sentences.joined(separator: " "))], by: model,
                threshold: 1)
            #expect(result.share == 1, "\(count)")
            for sentence in sentences { #expect(model.passages.contains { $0.contains(sentence) }, "\(sentence)") }
            for (first, second) in zip(sentences, sentences.dropFirst()) {
                #expect(model.passages.contains { $0.contains("\(first) \(second)") }, "\(first)")
            }
        }
    }

    @Test("An answer without statements has no share, and without sources nothing is supported")
    func nothing() async throws {
        #expect(try await Groundedness(of: " [1] 7.", sources: [source(1, "x")], by: OverlapModel()).share == nil)
        let result = try await Groundedness(of: "It is so.", sources: [], by: OverlapModel(), threshold: 0)
        #expect(result.share == 0 && result.sentences[0].source == nil)
        #expect(try await Groundedness(of: "It is so.", sources: [source(1, " ")], by: OverlapModel()).share == 0)
    }
}
