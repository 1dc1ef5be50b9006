internal import CPUKernels
internal import NumberFormats
internal import TensorCore

/// A weight used where it lies: a mapped file stays mapped and nothing is copied.
final class CPUWeight: Weight {
    let name: String
    let format: WeightFormat
    let rows: Int
    let columns: Int
    let partRows: [Int]
    private let source: WeightSource
    // SAFETY: written in `init` only; what it points at is kept alive by `source`.
    nonisolated(unsafe) private let parts: UnsafeMutableBufferPointer<cpuk_weight_part>
    nonisolated(unsafe) let kernelWeight: UnsafeMutablePointer<cpuk_weight>

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
                reduced: precision.allowsReducedActivations(for: source.format)))
    }

    deinit {
        kernelWeight.deallocate()
        parts.deallocate()
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
