internal import TensorCore

/// What only this backend checks of arguments: that weights are its own.
enum Check {
    static func matrix(
        _ op: String, _ argument: String, _ tensor: Tensor?, rows: Int, columns: Int, dtype: DType = .float32
    ) throws {
        try ArgumentChecks(op: op).matrix(tensor, argument, rows: rows, columns: columns, dtype: dtype)
    }

    static func vector(_ op: String, _ argument: String, _ tensor: Tensor?, count: Int, dtype: DType = .float32) throws
    {
        try ArgumentChecks(op: op).vector(tensor, argument, count: count, dtype: dtype)
    }

    static func limit(_ op: String, _ name: String, _ found: Int, maximum: Int) throws {
        try ArgumentChecks(op: op).limit(found, name, maximum: maximum)
    }

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
