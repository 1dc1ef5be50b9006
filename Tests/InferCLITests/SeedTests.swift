import Foundation
import TestSupport
import Testing

/// `--seed` asks for a text that can be had again, so activations are not rounded where `--precision` is left out.
@Suite struct SeedTests {
    /// A Llama of one layer that is large enough for its activations to be rounded by default, without a tokenizer.
    private func largeLayer() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let (width, vocabulary) = (512, 64)
        let configuration = """
            {"model_type": "llama", "vocab_size": \(vocabulary), "hidden_size": \(width), "intermediate_size": \(width),
            "num_hidden_layers": 1, "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 512,
            "rms_norm_eps": 1e-5, "rope_theta": 10000, "hidden_act": "silu", "tie_word_embeddings": true}
            """
        try Data(configuration.utf8).write(to: folder.file("config.json"))
        var random = SplitMix64(name: "a large layer")
        var (entries, bytes): ([String], Data) = ([], Data())
        func add(_ name: String, _ shape: [Int], _ values: [Float]) {
            let start = bytes.count
            values.withUnsafeBytes { bytes.append(contentsOf: $0) }
            let place = "[\(start), \(bytes.count)]"
            entries.append(##""\##(name)": {"dtype": "F32", "shape": \##(shape), "data_offsets": \##(place)}"##)
        }
        let layer = "model.layers.0."
        add("model.embed_tokens.weight", [vocabulary, width], random.floats(vocabulary * width, scale: 0.2))
        for name in ["input_layernorm", "post_attention_layernorm"] {
            add("\(layer)\(name).weight", [width], Array(repeating: 1, count: width))
        }
        for name in ["self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"] {
            add("\(layer)\(name)_proj.weight", [width, width], random.floats(width * width, scale: 0.15))
        }
        add("model.norm.weight", [width], Array(repeating: 1, count: width))
        let header = Data("{\(entries.joined(separator: ","))}".utf8)
        var file = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
        file += header + bytes
        try file.write(to: folder.file("model.safetensors"))
        return folder
    }

    @Test func seededTextsAreThoseOfExactProducts() throws {
        let folder = try largeLayer()
        defer { folder.remove() }
        func tokens(_ more: [String]) throws -> [Int] {
            let prompt = (0..<40).map { "\($0)" }.joined(separator: ",")
            let result = try CommandLineTool.run(
                ["generate", "--model", folder.path, "--dtype", "int8", "--prompt-ids", prompt, "--temperature", "1"]
                    + ["--max-tokens", "300", "--ignore-eos", "--seed", "7", "--json", "--device", "cpu"] + more)
            #expect(result.exitCode == 0, "\(result.errors)")
            let object = try JSONSerialization.jsonObject(with: Data(result.outputBytes)) as? [String: Any]
            return try #require(object?["token_ids"] as? [Int])
        }
        #expect(try tokens([]) == tokens(["--precision", "highest"]))
    }
}
