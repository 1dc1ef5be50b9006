internal import TensorCore

// The keys and names of BERT and related models.

extension GGUFExport {
    static func writeBert(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        let geometry = try file.attentionGeometry()
        let isDistilled = file.modelType == "distilbert"
        try require(file, isDistilled ? "activation" : "hidden_act", among: ["gelu"])
        let isRoberta = ["roberta", "xlm-roberta"].contains(file.modelType)
        let padding = try file.keys.optionalInteger("pad_token_id", in: 0...SizeLimit.positions - 1) ?? 1
        // Readers count positions from 0. RoBERTa's table begins with rows that no position uses.
        let leftOut = isRoberta ? padding + 1 : 0
        let positionCount = try file.keys.size("max_position_embeddings", maximum: SizeLimit.positions)
        guard positionCount > leftOut else {
            throw LoadError.contradiction(
                path: file.path, keys: ["max_position_embeddings", "pad_token_id"],
                reason: "no position is left for a token")
        }
        if leftOut > 0 { keys.leftOutRows["position_embd"] = leftOut }
        keys.set("block_count", try file.keys.size("num_hidden_layers", "n_layers", maximum: SizeLimit.layers))
        keys.set("context_length", positionCount - leftOut)
        keys.set("embedding_length", geometry.hiddenSize)
        keys.set("feed_forward_length", try file.keys.size("intermediate_size", "hidden_dim"))
        keys.set("attention.head_count", geometry.headCount)
        keys.set(
            "attention.layer_norm_epsilon",
            try file.keys.optionalNumber("layer_norm_eps", in: NumberRange.positive) ?? 1e-12)
        keys.set("attention.causal", false)
        keys.set("vocab_size", try file.keys.size("vocab_size", maximum: SizeLimit.vocabulary))
        let segments = isDistilled ? nil : try file.keys.optionalSize("type_vocab_size", maximum: SizeLimit.heads)
        keys.setTokenizer("token_type_count", segments ?? 1)
        try writeHead(file, &keys)
    }

    /// A head that classifies texts is written too. The format has no place for other heads.
    private static func writeHead(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        let name = file.architectures.first ?? "BertModel"
        let classifies = name.hasSuffix("ForSequenceClassification") && file.modelType != "distilbert"
        keys.translate = { GGUFExport.bertName($0, classifies: classifies) }
        if classifies {
            // Pooling type 4: the model's outputs are those of its classifier.
            keys.set("pooling_type", 4)
            keys.set("classifier.output_labels", .strings(try file.labels()))
        } else if !name.hasSuffix("Model") {
            keys.notices.append(
                "\(file.path): GGUF files have no place for the head of \(name); the file is the encoder alone")
        }
    }

    /// DistilBERT's names, mapped to BERT's.
    private static let distilled: [(from: String, to: String)] = [
        ("transformer.layer.", "encoder.layer."), (".attention.q_lin.", ".attention.self.query."),
        (".attention.k_lin.", ".attention.self.key."), (".attention.v_lin.", ".attention.self.value."),
        (".attention.out_lin.", ".attention.output.dense."), (".sa_layer_norm.", ".attention.output.LayerNorm."),
        (".ffn.lin1.", ".intermediate.dense."), (".ffn.lin2.", ".output.dense."),
        (".output_layer_norm.", ".output.LayerNorm."),
    ]

    /// A checkpoint's name without its family's spellings; `nil` for tensors that GGUF files do not have.
    private static func bertName(_ stored: String, classifies: Bool) -> String? {
        var name = stored
        for prefix in ["bert.", "roberta.", "distilbert."] where name.hasPrefix(prefix) {
            name = String(name.dropFirst(prefix.count))
        }
        for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] where name.hasSuffix(old) {
            name = name.dropLast(old.count) + new
        }
        for (from, to) in distilled {
            if let range = name.firstRange(of: from) { name.replaceSubrange(range, with: to) }
        }
        if name.hasPrefix("embeddings.position_ids") { return nil }
        guard !name.hasPrefix("embeddings."), !name.hasPrefix("encoder.layer.") else { return name }
        let heads = [
            "pooler.", "classifier.", "pre_classifier.", "cls.", "lm_head.", "qa_outputs.", "vocab_transform.",
            "vocab_layer_norm.", "vocab_projector.",
        ]
        guard let head = heads.first(where: name.hasPrefix) else { return name }
        guard classifies else { return nil }
        switch head {
        case "pooler.": return name.replacing("pooler.dense.", with: "classifier.dense.")
        case "classifier.":
            let isOwn = name.hasPrefix("classifier.dense.") || name.hasPrefix("classifier.out_proj.")
            return isOwn ? name : "classifier.out_proj." + name.dropFirst(head.count)
        default: return nil
        }
    }
}
