package import Grammar
internal import TensorCore

/// A token that may be chosen, with its logit.
package struct Candidate: Sendable, Hashable {
    package var token: Int32
    package var logit: Float

    package init(token: Int32, logit: Float) {
        self.token = token
        self.logit = logit
    }

    /// Most likely first, the lower id on a tie: the order that `topK` of a backend gives.
    package static func precedes(_ a: Candidate, _ b: Candidate) -> Bool {
        a.logit > b.logit || (a.logit == b.logit && a.token < b.token)
    }
}

/// Chooses tokens for one sequence. A value that keeps the history it needs, to which produced tokens are added.
package struct Sampler: Sendable {
    /// The data that is needed from the device to choose a token, cheapest first.
    package enum Requirement: Sendable, Hashable {
        case topK(Int)
        case allLogits
    }

    package let parameters: SamplingParameters
    private var random: CounterRandom
    private var promptTokens: Set<Int32> = []
    private var outputCounts: [Int32: Int] = [:]
    private var step = 0

    package init(parameters: SamplingParameters, seed: UInt64) {
        self.parameters = parameters
        random = CounterRandom(seed: seed)
    }

    /// The same with another seed.
    package func reseeded(_ seed: UInt64) -> Sampler {
        var sampler = self
        sampler.random = CounterRandom(seed: seed)
        return sampler
    }

    /// Counts the prompt for the repetition penalty.
    package mutating func observePrompt(_ tokens: [Int32]) {
        if parameters.repetitionPenalty != 1 { promptTokens.formUnion(tokens) }
    }

    package func requirement(maxTopK: Int, vocabularySize: Int) -> Requirement {
        if parameters.changesLogits { return .allLogits }
        if parameters.temperature == 0 { return .topK(1) }
        // Top-H chooses before top-k does.
        guard parameters.topH == nil, let topK = parameters.topK, topK <= min(maxTopK, vocabularySize) else {
            return .allLogits
        }
        return .topK(topK)
    }

    /// Chooses from a whole row of logits.
    /// - Parameters:
    ///   - allowed: the tokens that may be chosen, at least one; `nil`: all.
    package mutating func choose(logits: UnsafeBufferPointer<Float>, allowed: TokenMask? = nil) -> Int32 {
        choose(logits: logits, allowed: allowed, rules: nil)
    }

    /// Chooses from a whole row of logits.
    /// - Parameter rules: what the model's rules change before.
    mutating func choose(
        logits: UnsafeBufferPointer<Float>, allowed: TokenMask?, rules: StepRules?
    ) -> Int32 {
        var row = Array(logits)
        let changed = rules?.changedTokens.filter(row.indices.contains) ?? []
        if let rules { for token in changed { row[token] = Float(rules.biasedScore(of: token, Double(row[token]))) } }
        if parameters.changesLogits { adjust(&row) }
        if let rules {
            for token in rules.banned where row.indices.contains(token) { row[token] = -.infinity }
            for token in changed { row[token] = Sampler.finite(rules.endScore(of: token, Double(row[token]))) }
        }
        if let allowed { return choose(row, allowed) }
        guard parameters.temperature > 0 else { return accept(Sampler.argmax(row)) }
        return draw(kept(row))
    }

    /// Chooses from the most likely candidates, in the order of `Candidate.precedes`.
    package mutating func choose(candidates: [Candidate]) -> Int32 {
        guard parameters.temperature > 0, let best = candidates.first else {
            return accept(candidates.first?.token ?? 0)
        }
        let count = min(parameters.topK ?? candidates.count, candidates.count)
        return draw(filtered(Array(candidates.prefix(count)), total: nil, best: best.logit))
    }

    private mutating func choose(_ row: [Float], _ allowed: TokenMask) -> Int32 {
        let tokens = allowed.tokens(below: row.count)
        let candidates = tokens.lazy.map { Candidate(token: $0, logit: row[Int($0)]) }.filter { !$0.logit.isNaN }
        // Where all logits are NaN, the chosen candidate shows it.
        guard let best = candidates.min(by: Candidate.precedes) else { return accept(tokens.first ?? 0) }
        guard parameters.temperature > 0, best.logit > -.infinity else { return accept(best.token) }
        return draw(kept(Array(candidates), best: best.logit))
    }

    private mutating func accept(_ token: Int32) -> Int32 {
        step += 1
        if parameters.changesLogits { outputCounts[token, default: 0] += 1 }
        return token
    }

    private func adjust(_ row: inout [Float]) {
        for (token, bias) in parameters.logitBias where row.indices.contains(token) { row[token] += bias }
        if parameters.repetitionPenalty != 1 {
            for token in promptTokens.union(outputCounts.keys) where row.indices.contains(Int(token)) {
                let logit = row[Int(token)]
                row[Int(token)] =
                    logit > 0 ? logit / parameters.repetitionPenalty : logit * parameters.repetitionPenalty
            }
        }
        guard parameters.presencePenalty != 0 || parameters.frequencyPenalty != 0 else { return }
        for (token, count) in outputCounts where row.indices.contains(Int(token)) {
            row[Int(token)] -= parameters.presencePenalty + Float(count) * parameters.frequencyPenalty
        }
    }

    /// A score as a logit; one past `Float`'s range becomes its greatest number.
    private static func finite(_ score: Double) -> Float {
        let most = Double(Float.greatestFiniteMagnitude)
        return Float(score.isFinite ? max(-most, min(score, most)) : score)
    }

    private static func argmax(_ row: [Float]) -> Int32 {
        var best = 0
        for index in row.indices where row[index] > row[best] || (row[best].isNaN && !row[index].isNaN) { best = index }
        return Int32(best)
    }

    /// The tokens of a whole row that may be drawn, with their probabilities.
    package func distribution(logits: [Float]) -> [Int32: Double] {
        let candidates = kept(logits)
        let best = candidates.reduce(-Float.infinity) { max($0, $1.logit) }
        let weights = candidates.map { weight($0.logit, best) }
        let total = weights.reduce(0, +)
        return Dictionary(zip(candidates, weights).map { ($0.token, $1 / total) }, uniquingKeysWith: +)
    }

    /// The candidates of a whole row that temperature and what comes after it keep.
    private func kept(_ row: [Float]) -> [Candidate] {
        let best = row[Int(Sampler.argmax(row))]
        return kept(
            row.indices.map { Candidate(token: Int32($0), logit: row[$0]) }.filter { !$0.logit.isNaN }, best: best)
    }

    private func kept(_ everything: [Candidate], best: Float) -> [Candidate] {
        let everything = parameters.topH.map { withinEntropy($0, everything, best) } ?? everything
        if let topK = parameters.topK, topK < everything.count {
            return filtered(Sampler.largest(topK, of: everything), total: nil, best: best)
        }
        guard parameters.topP < 1 else { return filtered(everything, total: nil, best: best) }
        // Few tokens carry most of the probability, so a short sorted prefix nearly always reaches top-p.
        let total = everything.reduce(0.0) { $0 + weight($1.logit, best) }
        var count = 256
        while count < everything.count {
            let prefix = Sampler.largest(count, of: everything)
            let mass = prefix.reduce(0.0) { $0 + weight($1.logit, best) }
            if mass >= Double(parameters.topP) * total { return filtered(prefix, total: total, best: best) }
            count *= 8
        }
        return filtered(everything.sorted(by: Candidate.precedes), total: total, best: best)
    }

    /// Top-p (over sorted candidates), min-p, and what comes after them.
    private func filtered(_ candidates: [Candidate], total: Double?, best: Float) -> [Candidate] {
        var result = candidates
        if parameters.topP < 1 {
            let total = total ?? candidates.reduce(0.0) { $0 + weight($1.logit, best) }
            var mass = 0.0
            let reaching = candidates.firstIndex { candidate in
                mass += weight(candidate.logit, best)
                return mass >= Double(parameters.topP) * total
            }
            if let reaching { result = Array(candidates[...reaching]) }
        }
        if parameters.minP > 0 { result.removeAll { weight($0.logit, best) < Double(parameters.minP) } }
        return cut(result, best)
    }

    /// Draws by inverting the cumulative distribution in the order of token ids, so that rounding which swaps two nearly
    /// equal logits between devices does not change the draw.
    private mutating func draw(_ candidates: [Candidate]) -> Int32 {
        let ordered = candidates.sorted { $0.token < $1.token }
        let best = ordered.reduce(-Float.infinity) { max($0, $1.logit) }
        let total = ordered.reduce(0.0) { $0 + weight($1.logit, best) }
        let target = random.uniform(step: step) * total
        var mass = 0.0
        for candidate in ordered {
            mass += weight(candidate.logit, best)
            if mass > target { return accept(candidate.token) }
        }
        return accept(ordered.last?.token ?? 0)
    }

    /// The unnormalised probability: `e^((logit - best) / temperature)`.
    func weight(_ logit: Float, _ best: Float) -> Double {
        if logit == best { return 1 }
        return exponential(Double(logit - best) / Double(parameters.temperature))
    }

    /// The `count` largest candidates, sorted, by a heap of that size.
    static func largest(_ count: Int, of candidates: [Candidate]) -> [Candidate] {
        guard count < candidates.count else { return candidates.sorted(by: Candidate.precedes) }
        var kept = Array(candidates.prefix(count)).sorted { Candidate.precedes($1, $0) }
        // `kept` is a binary min-heap: an ascending array is one.
        for candidate in candidates.dropFirst(count) where Candidate.precedes(candidate, kept[0]) {
            kept[0] = candidate
            var parent = 0
            while true {
                var child = 2 * parent + 1
                guard child < count else { break }
                if child + 1 < count, Candidate.precedes(kept[child], kept[child + 1]) { child += 1 }
                guard Candidate.precedes(kept[parent], kept[child]) else { break }
                kept.swapAt(parent, child)
                parent = child
            }
        }
        return kept.sorted(by: Candidate.precedes)
    }
}
