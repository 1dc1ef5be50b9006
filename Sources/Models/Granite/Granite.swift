import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// Granite 3 (IBM, 2024): Llama with four multipliers.
    ///
    ///     h = embedding_multiplier · embed[id]
    ///     each layer:  h += residual_multiplier · o(attention(…));  h += residual_multiplier · down(…)
    ///     logits = head(norm(h)) / logits_scaling
    ///
    /// The scores of attention are multiplied by `attention_multiplier` in place of the root of the head's size. The
    /// feed-forward part of GraniteMoE is a mixture of experts, of which tokens may share one.
    static func granite(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        func multiplier(_ key: String) throws -> Float {
            Float(try file.keys.optionalNumber(key, in: 1e-6...1e6) ?? 1)
        }
        var decoder = try llama(file)
        decoder.embeddingScale = try multiplier("embedding_multiplier")
        decoder.residualScale = try multiplier("residual_multiplier")
        decoder.logitScale = 1 / (try multiplier("logits_scaling"))
        decoder.setAttentionScale(try multiplier("attention_multiplier"))
        if file.modelType.hasPrefix("granitemoe") { try decoder.addExperts(file) }
        return decoder
    }
}
