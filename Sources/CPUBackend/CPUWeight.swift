internal import CPUKernels
internal import NumberFormats
internal import TensorCore

/// A weight used where it lies: a mapped file stays mapped and nothing is copied. Where the kernels multiply packed rows
/// faster, products pack it when the first of them is asked for; tables of which only rows are looked up stay as they are.
final class CPUWeight: Weight {
    let name: String
    let format: WeightFormat
    let rows: Int
    let columns: Int
    let partRows: [Int]
    // SAFETY (this and what follows): only one thread at a time uses a backend and its weights, but for lanes, before which
    // a pass has packed what they multiply, so that none of them writes here. What the parts point at is
    // kept alive by `source`, and what `kernelWeight` has packed by `packed`.
    nonisolated(unsafe) private(set) var source: WeightSource?
    nonisolated(unsafe) private let parts: UnsafeMutableBufferPointer<cpuk_weight_part>
    nonisolated(unsafe) let kernelWeight: UnsafeMutablePointer<cpuk_weight>
    nonisolated(unsafe) private var packed: CPUBuffer?
    // SAFETY (both): as above. How `cpuk_convolve` reads the weight is decided by the first window that is planned.
    nonisolated(unsafe) private var convolutionForm: (form: cpuk_convolution_form, sliding: Sliding)?
    nonisolated(unsafe) private var packedConvolution: CPUBuffer?
    /// Whether it is packed if it can be.
    nonisolated(unsafe) private var wasMultiplied = false
    /// Rows were looked up: they must stay where they are.
    nonisolated(unsafe) private var wasLookedUp = false

    init(_ source: WeightSource, rowByteCount: Int, precision: MatmulPrecision) {
        self.source = source
        name = source.name
        format = source.format
        rows = source.rows
        columns = source.columns
        partRows = source.parts.map(\.rows)
        parts = .allocate(capacity: source.parts.count)
        for (index, part) in source.parts.enumerated() {
            let scales = part.scales?.pointer.baseAddress?.assumingMemoryBound(to: Float.self)
            parts.initializeElement(
                at: index,
                to: cpuk_weight_part(rows: Int64(part.rows), data: part.bytes.pointer.baseAddress, scales: scales))
        }
        kernelWeight = .allocate(capacity: 1)
        kernelWeight.initialize(
            to: cpuk_weight(
                format: source.format.numberFormat.kernelFormat, rows: Int64(rows), columns: Int64(columns),
                row_bytes: Int64(rowByteCount), part_count: Int64(source.parts.count), parts: parts.baseAddress,
                packed: nil, reduced: precision.allowsReducedActivations(for: source.format),
                by_token: precision == .automaticByToken))
    }

    deinit {
        kernelWeight.deallocate()
        parts.deallocate()
    }

    static let lineByteCount = 64

    /// What decides how a weight is packed for a convolution.
    struct Sliding: Equatable {
        var kernel: Extent2D
        var stride: Extent2D
        var dilation: Extent2D

        init(_ window: ImageWindow) {
            kernel = window.kernel
            stride = window.stride
            dilation = window.dilation
        }
    }

    /// How convolutions multiply the weight; `nil`: as other products do. The first plan decides how the weight is packed;
    /// maps of other sizes are computed in that form too.
    func convolutionPlan(_ window: ImageWindow, _ context: OpaquePointer) -> cpuk_convolution_plan? {
        if let convolutionForm {
            guard convolutionForm.sliding == Sliding(window) else { return nil }
        } else if source == nil {
            return nil
        }
        var kernelWindow = kernelWindow(window)
        let known = convolutionForm?.form ?? CPUK_CONVOLUTION_NONE
        let plan = cpuk_plan_convolution(context, &kernelWindow, kernelWeight, known)
        guard plan.form != CPUK_CONVOLUTION_NONE else { return nil }
        if convolutionForm == nil { convolutionForm = (plan.form, Sliding(window)) }
        return plan
    }

    /// The weight as convolutions read it by that plan, packed before the first of them. Where memory runs out there is none.
    func prepareConvolution(
        _ window: ImageWindow, _ plan: cpuk_convolution_plan, _ context: OpaquePointer
    ) -> UnsafeRawPointer? {
        if let packedConvolution { return UnsafeRawPointer(packedConvolution.pointer) }
        guard let source else { return nil }
        var kernelWindow = kernelWindow(window)
        guard let buffer = CPUBuffer(streamedByteCount: Int(plan.packed_bytes)),
            cpuk_pack_convolution(context, &kernelWindow, plan.form, kernelWeight, buffer.pointer)
        else { return nil }
        packedConvolution = buffer
        for part in source.parts { part.bytes.discard() }
        if !wasLookedUp, !source.parts.allSatisfy(\.bytes.owner.isBackedByFile) { forgetRows() }
        return UnsafeRawPointer(buffer.pointer)
    }

    private func kernelWindow(_ window: ImageWindow) -> cpuk_window {
        window.kernelWindow(channels: columns / max(window.tapCount, 1))
    }

    /// Whether there is something for products to read: not where the rows were packed for convolutions and are gone.
    var hasRows: Bool { source != nil || packed != nil }

    /// Packs the weight before its first product. Where memory runs out it stays as it is.
    func prepareProducts(_ context: OpaquePointer) {
        guard !wasMultiplied else { return }
        wasMultiplied = true
        let byteCount = Int(cpuk_packed_bytes(context, kernelWeight))
        guard byteCount > 0, let source else { return }
        let isBackedByFile = source.parts.allSatisfy(\.bytes.owner.isBackedByFile)
        // Rows that stay in memory for the lookups would be there twice. In FP32 they stay in a file, too: sums of a whole
        // row in one lane are less exact than those of parts, which scores of a search tell.
        let isHalf = [.bfloat16, .float16].contains(format)
        if wasLookedUp, format == .float32 || (isHalf && !isBackedByFile) { return }
        guard let buffer = CPUBuffer(streamedByteCount: byteCount) else { return }
        var first = 0
        for part in source.parts {
            pack(part, from: first, into: buffer, context)
            first += part.rows
        }
        packed = buffer
        kernelWeight.pointee.packed = UnsafeRawPointer(buffer.pointer)
        if !wasLookedUp, !isBackedByFile { forgetRows() }
    }

    /// Packs a part's blocks of rows a few megabytes at a time, and lets their pages go. A block that several parts share is
    /// packed with the last of them.
    private func pack(_ part: WeightPart, from first: Int, into buffer: CPUBuffer, _ context: OpaquePointer) {
        let blockRows = Int(CPUK_PACKED_ROWS)
        let rowByteCount = Int(kernelWeight.pointee.row_bytes)
        let step = max(1, CPUWeight.packingByteCount / (rowByteCount * blockRows)) * blockRows
        let last = first + part.rows
        var begin = first / blockRows * blockRows
        while begin < last {
            var end = min(begin + step, last)
            if end < rows { end = end / blockRows * blockRows }
            guard end > begin else { return }
            cpuk_pack(context, kernelWeight, Int64(begin), Int64(end - begin), buffer.pointer)
            let done = max(begin - first, 0) * rowByteCount..<(end - first) * rowByteCount
            part.bytes.owner.discard(UnsafeRawBufferPointer(rebasing: part.bytes.pointer[done]))
            begin = end
        }
    }

    private static let packingByteCount = 8 << 20

    /// What only products read is packed; the rows themselves need not stay in memory of our own.
    private func forgetRows() {
        for index in parts.indices { parts[index].data = nil }
        source = nil
    }

    /// Whether no rows were looked up. (Such a weight would be in memory twice.)
    var isOnlyMultiplied: Bool { !wasLookedUp }

    var isPackedForConvolutions: Bool { packedConvolution != nil }

    /// Whether rows can be looked up, which they then can for good.
    func prepareLookups() -> Bool {
        if !wasLookedUp { wasLookedUp = true }
        return source != nil
    }
}

extension NumberFormat {
    var kernelFormat: cpuk_format { cpuk_format(code) }
}

extension Activation? {
    var kernelActivation: cpuk_activation {
        switch self {
        case .none: CPUK_IDENTITY
        case .geluTanh: CPUK_GELU_TANH
        case .geluErf: CPUK_GELU_ERF
        case .silu: CPUK_SILU
        case .relu: CPUK_RELU
        case .leakyRelu: CPUK_LEAKY_RELU
        case .relu6: CPUK_RELU6
        case .tanh: CPUK_TANH
        case .sigmoid: CPUK_SIGMOID
        case .quickGelu: CPUK_QUICK_GELU
        case .hardSigmoid: CPUK_HARD_SIGMOID
        case .hardSwish: CPUK_HARD_SWISH
        }
    }
}
