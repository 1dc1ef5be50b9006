internal import TensorCore

/// What every op checks before it runs.
enum Check {
    static func dtype(_ op: String, _ argument: String, _ tensor: Tensor, _ expected: DType) throws {
        guard tensor.dtype == expected else {
            throw BackendError.invalidArgument(op: op, reason: "\(argument) is \(tensor.dtype), expected \(expected)")
        }
    }

    /// `[rows, columns]`, rows possibly strided.
    static func matrix(
        _ op: String, _ argument: String, _ tensor: Tensor, rows: Int, columns: Int, dtype: DType = .float32
    ) throws {
        try Check.dtype(op, argument, tensor, dtype)
        guard tensor.rows == rows, tensor.columns == columns else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "[\(rows), \(columns)]", found: "\(tensor.shape)")
        }
    }

    static func matrix(
        _ op: String, _ argument: String, _ tensor: Tensor?, rows: Int, columns: Int, dtype: DType = .float32
    ) throws {
        if let tensor { try matrix(op, argument, tensor, rows: rows, columns: columns, dtype: dtype) }
    }

    /// Rows of whole heads.
    static func heads(_ op: String, _ argument: String, _ tensor: Tensor, headSize: Int) throws {
        guard headSize > 0, tensor.columns % headSize == 0 else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "[R, H * \(headSize)]", found: "\(tensor.shape)")
        }
    }

    /// `count` packed elements of any shape.
    static func vector(
        _ op: String, _ argument: String, _ tensor: Tensor, count: Int, dtype: DType = .float32
    ) throws {
        try Check.dtype(op, argument, tensor, dtype)
        guard tensor.shape.elementCount == count, tensor.isContiguous else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "[\(count)]", found: "\(tensor.shape)")
        }
    }

    static func vector(_ op: String, _ argument: String, _ tensor: Tensor?, count: Int) throws {
        if let tensor { try vector(op, argument, tensor, count: count) }
    }

    static func limit(_ op: String, _ name: String, _ found: Int, maximum: Int) throws {
        guard found <= maximum else {
            throw BackendError.limitExceeded(op: op, limit: name, maximum: maximum, found: found)
        }
    }

    /// `[P, 2, rotarySize / 2]` and one position a token.
    static func rope(_ op: String, _ arguments: RopeArguments, tokens: Int, headSize: Int) throws {
        let size = arguments.rotarySize
        guard size >= 0, size % 2 == 0, size <= headSize else {
            throw BackendError.invalidArgument(op: op, reason: "rotary size \(size) of heads of \(headSize)")
        }
        try vector(op, "positions", arguments.positions, count: tokens, dtype: .int32)
        try dtype(op, "table", arguments.table, .float32)
        guard arguments.table.columns == size, arguments.table.isContiguous else {
            throw BackendError.shapeMismatch(
                op: op, argument: "table", expected: "[P, 2, \(size / 2)]", found: "\(arguments.table.shape)")
        }
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
