package import CommandSupport
package import OpCases
package import TensorCore

/// What one row of the ops suite measures.
///
/// Legend: `T` tokens.
package struct OpCase: Sendable, Hashable {
    package var op: String
    package var shape: String
    /// The operand's name and size, such as `gate_up 3072x576`.
    package var operand: String
    package var format: String
    /// `T`.
    package var tokenCount: Int
    /// Tokens of context; 0 where there is none.
    package var contextLength = 0
    /// Each operand once.
    package var byteCount: Int
    /// A multiply-add counts two.
    package var flopCount: Int

    package var name: String {
        "\(op) \(shape) \(operand) \(format) T=\(tokenCount)" + (contextLength > 0 ? " context \(contextLength)" : "")
    }
}

/// A case whose operands lie on the device.
package struct PreparedOp {
    package let opCase: OpCase
    /// Enqueues it on the operands of this number.
    package let call: (Int) throws -> Void
    /// The NMSE of a sample of the outputs of `call(0)` against the reference in double precision, `Σ(a−b)² / Σb²`; for
    /// matrix products `Σb²` is that of the terms where these cancel.
    package let error: () throws -> Double
    /// The largest NMSE that is taken for right.
    package let tolerance: Double
    package let rates: DeviceRates
}

/// Cases that share operands, made when their turn comes and freed after.
package struct OpGroup {
    package let op: String
    /// Bytes of the weights that the cases share, where they may be many.
    package var weightByteCount = 0
    package let prepare: (OpContext) throws -> [PreparedOp]
}

extension OpGroup {
    /// Every op of a model.
    package static func all(
        _ shape: ModelShape, formats: [WeightFormat], cacheTypes: [DType], tokenCounts: [Int],
        expertTokenCounts: [Int], contextLengths: [Int]
    ) -> [OpGroup] {
        MatmulCases.groups(shape, formats: formats, tokenCounts: tokenCounts)
            + AttentionCases.groups(
                shape, cacheTypes: cacheTypes, tokenCounts: tokenCounts, contextLengths: contextLengths)
            + EncoderAttentionCases.groups(shape, tokenCounts: tokenCounts)
            + RowCases.groups(shape, tokenCounts: tokenCounts)
            + CacheCases.embeddings(shape, formats: formats, tokenCounts: tokenCounts)
            + CacheCases.groups(shape, cacheTypes: cacheTypes, tokenCounts: tokenCounts)
            + ExpertCases.groups(shape, formats: formats, tokenCounts: expertTokenCounts)
    }
}

/// Where cases are made.
package struct OpContext {
    package let backend: any Backend
    package let ceilings: Ceilings
    /// Operands of a case that is bound by memory rotate over at least this many bytes.
    package let rotationByteCount: Int

    package init(backend: any Backend, ceilings: Ceilings, rotationByteCount: Int) {
        self.backend = backend
        self.ceilings = ceilings
        self.rotationByteCount = rotationByteCount
    }

    /// How many operands of a size it takes.
    func copies(byteCount: Int) -> Int { min(max(rotationByteCount / max(byteCount, 1) + 1, 2), 512) }

    /// Grows the backend's scratch.
    func reserve(
        tokens: Int, context: Int = 1, features: Int, inputs: Int = 1, heads: Int = 1, headSize: Int = 64,
        expertFeatures: Int = 0, expertsPerToken: Int = 0
    ) throws {
        try backend.reserve(
            ExecutionLimits(
                tokenCount: tokens, sequenceCount: 1, contextLength: context, featureCount: features,
                matmulInputCount: inputs, headCount: heads, headSize: headSize, expertFeatureCount: expertFeatures,
                expertsPerToken: expertsPerToken))
    }
}
