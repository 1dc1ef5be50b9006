public import TensorCore

extension ProgramDescriptor {
    static let activation = ProgramDescriptor("activation", sources: ["activation/activation.cl"])
    static let softmax = ProgramDescriptor("softmax", sources: ["softmax/softmax.cl"])
}

extension KernelDescriptor {
    private static let activationArguments: [ArgumentKind] = [
        .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]
    private static let softmaxArguments: [ArgumentKind] = [
        .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .float,
    ]
    static let activationChunk = KernelDescriptor(.activation, "activation_chunk_f32", activationArguments + [.uint32])
    static let activationElement = KernelDescriptor(.activation, "activation_element_f32", activationArguments)
    private static let softCapArguments: [ArgumentKind] = [
        .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .float,
    ]
    static let softCapChunk = KernelDescriptor(.activation, "soft_cap_chunk_f32", softCapArguments + [.uint32])
    static let softCapElement = KernelDescriptor(.activation, "soft_cap_element_f32", softCapArguments)
    private static let multiplyArguments: [ArgumentKind] = [
        .tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]
    static let multiplyChunk = KernelDescriptor(.activation, "multiply_chunk_f32", multiplyArguments + [.uint32])
    static let multiplyElement = KernelDescriptor(.activation, "multiply_element_f32", multiplyArguments)
    static let softmaxRow = KernelDescriptor(.softmax, "softmax_row_f32", softmaxArguments)
    /// Of short rows.
    static let softmaxShortRow = KernelDescriptor(.softmax, "softmax_row_f32", softmaxArguments, isChained: true)
    static let softmaxGroup = KernelDescriptor(.softmax, "softmax_group_f32", softmaxArguments + [.local])
}

extension Activation {
    /// The code of the activation in kernels (common/types.cl); 0 is none.
    var kernelCode: UInt32 {
        switch self {
        case .geluTanh: 1
        case .geluErf: 2
        case .silu: 3
        case .relu: 4
        case .leakyRelu: 5
        case .relu6: 6
        case .tanh: 7
        case .sigmoid: 8
        case .quickGelu: 9
        case .hardSigmoid: 10
        case .hardSwish: 11
        }
    }
}

extension OpenCLBackend {
    public func activate(_ x: Tensor, _ activation: Activation, into output: Tensor) throws {
        try ArgumentChecks(op: "activate").elementwise(x, output: output)
        let (rows, columns) = (UInt32(x.rows), UInt32(x.columns))
        let cost = LaunchCost(bytes: 2 * x.byteCount, flops: 8 * x.shape.elementCount)
        if tuning.rowIsWorkItem {
            let chunks = (x.columns + tuning.elementsPerItem - 1) / tuning.elementsPerItem
            try launch(
                .activationChunk, LaunchRange((chunks, x.rows), local: (tuning.elementGroupSize, 1)), x, output, rows,
                columns, x.stride32, output.stride32, activation.kernelCode, UInt32(tuning.elementsPerItem), cost: cost)
        } else {
            try launch(
                .activationElement, LaunchRange((x.columns, x.rows), local: (tuning.elementGroupSize, 1)), x, output,
                rows, columns, x.stride32, output.stride32, activation.kernelCode, cost: cost)
        }
    }

    public func multiply(_ x: Tensor, _ y: Tensor, into output: Tensor) throws {
        try ArgumentChecks(op: "multiply").elementwise(x, y, output: output)
        let (rows, columns) = (UInt32(x.rows), UInt32(x.columns))
        let cost = LaunchCost(bytes: 3 * x.byteCount, flops: x.shape.elementCount)
        if tuning.rowIsWorkItem {
            let chunks = (x.columns + tuning.elementsPerItem - 1) / tuning.elementsPerItem
            try launch(
                .multiplyChunk, LaunchRange((chunks, x.rows), local: (tuning.elementGroupSize, 1)), x, y, output, rows,
                columns, x.stride32, y.stride32, output.stride32, UInt32(tuning.elementsPerItem), cost: cost)
        } else {
            try launch(
                .multiplyElement, LaunchRange((x.columns, x.rows), local: (tuning.elementGroupSize, 1)), x, y, output,
                rows, columns, x.stride32, y.stride32, output.stride32, cost: cost)
        }
    }

    public func softCap(_ x: Tensor, cap: Float, into output: Tensor) throws {
        try ArgumentChecks(op: "softCap").elementwise(x, output: output)
        try ArgumentChecks(op: "softCap").softCap(cap)
        let (rows, columns) = (UInt32(x.rows), UInt32(x.columns))
        let cost = LaunchCost(bytes: 2 * x.byteCount, flops: 8 * x.shape.elementCount)
        if tuning.rowIsWorkItem {
            let chunks = (x.columns + tuning.elementsPerItem - 1) / tuning.elementsPerItem
            try launch(
                .softCapChunk, LaunchRange((chunks, x.rows), local: (tuning.elementGroupSize, 1)), x, output, rows,
                columns, x.stride32, output.stride32, cap, UInt32(tuning.elementsPerItem), cost: cost)
        } else {
            try launch(
                .softCapElement, LaunchRange((x.columns, x.rows), local: (tuning.elementGroupSize, 1)), x, output,
                rows, columns, x.stride32, output.stride32, cap, cost: cost)
        }
    }

    public func softmax(_ x: Tensor, scale: Float, into output: Tensor) throws {
        try ArgumentChecks(op: "softmax").elementwise(x, output: output)
        if x.columns == 0 { return }
        let (rows, columns) = (UInt32(x.rows), UInt32(x.columns))
        let cost = LaunchCost(bytes: 2 * x.byteCount, flops: 6 * x.shape.elementCount)
        if tuning.rowIsWorkItem {
            try launch(
                isShort(x) ? .softmaxShortRow : .softmaxRow, rowItems(x.rows), x, output, rows, columns, x.stride32,
                output.stride32, scale, cost: cost)
        } else {
            try launch(
                .softmaxGroup, rowGroups(x.rows), x, output, rows, columns, x.stride32, output.stride32, scale,
                rowScratch, cost: cost)
        }
    }
}
