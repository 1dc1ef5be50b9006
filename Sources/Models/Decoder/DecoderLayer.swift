import ModelIO
import TensorCore

/// A norm with its parameters, `[C]` float32 each.
enum Norm: Sendable {
    case rms(weight: Tensor, epsilon: Float)
    case layer(weight: Tensor, bias: Tensor?, epsilon: Float)

    /// Writes `norm(x)`; with a residual, adds `x` to it and writes the norm of the sum.
    func callAsFunction(_ x: Tensor, addingTo residual: Tensor? = nil, on backend: any Backend, into output: Tensor)
        throws
    {
        switch self {
        case .rms(let weight, let epsilon):
            try backend.rmsNorm(x, residual: residual, sum: residual, weight: weight, epsilon: epsilon, into: output)
        case .layer(let weight, let bias, let epsilon):
            try backend.layerNorm(
                x, residual: residual, sum: residual, weight: weight, bias: bias, epsilon: epsilon, into: output)
        }
    }
}

/// The norms of query and key before they are rotated, in place.
enum HeadNorms: Sendable {
    /// `[(H + KH) * headSize]`: the weights of each head, side by side.
    case eachHead(weights: Tensor, headSize: Int, epsilon: Float)
    /// The norms of neighbouring columns, from the first query head on, and each one's width.
    case columns([(norm: Norm, width: Int)])

    func callAsFunction(_ queryAndKey: Tensor, on backend: any Backend) throws {
        switch self {
        case .eachHead(let weights, let headSize, let epsilon):
            try backend.rmsNormHeads(queryAndKey, headSize: headSize, weight: weights, epsilon: epsilon)
        case .columns(let norms):
            var start = 0
            for (norm, width) in norms {
                let part = queryAndKey.columns(start..<start + width)
                try norm(part, on: backend, into: part)
                start += width
            }
        }
    }
}

/// The feed-forward part of a layer.
enum DecoderFeedForward: Sendable {
    /// `down(activation(gate(x)) * up(x))`. (Shazeer, 2020)
    case gated(gateUp: GatedProjection, down: Linear)
    /// `down(activation(up(x)))`.
    case plain(up: Linear, Activation, down: Linear)
    case experts(ExpertMixture)

    var isSplit: Bool {
        if case .gated(let gateUp, _) = self { gateUp.isSplit } else { false }
    }

    /// Writes the output for `x`, plus `residual` where there is one, whose memory `output` may be.
    func callAsFunction(
        _ x: Tensor, _ rows: DecoderRows, experts: ExpertWorkspace?, residual: Tensor?, on backend: any Backend,
        into output: Tensor
    ) throws {
        switch self {
        case .gated(let gateUp, let down):
            try gateUp(x, adapters: rows.adapters, on: backend, scratch: rows.gateScratch, into: rows.intermediate)
            try down(rows.intermediate, adapters: rows.adapters, on: backend, residual: residual, into: output)
        case .plain(let up, let activation, let down):
            try up(x, adapters: rows.adapters, on: backend, activation: activation, into: rows.intermediate)
            try down(rows.intermediate, adapters: rows.adapters, on: backend, residual: residual, into: output)
        case .experts(let mixture):
            guard let experts else { preconditionFailure("experts without their workspace") }
            try mixture(
                x, adapters: rows.adapters, on: backend, scratch: experts, residual: residual, into: output)
        }
    }
}

/// The weights of one layer.
struct DecoderLayer: Sendable {
    /// Before the attention, and behind it; `nil`: none. Likewise for the feed-forward part.
    let attentionNorm: Norm?
    let projections: Linear
    let headNorms: HeadNorms?
    let output: Linear
    let afterAttentionNorm: Norm?
    let feedForwardNorm: Norm?
    let feedForward: DecoderFeedForward
    let afterFeedForwardNorm: Norm?
    let attention: AttentionParameters
    /// Which of the decoder's rotary embeddings; `nil`: the layer knows no positions.
    let rope: RopeConfiguration?
}
