import ModelIO
import TensorCore

/// The matrices of an encoder-decoder that have a row for each token: one in most models.
struct SharedWords: Sendable {
    let source: any Weight
    let target: any Weight
    let head: any Weight
}

extension LayerLoader {
    /// Loads the embeddings of both sides and the head. What the checkpoint has of its own for a side or the head counts,
    /// whatever the configuration says of ties, as in `transformers` 5; tensors that are equal become one weight.
    /// - Parameter sharesTarget: whether an embedding of the target that the checkpoint lacks is the source's.
    func sharedWords(_ sizes: EncoderDecoderDescription, sharesTarget: Bool = true) throws -> SharedWords {
        let (ofSource, ofTarget) = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
        let shared = weights.contains("shared.weight") || !weights.contains(ofSource) ? "shared.weight" : ofSource
        var loaded: [(tensor: StoredTensor, weight: any Weight)] = []
        func matrix(_ name: String) throws -> any Weight {
            let tensor = weights.find(name)
            if let tensor, let same = loaded.first(where: { $0.tensor.holdsSame(as: tensor) }) { return same.weight }
            let weight = try self.matrix(name, rows: sizes.vocabularySize, columns: sizes.hiddenSize)
            if let tensor { loaded.append((tensor, weight)) }
            return weight
        }
        func own(_ name: String, else other: String) -> String { weights.contains(name) ? name : other }
        let target = own(ofTarget, else: sharesTarget ? shared : ofTarget)
        return SharedWords(
            source: try matrix(own(ofSource, else: shared)), target: try matrix(target),
            head: try matrix(own("lm_head.weight", else: sharesTarget ? shared : target)))
    }
}
