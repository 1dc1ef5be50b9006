internal import TensorCore

/// What Gemma's configurations say in ways of their own.
extension ModelConfiguration {
    /// What `transformers` assumes of Gemma 3's text model, which the configurations of the models with images rely on.
    public static let gemma3TextDefaults = """
        {"vocab_size": 262208, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-6, "query_pre_attn_scalar": 256, "sliding_window": 4096, "rope_theta": 1000000,
        "hidden_activation": "gelu_pytorch_tanh"}
        """

    /// Tokens that a query of each layer sees, `nil` where all: by `layer_types`; in older files every layer but the last
    /// of each `sliding_window_pattern` has the window.
    /// - Throws: `LoadError` naming the key.
    public func periodicWindows(layerCount: Int, period defaultPeriod: Int) throws -> [Int?] {
        guard let window = try slidingWindow() else { return Array(repeating: nil, count: layerCount) }
        if let isSliding = try slidingLayers(layerCount: layerCount) {
            return isSliding.map { $0 ? window : nil }
        }
        let period =
            try keys.optionalSize("sliding_window_pattern", "_sliding_window_pattern", maximum: SizeLimit.layers)
            ?? defaultPeriod
        return (1...layerCount).map { $0 % period == 0 ? nil : window }
    }

    /// The rotary embeddings of layers that see all tokens, and of those that see a window. Gemma 2 has one for all.
    /// Gemma 3's layers with a window have a base of their own, and are not scaled in older files, which give it as
    /// `rope_local_base_freq`.
    /// - Throws: `LoadError` naming the key.
    public func gemmaRopes(
        headSize: Int, isThird: Bool
    ) throws -> (global: RopeConfiguration, local: RopeConfiguration) {
        guard isThird else {
            let rope = try rope(headSize: headSize)
            return (rope, rope)
        }
        let global = try rope(headSize: headSize, layerType: "full_attention", defaultBase: 1_000_000)
        if try hasRope(layerType: "sliding_attention") {
            return (global, try rope(headSize: headSize, layerType: "sliding_attention"))
        }
        let base = try keys.optionalNumber("rope_local_base_freq", in: 1.01...1e15) ?? 10_000
        return (global, RopeConfiguration(base: base, rotarySize: global.rotarySize))
    }
}
