internal import TensorCore

/// One matrix product, with checked shapes and in the kernels' units.
struct MatmulProduct {
    let x: Tensor
    let weight: OpenCLWeight
    let output: Tensor
    let epilogue: MatmulEpilogue
    /// What each row takes of a weight of many experts; `nil`: all take the whole weight.
    var experts: ExpertChoices?

    var isGated: Bool { epilogue.isGated }
    /// Rows of the output.
    var tokens: Int { output.rows }
    /// Columns of the output.
    var columns: Int { output.columns }

    /// The bits EPILOGUE_… of matmul_common.cl.
    var flags: UInt32 {
        (epilogue.bias == nil ? 0 : 1) | (epilogue.residual == nil ? 0 : 2) | (isGated ? 4 : 0)
            | (epilogue.activation?.kernelCode ?? 0) << 4
    }

    /// Which kernels compute it.
    var selection: MatmulKernels.Selection { experts == nil ? .single : .experts }

    /// Bytes of the rows of the weight that one token takes.
    var matrixByteCount: Int { weight.byteCount / (experts?.count ?? 1) }

    var cost: LaunchCost {
        let residual = epilogue.residual?.byteCount ?? 0
        // Each row may take another expert.
        let weights = min(experts == nil ? 1 : tokens, experts?.count ?? 1) * matrixByteCount
        return LaunchCost(
            bytes: weights + x.byteCount + output.byteCount + residual,
            flops: 2 * tokens * columns * (isGated ? 2 : 1) * weight.columns)
    }
}

/// Which expert each row of a product takes (Kernels/experts/expert_weights.cl).
struct ExpertChoices {
    /// `E`.
    let count: Int
    /// Rows that share a row of `x`.
    let repeats: Int
    /// The experts' numbers, or, once the rows are grouped, the rows in the order of their experts.
    var choices: BufferRegion
    var isGrouped = false
}
