internal import CPUKernels
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
                format: source.format.kernelFormat, rows: Int64(rows), columns: Int64(columns),
                row_bytes: Int64(rowByteCount), part_count: Int64(source.parts.count), parts: parts.baseAddress,
                reduced: precision.allowsReducedActivations(for: source.format)))
    }

    deinit {
        kernelWeight.deallocate()
        parts.deallocate()
    }
}

extension WeightFormat {
    var kernelFormat: cpuk_format {
        switch self {
        case .float32: CPUK_F32
        case .bfloat16: CPUK_BF16
        case .float16: CPUK_F16
        case .int8: CPUK_I8
        case .q8_0: CPUK_Q8_0
        case .q4_0: CPUK_Q4_0
        case .q4_1: CPUK_Q4_1
        case .q5_0: CPUK_Q5_0
        case .q5_1: CPUK_Q5_1
        case .q2_K: CPUK_Q2_K
        case .q3_K: CPUK_Q3_K
        case .q4_K: CPUK_Q4_K
        case .q5_K: CPUK_Q5_K
        case .q6_K: CPUK_Q6_K
        case .iq4_NL: CPUK_IQ4_NL
        case .iq4_XS: CPUK_IQ4_XS
        }
    }
}

extension Activation? {
    var kernelActivation: cpuk_activation {
        switch self {
        case .none: CPUK_IDENTITY
        case .geluTanh: CPUK_GELU_TANH
        case .geluErf: CPUK_GELU_ERF
        case .silu: CPUK_SILU
        case .relu: CPUK_RELU
        }
    }
}
