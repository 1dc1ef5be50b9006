public import TensorCore

extension ProgramDescriptor {
    static let rope = ProgramDescriptor("rope", sources: ["rope/rope.cl"])
}

extension KernelDescriptor {
    static let rope = KernelDescriptor(
        .rope, "rope_f32", [.tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .uint32])
}

extension RopeLayout {
    /// The code of the layout in kernels (common/types.cl).
    var kernelCode: UInt32 {
        switch self {
        case .halfSplit: 0
        case .interleaved: 1
        }
    }
}

extension OpenCLBackend {
    public func rope(_ x: Tensor, headSize: Int, _ arguments: RopeArguments) throws {
        try ArgumentChecks(op: "rope").rope(x, headSize: headSize, arguments)
        let heads = x.columns / headSize
        let pairs = arguments.rotarySize / 2
        try launch(
            .rope, headItems(elements: pairs, heads: heads, tokens: x.rows), x, arguments.table, arguments.positions,
            UInt32(x.rows), UInt32(heads), UInt32(headSize), x.stride32, UInt32(arguments.rotarySize),
            arguments.layout.kernelCode,
            cost: LaunchCost(bytes: 8 * x.rows * heads * arguments.rotarySize, flops: 6 * x.rows * heads * pairs))
    }
}
