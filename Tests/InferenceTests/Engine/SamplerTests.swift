import Foundation
import Inference
import TestSupport
import Testing

@Suite("Sampler")
struct SamplerTests {
    private func choose(_ sampler: inout Sampler, _ logits: [Float]) -> Int {
        Int(logits.withUnsafeBufferPointer { sampler.choose(logits: $0) })
    }

    /// How often each token is drawn in `count` draws.
    private func frequencies(_ parameters: SamplingParameters, _ logits: [Float], count: Int = 20_000) -> [Double] {
        var sampler = Sampler(parameters: parameters, seed: 7)
        var counts = [Double](repeating: 0, count: logits.count)
        for _ in 0..<count { counts[choose(&sampler, logits)] += 1 / Double(count) }
        return counts
    }

    @Test("greedy takes the largest logit, the lower id on a tie")
    func greedy() {
        var sampler = Sampler(parameters: .greedy, seed: 1)
        #expect(choose(&sampler, [0, 3, -1, 3]) == 1)
        #expect(sampler.choose(candidates: [Candidate(token: 5, logit: 2), Candidate(token: 6, logit: 1)]) == 5)
    }

    @Test("draws follow the softmax at the temperature", arguments: [0.5, 1, 2] as [Float])
    func distribution(temperature: Float) {
        let logits: [Float] = [1, 0, -1, 2, 0.5]
        let weights = logits.map { exp(Double($0 / temperature)) }
        let total = weights.reduce(0, +)
        let found = frequencies(SamplingParameters(temperature: temperature), logits)
        for (frequency, weight) in zip(found, weights) {
            let probability = weight / total
            let deviation = (probability * (1 - probability) / 20_000).squareRoot()
            #expect(abs(frequency - probability) < 5 * deviation)
        }
    }

    @Test("top-k, top-p and min-p keep exactly the tokens they should")
    func filters() {
        // Probabilities 0.4, 0.3, 0.2, 0.1 in the order 2, 0, 3, 1.
        let probabilities = [0.3, 0.1, 0.4, 0.2]
        let logits = probabilities.map { Float(log($0)) }
        func kept(_ parameters: SamplingParameters) -> Set<Int> {
            Set(frequencies(parameters, logits).enumerated().filter { $0.element > 0 }.map(\.offset))
        }
        #expect(kept(SamplingParameters(temperature: 1)) == [0, 1, 2, 3])
        #expect(kept(SamplingParameters(temperature: 1, topK: 1)) == [2])
        #expect(kept(SamplingParameters(temperature: 1, topK: 3)) == [0, 2, 3])
        #expect(kept(SamplingParameters(temperature: 1, topK: 100)) == [0, 1, 2, 3])
        #expect(kept(SamplingParameters(temperature: 1, topP: 0)) == [2])
        #expect(kept(SamplingParameters(temperature: 1, topP: 0.39)) == [2])
        #expect(SamplingParameters(topK: 0).topK == nil && SamplingParameters(topK: -1).topK == nil)
        #expect(kept(SamplingParameters(temperature: 1, topP: 0.65)) == [0, 2])
        #expect(kept(SamplingParameters(temperature: 1, topP: 0.95)) == [0, 1, 2, 3])
        #expect(kept(SamplingParameters(temperature: 1, minP: 0.4)) == [0, 2, 3])
        #expect(kept(SamplingParameters(temperature: 1, minP: 1)) == [2])
        #expect(kept(SamplingParameters(temperature: 1, topK: 3, topP: 0.7)) == [0, 2])
    }

    @Test(
        "top-p over a large vocabulary keeps the fewest tokens that reach it",
        arguments: [0.1, 0.5, 0.9, 0.999] as [Float])
    func largeVocabulary(topP: Float) {
        var random = SplitMix64(seed: 3)
        let logits = random.floats(20_000, scale: 3)
        let best = Double(logits.max() ?? 0)
        let sorted = logits.enumerated().sorted { $0.element > $1.element }
        let total = logits.reduce(0.0) { $0 + exp(Double($1) - best) }
        var mass = 0.0
        var allowed = Set<Int>()
        for (token, logit) in sorted {
            allowed.insert(token)
            mass += exp(Double(logit) - best)
            if mass >= Double(topP) * total { break }
        }
        var sampler = Sampler(parameters: SamplingParameters(temperature: 1, topP: topP), seed: 11)
        for _ in 0..<20 { #expect(allowed.contains(choose(&sampler, logits))) }
    }

    @Test("candidates from the device give the token that the whole row gives")
    func candidatesAgreeWithRow() {
        var random = SplitMix64(seed: 5)
        let parameters = SamplingParameters(temperature: 0.9, topK: 40, topP: 0.9, minP: 0.02, seed: 3)
        var fromRow = Sampler(parameters: parameters, seed: 3)
        var fromCandidates = Sampler(parameters: parameters, seed: 3)
        #expect(fromRow.requirement(maxTopK: 256, vocabularySize: 1000) == .topK(40))
        for _ in 0..<200 {
            let logits = random.floats(1000, scale: 4)
            let candidates = logits.enumerated().map { Candidate(token: Int32($0.offset), logit: $0.element) }
                .sorted(by: Candidate.precedes)
            let token = Int(fromCandidates.choose(candidates: Array(candidates.prefix(40))))
            #expect(choose(&fromRow, logits) == token)
        }
    }

    @Test("the seed decides, and another seed decides otherwise")
    func seeds() {
        let logits = [Float](repeating: 0, count: 1000)
        func sequence(_ seed: UInt64) -> [Int] {
            var sampler = Sampler(parameters: SamplingParameters(temperature: 1), seed: seed)
            return (0..<50).map { _ in choose(&sampler, logits) }
        }
        #expect(sequence(1) == sequence(1))
        #expect(sequence(1) != sequence(2))
    }

    @Test("penalties and bias change the logits as documented")
    func penalties() {
        var repetition = Sampler(parameters: SamplingParameters(repetitionPenalty: 2), seed: 1)
        repetition.observePrompt([0, 2])
        // 4 / 2 = 2 < 3; -1 * 2 = -2 stays behind.
        #expect(choose(&repetition, [4, 3, -1]) == 1)
        #expect(choose(&repetition, [4, 3, -1]) == 0, "token 1 is in the output now: 3 / 2 < 4 / 2")

        var presence = Sampler(parameters: SamplingParameters(presencePenalty: 1), seed: 1)
        #expect(choose(&presence, [2, 1.5]) == 0)
        #expect(choose(&presence, [2, 1.5]) == 1)
        #expect(choose(&presence, [2, 1.5]) == 0, "both are penalised once, however often they occurred")

        var frequency = Sampler(parameters: SamplingParameters(frequencyPenalty: 1), seed: 1)
        #expect((0..<4).map { _ in choose(&frequency, [2, 0.5]) } == [0, 0, 1, 0])

        var bias = Sampler(parameters: SamplingParameters(logitBias: [3: 100, 0: -.infinity]), seed: 1)
        #expect(bias.requirement(maxTopK: 256, vocabularySize: 4) == .allLogits)
        #expect(choose(&bias, [9, 0, 0, 0]) == 3)
    }

    @Test(
        "parameters out of range are refused by name",
        arguments: [
            (SamplingParameters(temperature: -1), "temperature"),
            (SamplingParameters(temperature: .nan), "temperature"),
            (SamplingParameters(topK: -2), "top-k"), (SamplingParameters(topP: -0.1), "top-p"),
            (SamplingParameters(topP: 1.1), "top-p"), (SamplingParameters(minP: 2), "min-p"),
            (SamplingParameters(repetitionPenalty: 0), "repetition-penalty"),
            (SamplingParameters(presencePenalty: .infinity), "presence-penalty"),
            (SamplingParameters(frequencyPenalty: -200), "frequency-penalty"),
            (SamplingParameters(logitBias: [10: 1]), "logit-bias"),
            (SamplingParameters(logitBias: [1: .nan]), "logit-bias"),
        ])
    func validation(parameters: SamplingParameters, name: String) {
        let error = #expect(throws: InferenceError.self) { try parameters.validate(vocabularySize: 10) }
        #expect(error?.description.hasPrefix(name) == true)
    }
}

@Suite("Stop strings")
struct StopMatcherTests {
    /// The text shown for `pieces`, and whether it stopped.
    private func run(_ stops: [String], _ pieces: [String]) -> (text: String, stopped: Bool) {
        var matcher = StopMatcher(stops)
        var text = pieces.map { matcher.push($0) }.joined()
        text += matcher.finish()
        return (text, matcher.hasStopped)
    }

    @Test("a stop string ends the text wherever pieces are cut")
    func everyCut() {
        let text = "alpha beta gamma"
        for stop in ["beta", "a b", "gamma", "alpha", "a", "mm"] {
            let expected = String(text[..<(text.range(of: stop)?.lowerBound ?? text.endIndex)])
            for cut in 0...text.count {
                for second in cut...text.count {
                    let a = text.prefix(cut)
                    let b = text.dropFirst(cut).prefix(second - cut)
                    let c = text.dropFirst(second)
                    let (found, stopped) = run([stop], [String(a), String(b), String(c)])
                    #expect(found == expected && stopped, "'\(stop)' in \(a)|\(b)|\(c)")
                }
            }
        }
    }

    @Test("text that only begins like a stop string comes out in the end")
    func falseStart() {
        #expect(run(["STOP!"], ["a ST", "O", "P"]) == ("a STOP", false))
        #expect(run(["aab"], ["aaa", "ab", "x"]) == ("aa", true))
        #expect(run([], ["x", "y"]) == ("xy", false))
        #expect(run([""], ["x"]) == ("x", false))
        #expect(run(["é"], ["caf", "é!"]) == ("caf", true))
    }

    @Test("the leftmost complete one counts, also inside text that is held for a longer one")
    func leftmostComplete() {
        #expect(run(["there was a girl", "was"], ["there ", "was", " a boy"]) == ("there ", true))
        #expect(run(["there was a girl", "was"], ["there was"]) == ("there ", true))
        #expect(run(["abcd", "bc"], ["abcd"]) == ("", true))
        #expect(run(["abcd", "bc"], ["a", "b", "c", "d"]) == ("a", true))
        #expect(run(["xab", "b", "ba"], ["xa", "c", "ba"]) == ("xac", true))
        #expect(run(["aaab", "aac"], ["aaa", "ac"]) == ("aa", true))
        #expect(run(["one two", "two three"], ["one ", "one ", "tw"]) == ("one one tw", false))
    }

    @Test("agrees with a plain search after each piece, for random texts")
    func agreesWithSearch() {
        var generator = SplitMix64(seed: 3)
        for _ in 0..<2000 {
            func text(_ range: ClosedRange<Int>) -> String {
                String(
                    (0..<Int.random(in: range, using: &generator)).map { _ in "ab".randomElement(using: &generator)! })
            }
            let stops = (0..<Int.random(in: 1...3, using: &generator)).map { _ in text(1...6) }
            let pieces = (0..<6).map { _ in text(0...3) }
            var whole = ""
            var expected: String?
            for piece in pieces where expected == nil {
                whole += piece
                let starts = stops.compactMap { whole.range(of: $0)?.lowerBound }
                expected = starts.min().map { String(whole[..<$0]) }
            }
            let found = run(stops, pieces)
            #expect(found == (expected ?? whole, expected != nil), "\(stops) in \(pieces)")
        }
    }

    @Test("nothing that may belong to a stop string is shown early")
    func holdsBack() {
        var matcher = StopMatcher(["end"])
        #expect(matcher.push("the e") == "the ")
        #expect(matcher.push("n") == "")
        #expect(matcher.push("joy") == "enjoy")
    }
}
