/// Matrices that are one in a model's files, and that peft wraps apart from each other.
///
/// An adapter of one of them changes that one alone, so that each gets a tensor of its own before adapters are merged. Rows
/// of single tokens (`trainable_token_indices`) are different: peft changes them in all of the tied matrices.
struct TiedMatrices {
    /// The name of the one that files have, with or without a prefix.
    let embedding: String
    let others: [String]
    /// Whether the names are those of one architecture, prefix included.
    var isExact = false

    static let all = [
        TiedMatrices(embedding: "model.embed_tokens.weight", others: ["lm_head.weight"]),
        TiedMatrices(embedding: "model.decoder.embed_tokens.weight", others: ["lm_head.weight"]),
        TiedMatrices(embedding: "transformer.wte.weight", others: ["lm_head.weight"]),
        TiedMatrices(embedding: "transformer.word_embeddings.weight", others: ["lm_head.weight"]),
        TiedMatrices(embedding: "gpt_neox.embed_in.weight", others: ["embed_out.weight"]),
        // T5; BART and its relatives.
        TiedMatrices(
            embedding: "shared.weight",
            others: ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"], isExact: true),
        TiedMatrices(
            embedding: "model.shared.weight",
            others: ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"],
            isExact: true),
        // Heads that put tokens in masked places.
        TiedMatrices(
            embedding: "bert.embeddings.word_embeddings.weight", others: ["cls.predictions.decoder.weight"],
            isExact: true),
        TiedMatrices(
            embedding: "deberta.embeddings.word_embeddings.weight", others: ["cls.predictions.decoder.weight"],
            isExact: true),
        TiedMatrices(
            embedding: "roberta.embeddings.word_embeddings.weight", others: ["lm_head.decoder.weight"], isExact: true),
        TiedMatrices(
            embedding: "distilbert.embeddings.word_embeddings.weight", others: ["vocab_projector.weight"],
            isExact: true),
        TiedMatrices(
            embedding: "electra.embeddings.word_embeddings.weight", others: ["generator_lm_head.weight"], isExact: true),
        TiedMatrices(
            embedding: "albert.embeddings.word_embeddings.weight", others: ["predictions.decoder.weight"],
            isExact: true),
        TiedMatrices(
            embedding: "mpnet.embeddings.word_embeddings.weight", others: ["lm_head.decoder.weight"], isExact: true),
        TiedMatrices(embedding: "model.embeddings.tok_embeddings.weight", others: ["decoder.weight"], isExact: true),
    ]

    private func found(in tensors: [String: StoredTensor]) -> (name: String, tensor: StoredTensor)? {
        let names = isExact ? [embedding] : LoRAAdapter.names(of: embedding)
        return names.firstNonNil { name in tensors[name].map { (name, $0) } }
    }

    /// The embedding with a low-rank change for which `ensure_weight_tying` has not been compared with peft; `nil`: none
    /// has one.
    func untested(_ changes: [String: LoRAAdapter.Change]) -> String? {
        guard isExact || embedding == "transformer.wte.weight" else { return nil }
        return LoRAAdapter.names(of: embedding).first { changes[$0]?.down != nil }
    }

    /// Gives each matrix a tensor of its own where the adapter changes one of them.
    /// - Parameter keepsTied: whether the adapter was made with peft's `ensure_weight_tying`, which reaches the heads of
    ///   decoders, unless the file holds changes of both.
    func untie(
        _ tensors: inout [String: StoredTensor], _ changes: [String: LoRAAdapter.Change], keepsTied: Bool
    ) {
        if keepsTied, !isExact, !others.contains(where: { changes[$0] != nil }) { return }
        guard let found = found(in: tensors) else { return }
        let names = isExact ? [embedding] : LoRAAdapter.names(of: embedding)
        // Changed rows of the embedding alone are changed in all that are tied to it.
        let isChanged =
            names.contains { changes[$0].map { !$0.isOfTokens } ?? false } || others.contains { changes[$0] != nil }
        guard isChanged else { return }
        for other in others where tensors[other] == nil { tensors[other] = found.tensor }
    }

    /// Gives the changed rows of the embedding to copies of it that the file holds.
    /// - Parameter base: the tensors before the changes.
    func copyTokens(
        _ tensors: inout [String: StoredTensor], base: [String: StoredTensor], _ changes: [String: LoRAAdapter.Change]
    ) {
        guard let old = found(in: base), let new = tensors[old.name],
            LoRAAdapter.names(of: old.name).contains(where: { changes[$0]?.isOfTokens ?? false }),
            !others.contains(where: { changes[$0] != nil })
        else { return }
        for other in others {
            if let copy = base[other], copy.holdsSame(as: old.tensor) { tensors[other] = new }
        }
    }
}

extension Sequence {
    /// The first result that is not `nil`.
    fileprivate func firstNonNil<Result>(_ body: (Element) -> Result?) -> Result? {
        for element in self {
            if let result = body(element) { return result }
        }
        return nil
    }
}
