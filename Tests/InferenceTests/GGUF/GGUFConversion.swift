import ModelIO
import TensorCore
import TestSupport

/// Writes a Hugging Face folder as GGUF, the way llama.cpp's converter does.
struct GGUFConversion {
    private let configuration: ModelConfiguration
    private let checkpoint: Checkpoint

    init(_ folder: String) throws {
        let location = try ModelLocation(folder)
        configuration = try ModelConfiguration(location)
        checkpoint = try location.openCheckpoint()
    }

    private var modelType: String { configuration.modelType }
    private var isGPT2: Bool { modelType == "gpt2" }
    private var isGemma: Bool { modelType.hasPrefix("gemma") }

    private var architecture: String {
        switch modelType {
        case "gemma3_text": "gemma3"
        case "gpt_neox": "gptneox"
        case "mistral", "mixtral": "llama"
        case "qwen3_moe": "qwen3moe"
        default: modelType
        }
    }

    func builder() throws -> GGUFBuilder {
        var builder = GGUFBuilder(metadata: try metadata())
        for tensor in checkpoint.tensors.values.sorted(by: { $0.name < $1.name }) {
            if let converted = try convert(tensor) { builder.tensors.append(converted) }
        }
        builder.tensors += try experts()
        if case .llama3 = try rope()?.scaling, let rope = try rope() {
            let plain = RopeConfiguration(base: rope.base, rotarySize: rope.rotarySize).inverseFrequencies()
            let factors = zip(plain, rope.inverseFrequencies()).map { Float($0 / $1) }
            builder.tensors.append(.init("rope_freqs.weight", [UInt64(factors.count)], factors))
        }
        return builder
    }

    private func rope() throws -> RopeConfiguration? {
        isGPT2
            ? nil
            : try configuration.rope(
                headSize: configuration.attentionGeometry().headSize,
                layerType: modelType == "gemma3_text" ? "full_attention" : nil)
    }

    private func metadata() throws -> [(String, GGUFBuilder.Value)] {
        let (keys, geometry) = (configuration.keys, try configuration.attentionGeometry())
        func key(_ name: String) -> String { "\(architecture).\(name)" }
        let epsilon = isGPT2 || modelType == "gpt_neox" ? "layer_norm_epsilon" : "layer_norm_rms_epsilon"
        let inner = try keys.optionalSize("intermediate_size", "n_inner") ?? 4 * geometry.hiddenSize
        var pairs: [(String, GGUFBuilder.Value)] = [
            ("general.architecture", .string(architecture)),
            (key("block_count"), .uint32(UInt32(try keys.size("num_hidden_layers", "n_layer")))),
            (key("embedding_length"), .uint32(UInt32(geometry.hiddenSize))),
            (key("feed_forward_length"), .uint32(UInt32(inner))),
            (key("attention.head_count"), .uint32(UInt32(geometry.headCount))),
            (key("attention.head_count_kv"), .uint32(UInt32(geometry.keyValueHeadCount))),
            (key("context_length"), .uint32(UInt32(try keys.size("max_position_embeddings", "n_positions")))),
            (
                key("attention.\(epsilon)"),
                .float64(try keys.number("rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps"))
            ),
            (key("vocab_size"), .uint32(UInt32(try keys.size("vocab_size")))),
        ]
        if let rope = try rope() {
            pairs += [
                (key("rope.freq_base"), .float64(rope.base)),
                (key("attention.key_length"), .uint32(UInt32(geometry.headSize))),
                (key("rope.dimension_count"), .uint32(UInt32(rope.rotarySize))),
            ]
        }
        if isGemma { pairs += try gemmaMetadata() }
        if let count = try keys.optionalSize("num_local_experts", "num_experts") {
            pairs += [
                (key("expert_count"), .uint32(UInt32(count))),
                (key("expert_used_count"), .uint32(UInt32(try keys.size("num_experts_per_tok")))),
            ]
        }
        if let width = try keys.optionalSize("moe_intermediate_size") {
            pairs.append((key("expert_feed_forward_length"), .uint32(UInt32(width))))
        }
        return pairs
    }

    private func gemmaMetadata() throws -> [(String, GGUFBuilder.Value)] {
        func key(_ name: String) -> String { "\(architecture).\(name)" }
        var pairs: [(String, GGUFBuilder.Value)] = [
            (key("attention.sliding_window"), .uint32(UInt32(try configuration.slidingWindow() ?? 0))),
            // The models of two layers have the windows of every second one, as Gemma 2.
            (key("attention.sliding_window_pattern"), .uint32(2)),
        ]
        for name in ["attn_logit_softcapping", "final_logit_softcapping"] {
            if let cap = try configuration.keys.optionalNumber(name) { pairs.append((key(name), .float64(cap))) }
        }
        return pairs
    }

    private static let names = [
        "embed_tokens": "token_embd", "wte": "token_embd", "wpe": "position_embd", "norm": "output_norm",
        "ln_f": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm", "ln_1": "attn_norm",
        "post_attention_layernorm": "ffn_norm", "ln_2": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
        "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up", "embed_in": "token_embd",
        "embed_out": "output", "final_layer_norm": "output_norm", "attention.query_key_value": "attn_qkv",
        "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
        "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
        "block_sparse_moe.gate": "ffn_gate_inp", "mlp.gate": "ffn_gate_inp",
    ]

    /// `nil` for buffers that GGUF files leave out.
    private func convert(_ tensor: StoredTensor) throws -> GGUFBuilder.Tensor? {
        var parts = tensor.name.split(separator: ".").map(String.init)
        if ["model", "transformer", "gpt_neox"].contains(parts[0]) { parts.removeFirst() }
        let kind = parts.removeLast()
        let layer = ["layers", "h"].contains(parts[0]) ? parts[1] : nil
        if layer != nil { parts.removeFirst(2) }
        guard var own = Self.names[parts.joined(separator: ".")] else { return nil }
        if isGemma, parts == ["post_attention_layernorm"] { own = "post_attention_norm" }
        let name = (layer.map { "blk.\($0)." } ?? "") + own + "." + kind
        var extents = tensor.shape.extents
        let floats = try rearrange(WeightLoader(checkpoint).floats(tensor), own, inLayer: layer != nil, &extents)
        return .init(name, extents.reversed().map(UInt64.init), floats)
    }

    /// The matrices of all experts, stacked.
    private func experts() throws -> [GGUFBuilder.Tensor] {
        guard let count = try configuration.keys.optionalSize("num_local_experts", "num_experts") else { return [] }
        let isMixtral = modelType == "mixtral"
        let names = [("gate_proj", "w1", "gate"), ("up_proj", "w3", "up"), ("down_proj", "w2", "down")]
        return try (0..<configuration.keys.size("num_hidden_layers")).flatMap { layer in
            try names.map { name, mixtralName, own in
                let stored = try (0..<count).map { expert in
                    let path =
                        isMixtral
                        ? "block_sparse_moe.experts.\(expert).\(mixtralName)" : "mlp.experts.\(expert).\(name)"
                    guard let tensor = checkpoint["model.layers.\(layer).\(path).weight"] else {
                        throw LoadError.missingTensor(path: checkpoint.path, name: path, tried: [])
                    }
                    return tensor
                }
                let floats = try stored.flatMap { try WeightLoader(checkpoint).floats($0) }
                let extents = stored[0].shape.extents.reversed() + [count]
                return .init("blk.\(layer).ffn_\(own)_exps.weight", extents.map(UInt64.init), floats)
            }
        }
    }

    /// The elements in the order, and with the offsets, that GGUF files have.
    private func rearrange(
        _ floats: [Float], _ own: String, inLayer: Bool, _ extents: inout [Int]
    ) throws -> [Float] {
        let geometry = try configuration.attentionGeometry()
        let columns = extents.count > 1 ? extents[1] : 1
        switch (modelType, own) {
        case ("gpt2", _) where inLayer && extents.count == 2:
            defer { extents.reverse() }
            return transpose(floats, rows: extents[0], columns: extents[1])
        case ("llama", "attn_q"), ("llama", "attn_k"), ("mixtral", "attn_q"), ("mixtral", "attn_k"):
            return interleave(floats, rows: extents[0], columns: columns, headSize: geometry.headSize)
        case ("gpt_neox", "attn_qkv"):
            let count = geometry.headSize * columns
            var result: [Float] = []
            for part in 0..<3 {
                for head in 0..<geometry.headCount {
                    let first = (head * 3 + part) * count
                    result += floats[first..<first + count]
                }
            }
            return result
        case ("gemma2", "attn_q"), ("gemma3_text", "attn_q_norm"):
            // A GGUF file cannot say that scores are divided by another number than the head's size.
            let scalar = try configuration.keys.number("query_pre_attn_scalar")
            let scale = Float((Double(geometry.headSize) / scalar).squareRoot())
            return floats.map { ($0 + (own == "attn_q" ? 0 : 1)) * scale }
        case (_, _) where isGemma && own.hasSuffix("_norm"): return floats.map { $0 + 1 }
        default: return floats
        }
    }

    private func transpose(_ floats: [Float], rows: Int, columns: Int) -> [Float] {
        (0..<columns).flatMap { column in (0..<rows).map { floats[$0 * columns + column] } }
    }

    /// The two halves of each head's rows, taken alternately.
    private func interleave(_ floats: [Float], rows: Int, columns: Int, headSize size: Int) -> [Float] {
        (0..<rows).flatMap { row -> ArraySlice<Float> in
            let (head, element) = (row / size, row % size)
            let source = head * size + element / 2 + element % 2 * (size / 2)
            return floats[source * columns..<(source + 1) * columns]
        }
    }
}
