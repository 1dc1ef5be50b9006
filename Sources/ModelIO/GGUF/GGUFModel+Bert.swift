internal import TensorCore

// The keys of a `config.json` for the metadata of BERT and related models.

extension GGUFModel {
    func writeBert(to table: inout ConfigurationTable) throws {
        if try metadata.optionalBool(key("attention.causal")) == true {
            throw LoadError.unsupportedValue(
                path: path, key: key("attention.causal"), value: "true", supported: ["false"])
        }
        table.set("hidden_size", try metadata.size(key("embedding_length")))
        table.set("num_hidden_layers", try metadata.size(key("block_count"), maximum: SizeLimit.layers))
        table.set("num_attention_heads", try metadata.size(key("attention.head_count"), maximum: SizeLimit.heads))
        table.set("intermediate_size", try metadata.size(key("feed_forward_length")))
        try writeVocabularySize(to: &table)
        table.set(
            "max_position_embeddings", try metadata.size(key("context_length"), maximum: SizeLimit.positions))
        table.set("type_vocab_size", tensor("token_types.weight")?.shape.extents.first ?? 0)
        let epsilon = try metadata.number(key("attention.layer_norm_epsilon"), in: NumberRange.positive)
        table.set("layer_norm_eps", epsilon)
        // Files do not store the kind of GELU; nearly all of these models have the exact one.
        table.set("hidden_act", "gelu")
        try writeClassifier(to: &table)
    }

    /// A file with a classifier classifies texts, with as many labels as the classifier has rows.
    private func writeClassifier(to table: inout ConfigurationTable) throws {
        let classifier = tensor("cls.output.weight")
        table.set("architectures", [classifier == nil ? "BertModel" : "BertForSequenceClassification"])
        guard let classifier else { return }
        let count = classifier.shape.extents.first ?? 0
        guard classifier.shape.rank == 2, (1...SizeLimit.heads).contains(count) else {
            throw LoadError.invalidTensor(
                path: path, tensor: classifier.name, reason: "has shape \(classifier.shape), expected [labels, width]")
        }
        var labels: [String] = []
        let labelsKey = key("classifier.output_labels")
        try metadata.optionalStrings(labelsKey)?.forEachString { labels.append(String(decoding: $0, as: UTF8.self)) }
        guard labels.isEmpty || labels.count == count else {
            throw LoadError.contradiction(
                path: path, keys: [labelsKey, classifier.name], reason: "\(labels.count) labels for \(count) outputs")
        }
        var names = ConfigurationTable()
        for index in 0..<count { names.set("\(index)", labels.isEmpty ? "LABEL_\(index)" : labels[index]) }
        table.set("id2label", names)
    }
}
