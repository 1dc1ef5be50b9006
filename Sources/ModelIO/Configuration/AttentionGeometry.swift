/// The sizes of a model's attention, checked against each other.
public struct AttentionGeometry: Sendable, Hashable {
    /// Features of the residual stream.
    public let hiddenSize: Int
    /// `H`, query heads.
    public let headCount: Int
    /// `KH`, key and value heads; divides `headCount`.
    public let keyValueHeadCount: Int
    /// `D`, elements of a head.
    public let headSize: Int

    /// Features of all query heads; equals `hiddenSize` in most models, but not in all.
    public var querySize: Int { headCount * headSize }
    /// Features of all key heads, or of all value heads.
    public var keyValueSize: Int { keyValueHeadCount * headSize }
}

extension ModelConfiguration {
    /// The default is the number of query heads. Some files say instead whether all queries share one head.
    private func keyValueHeadCount(headCount: Int) throws -> Int {
        let isShared =
            switch modelType {
            case "gpt_bigcode": try keys.flag("multi_query", default: true)
            case "falcon":
                try keys.flag("multi_query", default: true) && !keys.flag("new_decoder_architecture", default: false)
            default: false
            }
        if isShared { return 1 }
        return try keys.optionalSize("num_key_value_heads", "num_kv_heads", "n_head_kv", maximum: SizeLimit.heads)
            ?? headCount
    }

    /// Reads `hidden_size`, `num_attention_heads`, `num_key_value_heads` (default: as many as query heads) and
    /// `head_dim` (default: `hidden_size / num_attention_heads`), under these names or another family's.
    /// - Throws: `LoadError` naming the key that is missing, out of bounds, or does not fit the others.
    public func attentionGeometry() throws -> AttentionGeometry {
        let isDistilled = modelType == "distilbert"
        let hiddenSize = try isDistilled ? keys.size("dim") : keys.size("hidden_size", "n_embd", "d_model")
        let headCount =
            try isDistilled
            ? keys.size("n_heads", maximum: SizeLimit.heads)
            : keys.size("num_attention_heads", "n_head", "num_heads", maximum: SizeLimit.heads)
        let keyValueHeads = try keyValueHeadCount(headCount: headCount)
        let headKey = keys.value("num_attention_heads", "n_head", "num_heads", "n_heads")?.key ?? "num_attention_heads"
        let hiddenKey = keys.value("hidden_size", "n_embd", "d_model", "dim")?.key ?? "hidden_size"
        guard headCount % keyValueHeads == 0 else {
            throw LoadError.contradiction(
                path: path, keys: [headKey, "num_key_value_heads"],
                reason: "\(headCount) query heads cannot share \(keyValueHeads) key/value heads evenly")
        }
        let headSize: Int
        if let stated = try keys.optionalSize("head_dim", "d_kv") {
            headSize = stated
        } else {
            guard hiddenSize % headCount == 0 else {
                throw LoadError.contradiction(
                    path: path, keys: [hiddenKey, headKey],
                    reason: "\(hiddenSize) features do not split into \(headCount) heads and 'head_dim' is not given")
            }
            headSize = hiddenSize / headCount
        }
        let (querySize, overflow) = headCount.multipliedReportingOverflow(by: headSize)
        guard !overflow, querySize <= SizeLimit.width else {
            throw LoadError.contradiction(
                path: path, keys: [headKey, "head_dim"],
                reason: "\(headCount) heads of \(headSize) are more than \(SizeLimit.width) features")
        }
        return AttentionGeometry(
            hiddenSize: hiddenSize, headCount: headCount, keyValueHeadCount: keyValueHeads, headSize: headSize)
    }
}
