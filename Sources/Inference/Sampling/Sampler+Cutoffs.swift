internal import Foundation

/// What sampling by entropy and by least probabilities keeps, as `transformers` computes it.
extension Sampler {
    /// The tokens that top-H looks at.
    private static let topHCount = 100

    /// Top-H: the best tokens, sorted, whose parts of the entropy add up to at most `share` of it.
    func withinEntropy(_ share: Float, _ candidates: [Candidate], _ best: Float) -> [Candidate] {
        let sorted = Sampler.largest(min(Sampler.topHCount, candidates.count), of: candidates)
        let terms = probabilities(of: sorted, best).map { $0 > 0 ? -$0 * log($0) : 0 }
        let limit = terms.reduce(0, +) * Double(share)
        var sum = 0.0
        let count = terms.prefix { term in
            sum += term
            return sum <= limit
        }.count
        return Array(sorted.prefix(max(count, 1)))
    }

    /// Typical-p, epsilon and eta, each over what the one before it keeps.
    func cut(_ candidates: [Candidate], _ best: Float) -> [Candidate] {
        var result = candidates
        if parameters.typicalP < 1 { result = typical(result, best) }
        if SamplingParameters.cuts(parameters.epsilonCutoff) {
            result = atLeast(result, best) { _ in Double(parameters.epsilonCutoff) }
        }
        if SamplingParameters.cuts(parameters.etaCutoff) {
            let eta = Double(parameters.etaCutoff)
            result = atLeast(result, best) { min(eta, eta.squareRoot() * exp(-Sampler.entropy(of: $0))) }
        }
        return result
    }

    private func typical(_ candidates: [Candidate], _ best: Float) -> [Candidate] {
        let probabilities = probabilities(of: candidates, best)
        let entropy = Sampler.entropy(of: probabilities)
        let distances = probabilities.map { abs(-log($0) - entropy) }
        let order = candidates.indices.sorted { (distances[$0], $0) < (distances[$1], $1) }
        var mass = 0.0
        // The token with which the mass is reached is kept, and those that are as far away.
        let reaching = order.first { index in
            mass += probabilities[index]
            return mass >= Double(parameters.typicalP)
        }
        guard let reaching else { return candidates }
        return candidates.indices.filter { distances[$0] <= distances[reaching] }.map { candidates[$0] }
    }

    /// The best candidates, and those of at least a probability that is made of all probabilities.
    private func atLeast(
        _ candidates: [Candidate], _ best: Float, _ bound: ([Double]) -> Double
    ) -> [Candidate] {
        let probabilities = probabilities(of: candidates, best)
        let least = min(bound(probabilities), probabilities.max() ?? 0)
        return candidates.indices.filter { probabilities[$0] >= least }.map { candidates[$0] }
    }

    private func probabilities(of candidates: [Candidate], _ best: Float) -> [Double] {
        let weights = candidates.map { weight($0.logit, best) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total }
    }

    private static func entropy(of probabilities: [Double]) -> Double {
        probabilities.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
    }
}
