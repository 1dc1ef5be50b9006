internal import TensorCore

// The keys of a `config.json` for T5's metadata, and back.

extension GGUFModel {
    func writeT5(to table: inout ConfigurationTable) throws {
        table.set("d_model", try metadata.size(key("embedding_length")))
        table.set("num_layers", try metadata.size(key("block_count"), maximum: SizeLimit.layers))
        if let count = try metadata.optionalSize(key("decoder_block_count"), maximum: SizeLimit.layers) {
            table.set("num_decoder_layers", count)
        }
        let headCount = try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads)
        table.set("num_heads", headCount)
        table.set("d_kv", try headSize(width: metadata.size(key("embedding_length")), headCount: headCount))
        table.set("d_ff", try metadata.size(key("feed_forward_length")))
        try writeVocabularySize(to: &table)
        let epsilon = try metadata.number(key("attention.layer_norm_rms_epsilon"), in: NumberRange.positive)
        table.set("layer_norm_epsilon", epsilon)
        table.set("relative_attention_num_buckets", try metadata.size(key("attention.relative_buckets_count")))
        table.set("relative_attention_max_distance", GGUFExport.t5MaximumDistance)
        let isGated = tensor("enc.blk.0.ffn_gate.weight") != nil
        table.set("feed_forward_proj", isGated ? "gated-gelu" : "relu")
        // Readers of these files do not scale.
        table.set("scale_decoder_outputs", false)
        table.set("tie_word_embeddings", tensor("output.weight") == nil)
        let range = 0...SizeLimit.vocabulary
        if let start = try metadata.optionalInteger(key("decoder_start_token_id"), in: range) {
            table.set("decoder_start_token_id", start)
        }
    }
}

extension GGUFExport {
    /// Readers of these files assume this distance, from which on all pairs share the last bucket.
    static let t5MaximumDistance = 128

    static func writeT5(_ file: ModelConfiguration, _ keys: inout GGUFKeys) throws {
        let maximumKey = "relative_attention_max_distance"
        let maximum = try file.keys.optionalSize(maximumKey, maximum: SizeLimit.positions) ?? t5MaximumDistance
        guard maximum == t5MaximumDistance else {
            throw LoadError.unsupportedValue(
                path: file.path, key: maximumKey, value: "\(maximum)", supported: ["\(t5MaximumDistance)"])
        }
        if file.keys.value("feed_forward_proj") != nil {
            try require(file, "feed_forward_proj", among: ["relu", "gated-gelu"])
        }
        let geometry = try file.attentionGeometry()
        let layerCount = try file.keys.size("num_layers", maximum: SizeLimit.layers)
        let decoderLayerCount = try file.keys.optionalSize("num_decoder_layers", maximum: SizeLimit.layers)
        let epsilon = try file.keys.optionalNumber("layer_norm_epsilon", in: NumberRange.positive) ?? 1e-6
        keys.decoderLayerCount = decoderLayerCount
        keys.set("context_length", try file.keys.optionalSize("n_positions", maximum: SizeLimit.positions) ?? 512)
        keys.set("embedding_length", geometry.hiddenSize)
        keys.set("feed_forward_length", try file.keys.size("d_ff"))
        keys.set("block_count", layerCount)
        keys.set("decoder_block_count", decoderLayerCount ?? layerCount)
        keys.set("attention.head_count", geometry.headCount)
        keys.set("attention.key_length", geometry.headSize)
        keys.set("attention.value_length", geometry.headSize)
        keys.set("attention.layer_norm_epsilon", epsilon)
        keys.set("attention.layer_norm_rms_epsilon", epsilon)
        let buckets = try file.keys.optionalSize("relative_attention_num_buckets", maximum: SizeLimit.heads) ?? 32
        keys.set("attention.relative_buckets_count", buckets)
        keys.set("vocab_size", try file.keys.size("vocab_size", maximum: SizeLimit.vocabulary))
        if let start = try file.keys.optionalInteger("decoder_start_token_id", in: 0...SizeLimit.vocabulary) {
            keys.set("decoder_start_token_id", start)
        }
        // The factor of the outputs is folded into the last norm's weights.
        if try file.keys.flag("scale_decoder_outputs", default: file.tiesWordEmbeddings()) {
            keys.scales["dec.output_norm"] = 1 / Float(geometry.hiddenSize).squareRoot()
        }
        keys.translate = { t5Name($0) }
    }

    /// A checkpoint's name as the loader knows it; `nil` for further copies of the embedding, and for a bias of old
    /// checkpoints that no model reads.
    private static func t5Name(_ name: String) -> String? {
        if name.hasSuffix(".embed_tokens.weight") || name.contains(".EncDecAttention.relative_attention_bias.") {
            return nil
        }
        return name.replacing(".DenseReluDense.wi.", with: ".DenseReluDense.wi_1.")
    }
}
