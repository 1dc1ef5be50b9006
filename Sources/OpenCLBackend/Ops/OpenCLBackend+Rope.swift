public import TensorCore

extension ProgramDescriptor {
    static let rope = ProgramDescriptor("rope", sources: ["rope/rope.cl"])
}

extension KernelDescriptor {
    static let rope = KernelDescriptor(
        .rope, "rope_f32", [.tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32])
}

extension RopeLayout {
    /// The number that kernels know the layout by.
    var kernelCode: UInt32 {
        switch self {
        case .halfSplit: 0
        case .interleaved: 1
        }
    }
}

extension OpenCLBackend {
    public func rope(_ x: Tensor, headSize: Int, _ arguments: RopeArguments) throws {
        let checks = ShapeChecks(op: "rope")
        try checks.matrix(x, "x", rows: x.rows, columns: x.columns)
        try checks.require(
            headSize > 0 && x.columns % max(headSize, 1) == 0,
            "x has \(x.columns) columns, no whole number of heads of \(headSize)")
        try checks.rope(arguments, tokens: x.rows, headSize: headSize)
        let heads = x.columns / headSize
        let pairs = arguments.rotarySize / 2
        try launch(
            .rope, headItems(elements: pairs, heads: heads, tokens: x.rows), x, arguments.table, arguments.positions,
            UInt32(x.rows), UInt32(heads), UInt32(headSize), x.stride32, UInt32(arguments.rotarySize),
            arguments.layout.kernelCode,
            cost: LaunchCost(bytes: 8 * x.rows * heads * arguments.rotarySize, flops: 6 * x.rows * heads * pairs))
    }
}

extension ShapeChecks {
    func rope(_ arguments: RopeArguments, tokens: Int, headSize: Int) throws {
        let rotary = arguments.rotarySize
        try require(
            rotary >= 0 && rotary % 2 == 0 && rotary <= headSize,
            "rotary size \(rotary) must be even and at most the head size \(headSize)")
        try vector(arguments.positions, "positions", count: tokens, dtype: .int32)
        try vector(arguments.table, "rope table", count: arguments.table.rows * rotary)
    }
}
