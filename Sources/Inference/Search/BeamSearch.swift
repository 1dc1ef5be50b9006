internal import Foundation
internal import ModelIO

/// Beam search for one target text, as `transformers` defines it (`GenerationMixin._beam_search`, version 4.57): a text's
/// score is the sum of its new tokens' log-probabilities over their number to the power of the length penalty. With one
/// beam, the best token each time.
struct BeamSearch {
    struct Beam {
        /// The tokens, with those that all texts begin with.
        var tokens: [Int]
        /// The sum of log-probabilities.
        var score: Double
        /// The caller's number for each step of the text, such as the cache row of the step's token.
        var rows: [Int32]
    }

    struct Finished {
        var tokens: [Int]
        /// `nil` where no beams were compared.
        var score: Double?
    }

    private let rules: SearchRules
    /// What an encoder read.
    private let source: [Int]
    private let sourceTokens: Set<Int>
    /// The running beams, best first; none where the search is over.
    private(set) var running: [Beam]
    /// The complete texts, best first.
    private(set) var finished: [Finished] = []

    /// - Parameters:
    ///   - prompt: `rules.promptCount` tokens that all texts begin with.
    ///   - source: what an encoder read; a decoder's is its prompt.
    init(prompt: [Int], rules: SearchRules, source: [Int] = []) {
        precondition(prompt.count == rules.promptCount, "\(prompt.count) tokens, not \(rules.promptCount)")
        self.rules = rules
        self.source = source
        sourceTokens = rules.sourceRepetitionPenalty == 1 ? [] : Set(source)
        running = rules.maximumLength > prompt.count ? [Beam(tokens: prompt, score: 0, rows: [])] : []
    }

    var isOver: Bool { running.isEmpty }

    /// Takes the next step.
    /// - Parameters:
    ///   - logits: `[V]` of each running beam.
    ///   - rows: what to note of each running beam, in whose texts it then stands last.
    mutating func advance(_ logits: [ArraySlice<Float>], rows: [Int32]) {
        guard rules.beamCount > 1 else { return advanceGreedily(logits, rows) }
        let keepCount = max(2, 1 + rules.endTokens.count) * rules.beamCount
        var best = BestContinuations(capacity: keepCount)
        for (index, beam) in running.enumerated() {
            add(continuationsOf: beam, at: index, logits[index], to: &best)
        }
        let length = (running.first?.tokens.count ?? 0) + 1
        let isLongest = length >= rules.maximumLength
        var next: [Beam] = []
        for (place, item) in best.items.enumerated() {
            let beam = running[item.beam]
            if isLongest || rules.endTokens.contains(item.token) {
                // A token that ends a text counts only where the beam is among the best.
                guard place < rules.beamCount else { continue }
                finish(beam.tokens + [item.token], item.score / penalty(length))
            } else if next.count < rules.beamCount {
                next.append(
                    Beam(tokens: beam.tokens + [item.token], score: item.score, rows: beam.rows + [rows[item.beam]]))
            }
        }
        running = canImprove(next, length: length) ? next : []
    }

    private mutating func finish(_ tokens: [Int], _ score: Double) {
        let place = finished.firstIndex { ($0.score ?? 0) < score } ?? finished.count
        finished.insert(Finished(tokens: tokens, score: score), at: place)
        if finished.count > rules.beamCount { finished.removeLast() }
    }

    /// Whether a running beam could still end better than the worst text that is kept.
    private func canImprove(_ next: [Beam], length: Int) -> Bool {
        guard let best = next.first else { return false }
        guard finished.count == rules.beamCount, let worst = finished.last?.score else { return true }
        if rules.earlyStopping == .always { return false }
        let isHopeful = rules.earlyStopping == .never && rules.lengthPenalty > 0
        return best.score / penalty(isHopeful ? rules.maximumLength : length) > worst
    }

    /// What the score of a text of `length` tokens is divided by.
    private func penalty(_ length: Int) -> Double { pow(Double(length - rules.promptCount), rules.lengthPenalty) }

    private mutating func advanceGreedily(_ logits: [ArraySlice<Float>], _ rows: [Int32]) {
        guard var beam = running.first, let logits = logits.first, let row = rows.first else { return }
        let token: Int
        if let forced = rules.forced(after: beam.tokens)?.min() {
            token = forced
        } else {
            token = bestToken(after: beam.tokens, logits) ?? rules.endTokens.min() ?? 0
        }
        beam.tokens.append(token)
        beam.rows.append(row)
        let isOver = rules.endTokens.contains(token) || beam.tokens.count >= rules.maximumLength
        running = isOver ? [] : [beam]
        if isOver { finished = [Finished(tokens: beam.tokens, score: nil)] }
    }

    /// The token with the greatest logit of those that may follow.
    private func bestToken(after tokens: [Int], _ logits: ArraySlice<Float>) -> Int? {
        let step = rules.step(after: tokens, source: source, sourceTokens: sourceTokens)
        let changed = step.changedTokens
        let set = step.banned.union(changed)
        var best: Int?
        logits.withUnsafeBufferPointer { logits in
            var greatest = -Float.infinity
            LogitScan.forEach(logits, above: greatest) { token, logit in
                if set.isEmpty || !set.contains(token) { (best, greatest) = (token, logit) }
                return greatest
            }
            // Of equal logits the first token's counts.
            for token in changed where logits.indices.contains(token) {
                let logit = Float(step.score(of: token, Double(logits[token])))
                if logit > greatest || logit == greatest && token < best ?? .max { (best, greatest) = (token, logit) }
            }
        }
        return best
    }

    /// Adds the tokens that may follow a beam and are among the best so far.
    private func add(
        continuationsOf beam: Beam, at index: Int, _ logits: ArraySlice<Float>, to best: inout BestContinuations
    ) {
        if let forced = rules.forced(after: beam.tokens) {
            let score = beam.score - (rules.renormalizesLogits ? log(Double(forced.count)) : 0)
            for token in forced { best.insert(.init(score: score, beam: index, token: token)) }
            return
        }
        let step = rules.step(after: beam.tokens, source: source, sourceTokens: sourceTokens)
        let changed = step.changedTokens
        let set = step.banned.union(changed)
        logits.withUnsafeBufferPointer { logits in
            let normalizer = LogSoftmax.normalizer(logits)
            let scores = changed.filter(logits.indices.contains).map {
                ($0, step.score(of: $0, Double(logits[$0]) - normalizer))
            }
            var start = beam.score
            if rules.renormalizesLogits {
                start -= BeamSearch.normalizer(logits, normalizer, changed: scores, without: set)
            }
            let offset = start - normalizer
            for (token, score) in scores { best.insert(.init(score: start + score, beam: index, token: token)) }
            // A little under what a logit must be above, since a bound is rounded and scores are not.
            func bound() -> Float {
                guard best.threshold.isFinite else { return -.infinity }
                let exact = Float(best.threshold - offset)
                return exact - abs(exact) * 1e-6
            }
            LogitScan.forEach(logits, above: bound()) { token, logit in
                let score = offset + Double(logit)
                if score > best.threshold, !set.contains(token) {
                    best.insert(.init(score: score, beam: index, token: token))
                }
                return bound()
            }
        }
    }

    /// The logarithm of the sum of what probabilities have become: those of the changed tokens, and the others' without
    /// those of a set.
    private static func normalizer(
        _ logits: UnsafeBufferPointer<Float>, _ normalizer: Double, changed: [(token: Int, score: Double)],
        without set: Set<Int>
    ) -> Double {
        let greatest = changed.reduce(0) { max($0, $1.score) }
        var sum = changed.reduce(0) { $0 + exp($1.score - greatest) }
        for token in logits.indices where !set.contains(token) {
            sum += exp(Double(logits[token]) - normalizer - greatest)
        }
        // Where all tokens are banned, no text goes on.
        return sum > 0 ? greatest + log(sum) : 0
    }
}

/// The best continuations of all beams, best first; of equal ones those that came first.
private struct BestContinuations {
    struct Item {
        var score: Double
        var beam: Int
        var token: Int
    }

    let capacity: Int
    private(set) var items: [Item] = []

    init(capacity: Int) {
        self.capacity = capacity
        items.reserveCapacity(capacity + 1)
    }

    /// The score that a text must exceed to be kept.
    var threshold: Double { items.count == capacity ? items[capacity - 1].score : -.infinity }

    mutating func insert(_ item: Item) {
        guard item.score > threshold else { return }
        let place = items.firstIndex { $0.score < item.score } ?? items.count
        items.insert(item, at: place)
        if items.count > capacity { items.removeLast() }
    }
}
