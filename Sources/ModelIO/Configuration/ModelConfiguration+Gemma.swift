internal import TensorCore

/// The keys that only Gemma's configurations have.
extension ModelConfiguration {
    /// The window of each layer in tokens, `nil` where a query sees all: by `layer_types`; in older files every layer
    /// but the last of each `sliding_window_pattern` has the window.
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
