internal import Foundation

/// What turns logits into scores.
enum Probabilities {
    static func softmax(_ logits: some Collection<Float>) -> [Double] {
        let greatest = Double(logits.max() ?? 0)
        var values = logits.map { exp(Double($0) - greatest) }
        let sum = values.reduce(0, +)
        for index in values.indices { values[index] /= sum }
        return values
    }

    static func sigmoid(_ logit: Float) -> Double { 1 / (1 + exp(-Double(logit))) }
}

extension Collection where Element == Double {
    /// The index of the greatest element, of equal ones the first.
    func greatestIndex() -> Index? {
        indices.reduce(nil) { best, index in
            guard let best else { return index }
            return self[index] > self[best] ? index : best
        }
    }
}

extension Array where Element == Double {
    /// The indices of the `count` greatest elements, best first; of equal ones the first.
    func greatestIndices(_ count: Int) -> [Int] {
        Array<Int>(indices.sorted { (self[$0], $1) > (self[$1], $0) }.prefix(Swift.max(count, 0)))
    }
}
