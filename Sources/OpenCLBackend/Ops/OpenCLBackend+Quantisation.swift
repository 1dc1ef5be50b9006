internal import COpenCL
internal import TensorCore

/// How a product quantises its activations (docs/numerics.md).
enum ActivationQuantisation: Hashable {
    /// To BF16, two features in a word, for BF16 and FP32 weights.
    case bfloat16(DotVariant)
    /// To int8 with a scale for as many as weights have one for, for int8 weights and those in blocks.
    case int8(DotVariant)

    /// How products of integers or of BF16 numbers are computed.
    var variant: DotVariant {
        switch self {
        case .bfloat16(let variant), .int8(let variant): variant
        }
    }
}

/// The value of DOT_VARIANT in Kernels/common/dot.cl.
enum DotVariant: Int, Hashable, CaseIterable {
    /// Plain OpenCL C, which is slow; only for checks.
    case portable = 0
    case avx512 = 1
    /// Of integers alone.
    case avx2 = 2

    /// The assembly of this processor for products of integers.
    static var ofIntegers: DotVariant { ocl_host_has_avx512_vnni() ? .avx512 : .avx2 }
}

extension OpenCLBackend {
    /// The fastest products with a weight that `precision` allows and whose self-test the device has passed.
    func quantisation(of source: WeightSource, precision: MatmulPrecision) throws -> ActivationQuantisation? {
        guard tuning.matmul.variant == .registers, precision.allowsReducedActivations(for: source.format) else {
            return nil
        }
        let quantisation: ActivationQuantisation
        switch source.format {
        case .float16: return nil
        case .float32, .bfloat16:
            guard let variant = dotVariant(.bfloat16DotAssembly, .avx512) else { return nil }
            quantisation = .bfloat16(variant)
        default:
            guard let variant = dotVariant(.integerDotAssembly, .ofIntegers) else { return nil }
            quantisation = .int8(variant)
        }
        quantisesActivations = true
        try reserveQuantisedActivations()
        return quantisation
    }

    private func dotVariant(_ instruction: Capability, _ variant: DotVariant) -> DotVariant? {
        if tuning.matmul.usesPortableDots { return .portable }
        return has(instruction) ? variant : nil
    }

    /// Allocates room for the quantised activations of the largest product that was announced.
    func reserveQuantisedActivations() throws {
        guard quantisesActivations, let limits else { return }
        let byteCount = max(
            quantisedByteCount(tokens: limits.tokenCount, inputs: limits.matmulInputCount),
            quantisedByteCount(
                tokens: limits.tokenCount * limits.expertsPerToken, inputs: limits.expertFeatureCount))
        quantisedActivations = try grown(quantisedActivations, to: byteCount)
    }

    /// Whether the product's activations have room.
    func hasRoomToQuantise(_ product: MatmulProduct) -> Bool {
        quantisedByteCount(tokens: product.tokens, inputs: product.weight.columns)
            <= quantisedActivations?.byteCount ?? 0
    }

    /// Bytes of whole tiles of tokens in the larger of the two formats, BF16.
    func quantisedByteCount(tokens: Int, inputs: Int) -> Int {
        ceilDivide(tokens, MatmulKernels.int8TileTokens) * MatmulKernels.int8TileTokens * ceilDivide(inputs, 64) * 64
            * 2
    }

    /// - Throws: `BackendError.limitExceeded` where a product needs more than `reserve` announced.
    func quantised(tokens: Int, inputs: Int) throws -> BufferRegion {
        let byteCount = quantisedByteCount(tokens: tokens, inputs: inputs)
        guard let quantisedActivations, byteCount <= quantisedActivations.byteCount else {
            throw BackendError.limitExceeded(
                op: "matmul", limit: "bytes of quantised activations", maximum: quantisedActivations?.byteCount ?? 0,
                found: byteCount)
        }
        return BufferRegion(buffer: quantisedActivations, elementOffset: 0)
    }
}
