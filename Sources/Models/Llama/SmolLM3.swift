import ModelIO
import TensorCore

extension DecoderArchitecture {
    /// SmolLM3 (Hugging Face, 2025): Llama in which some layers, every fourth one as a rule, know no positions (Kazemnejad et
    /// al., 2023).
    static func smolLM3(_ file: ModelConfiguration) throws -> DecoderArchitecture {
        var decoder = try llama(file)
        let layerCount = decoder.layers.count
        let key = "no_rope_layers"
        // The list says which layers do rotate, despite its name.
        let rotates: [Bool]
        if let flags = try file.keys.integers(key, in: 0...1) {
            guard flags.count == layerCount else {
                throw LoadError.contradiction(
                    path: file.path, keys: [key, "num_hidden_layers"],
                    reason: "\(flags.count) flags for \(layerCount) layers")
            }
            rotates = flags.map { $0 != 0 }
        } else {
            let interval = try file.keys.optionalSize("no_rope_layer_interval", maximum: SizeLimit.layers) ?? 4
            rotates = (1...layerCount).map { $0 % interval != 0 }
        }
        for (index, rotates) in rotates.enumerated() where !rotates { decoder.layers[index].rope = nil }
        return decoder
    }
}
