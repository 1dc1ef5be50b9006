/// How the learned weights of a sparse model lie in an inverted index: each token is a term of its own, whose occurrences are
/// the weight in steps of 1/256. ("Impacts", Mallia et al., 2021)
package enum ImpactTerm {
    /// Steps that a weight of 1 is divided into.
    package static let scale = 256.0
    /// No analyzer makes a term that begins with this byte.
    private static let prefix: Character = "\u{1}"

    package static func name(of token: Int) -> String { "\(prefix)\(token)" }

    static func isImpact(_ term: String) -> Bool { term.first == prefix }

    /// `nil` for a weight that is too small to count.
    static func impact(of weight: Double) -> UInt32? {
        guard weight.isFinite, weight > 0 else { return nil }
        let steps = (weight * scale).rounded()
        return steps < 1 ? nil : UInt32(min(steps, 16_777_216))
    }
}
