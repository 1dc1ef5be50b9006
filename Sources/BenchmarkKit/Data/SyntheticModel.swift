package import Inference
internal import ModelIO
package import OpCases
package import TensorCore

/// A model of a known shape with random weights: as fast and as large as the real one, and it needs no file.
package enum SyntheticModel {
    /// Makes the weights in memory.
    /// - Parameter format: of the matrices. Those whose rows are no whole blocks of it are `q8_0`, or float16 where even
    ///   that does not fit, as GGUF quantisers do it. `int8` is made from FP32 weights while loading.
    /// - Throws: `LoadError`, which a shape of `ModelShape.all` never causes.
    package static func make(_ shape: ModelShape, format: WeightFormat) throws -> ModelPackage {
        let name = "\(shape.name) \(format.rawValue)"
        var tensors = TensorSet(format: format == .int8 ? .float32 : format, path: name)
        switch shape.family {
        case .gpt2: addGPT2(shape, to: &tensors)
        case .llama: addLlama(shape, to: &tensors)
        }
        // Rows are output channels, as in GGUF files.
        let configuration = try ModelConfiguration(configuration(shape), path: name, layout: .gguf)
        return ModelPackage(
            name: name, configuration: configuration, checkpoint: Checkpoint(path: name, tensors: tensors.tensors),
            generation: GenerationConfiguration(), tokenizer: nil)
    }

    private struct TensorSet {
        let format: WeightFormat
        let path: String
        private(set) var tensors: [StoredTensor] = []

        init(format: WeightFormat, path: String) {
            self.format = format
            self.path = path
        }

        mutating func matrix(_ name: String, _ rows: Int, _ columns: Int, format: WeightFormat? = nil) {
            let wanted = format ?? self.format
            let fitting = [wanted, .q8_0, .float16].first { columns % $0.blockSize == 0 } ?? .float16
            let weight = RandomWeight(
                name, format: fitting, rows: rows, columns: columns, seed: UInt64(tensors.count) &* 77 &+ 1)
            guard let type = StoredType(fitting) else { return }
            tensors.append(
                StoredTensor(
                    name: name, type: type, shape: [rows, columns], bytes: weight.source.parts[0].bytes, path: path))
        }

        /// Values about `center`, which norms need: ones for scales, zeros for offsets.
        mutating func vector(_ name: String, _ count: Int, around center: Float) {
            let memory = HostAllocation(byteCount: count * 4)
            var random = SplitMix64(seed: UInt64(tensors.count) &* 77 &+ 2)
            let values = memory.pointer.bindMemory(to: Float.self)
            for index in 0..<count { values[index] = center + random.float(scale: 0.02) }
            tensors.append(
                StoredTensor(name: name, type: .float32, shape: [count], bytes: memory.bytes, path: path))
        }
    }

    private static func addLlama(_ shape: ModelShape, to tensors: inout TensorSet) {
        let (width, inner) = (shape.hiddenSize, shape.intermediateSize)
        let (queries, keys) = (shape.headCount * shape.headSize, shape.keyValueHeadCount * shape.headSize)
        tensors.matrix("model.embed_tokens.weight", shape.vocabularySize, width)
        for layer in 0..<shape.layerCount {
            let prefix = "model.layers.\(layer)."
            tensors.vector(prefix + "input_layernorm.weight", width, around: 1)
            tensors.matrix(prefix + "self_attn.q_proj.weight", queries, width)
            tensors.matrix(prefix + "self_attn.k_proj.weight", keys, width)
            tensors.matrix(prefix + "self_attn.v_proj.weight", keys, width)
            tensors.matrix(prefix + "self_attn.o_proj.weight", width, queries)
            tensors.vector(prefix + "post_attention_layernorm.weight", width, around: 1)
            tensors.matrix(prefix + "mlp.gate_proj.weight", inner, width)
            tensors.matrix(prefix + "mlp.up_proj.weight", inner, width)
            tensors.matrix(prefix + "mlp.down_proj.weight", width, inner)
        }
        tensors.vector("model.norm.weight", width, around: 1)
    }

    private static func addGPT2(_ shape: ModelShape, to tensors: inout TensorSet) {
        let (width, inner) = (shape.hiddenSize, shape.intermediateSize)
        func norm(_ name: String) {
            tensors.vector(name + ".weight", width, around: 1)
            tensors.vector(name + ".bias", width, around: 0)
        }
        func linear(_ name: String, _ rows: Int, _ columns: Int) {
            tensors.matrix(name + ".weight", rows, columns)
            tensors.vector(name + ".bias", rows, around: 0)
        }
        tensors.matrix("transformer.wte.weight", shape.vocabularySize, width)
        tensors.matrix("transformer.wpe.weight", shape.maxContextLength, width, format: .float32)
        for layer in 0..<shape.layerCount {
            let prefix = "transformer.h.\(layer)."
            norm(prefix + "ln_1")
            linear(prefix + "attn.c_attn", 3 * width, width)
            linear(prefix + "attn.c_proj", width, width)
            norm(prefix + "ln_2")
            linear(prefix + "mlp.c_fc", inner, width)
            linear(prefix + "mlp.c_proj", width, inner)
        }
        norm("transformer.ln_f")
    }

    private static func configuration(_ shape: ModelShape) -> ConfigurationTable {
        var table = ConfigurationTable()
        table.set("model_type", shape.family.rawValue)
        table.set("vocab_size", shape.vocabularySize)
        table.set("tie_word_embeddings", true)
        switch shape.family {
        case .gpt2:
            table.set("n_embd", shape.hiddenSize)
            table.set("n_layer", shape.layerCount)
            table.set("n_head", shape.headCount)
            table.set("n_inner", shape.intermediateSize)
            table.set("n_positions", shape.maxContextLength)
            table.set("activation_function", "gelu_new")
            table.set("layer_norm_epsilon", 1e-5)
        case .llama:
            table.set("hidden_size", shape.hiddenSize)
            table.set("intermediate_size", shape.intermediateSize)
            table.set("num_hidden_layers", shape.layerCount)
            table.set("num_attention_heads", shape.headCount)
            table.set("num_key_value_heads", shape.keyValueHeadCount)
            table.set("head_dim", shape.headSize)
            table.set("max_position_embeddings", shape.maxContextLength)
            table.set("hidden_act", "silu")
            table.set("rms_norm_eps", 1e-5)
        }
        return table
    }
}
