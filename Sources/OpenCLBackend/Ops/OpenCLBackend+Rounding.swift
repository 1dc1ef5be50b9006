internal import TensorCore

/// How a product rounds its activations (docs/numerics.md).
enum ActivationRounding: Hashable {
    /// To BF16, two features in a word, for BF16 and FP32 weights.
    case pairs(DotVariant)
    /// To int8 with a scale for each 16, for int8 weights and those in blocks.
    case levels(DotVariant)

    /// How its products of integers or of BF16 are made.
    var variant: DotVariant {
        switch self {
        case .pairs(let variant), .levels(let variant): variant
        }
    }
}

/// DOT_VARIANT of Kernels/common/dot.cl.
enum DotVariant: Int, Hashable, CaseIterable {
    /// Slow; only for checks.
    case portable = 0
    case assembly = 1
}

extension OpenCLBackend {
    /// The fast way of products with a weight where `precision` allows one and the device has passed its self-test.
    func rounding(of source: WeightSource, precision: MatmulPrecision) throws -> ActivationRounding? {
        guard tuning.matmul.variant == .registers, precision.allowsReducedActivations(for: source.format) else {
            return nil
        }
        let rounding: ActivationRounding
        switch source.format {
        case .float16: return nil
        case .float32, .bfloat16:
            guard let variant = dotVariant(.bfloat16DotAssembly) else { return nil }
            rounding = .pairs(variant)
        default:
            guard let variant = dotVariant(.integerDotAssembly) else { return nil }
            rounding = .levels(variant)
        }
        roundsActivations = true
        try reserveRecords()
        return rounding
    }

    private func dotVariant(_ instruction: Capability) -> DotVariant? {
        if tuning.matmul.usesPortableDots { return .portable }
        return has(instruction) ? .assembly : nil
    }

    /// Makes room for the rounded activations of the largest product that was announced.
    func reserveRecords() throws {
        guard roundsActivations, let limits else { return }
        recordScratch = try grown(recordScratch, to: limits.tokenCount * recordByteCount(limits.matmulInputCount))
    }

    /// Bytes of one token's record in its larger form, BF16.
    func recordByteCount(_ inputs: Int) -> Int { ceilDivide(inputs, 64) * 64 * 2 }

    /// - Throws: `BackendError.limitExceeded` where more was asked for than `reserve` announced.
    func records(tokens: Int, inputs: Int) throws -> BufferRegion {
        let byteCount = tokens * recordByteCount(inputs)
        guard let recordScratch, byteCount <= recordScratch.byteCount else {
            throw BackendError.limitExceeded(
                op: "matmul", limit: "bytes of rounded activations", maximum: recordScratch?.byteCount ?? 0,
                found: byteCount)
        }
        return BufferRegion(buffer: recordScratch, elementOffset: 0)
    }
}
