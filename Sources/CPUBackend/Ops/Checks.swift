internal import TensorCore

/// What only this backend checks of arguments: that weights are its own.
enum Check {
    /// Experts of this backend.
    static func experts(_ experts: any IndexedWeights) -> CPUExperts {
        guard let experts = experts as? CPUExperts else {
            preconditionFailure("experts \(experts.name) of another backend")
        }
        return experts
    }

    /// A weight of this backend.
    static func weight(_ weight: any Weight) -> CPUWeight {
        guard let weight = weight as? CPUWeight else { preconditionFailure("weight \(weight.name) of another backend") }
        return weight
    }
}
