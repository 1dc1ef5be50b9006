internal import JSONCore
internal import TensorCore

extension GGUFModel {
    /// Writes the rotary embedding: base, rotated elements of a head, and scaling.
    func writeRope(headSize: Int, defaultBase: Double = 10_000, to writer: inout JSONWriter) throws {
        let base = try metadata.optionalNumber(key("rope.freq_base"), in: 1.01...1e15)
        try writer.member("rope_theta", base ?? defaultBase)
        let rotarySize = try metadata.optionalSize(key("rope.dimension_count")) ?? headSize
        if rotarySize != headSize { writer.member("rotary_dim", rotarySize) }
        writer.key("rope_scaling")
        writer.beginObject()
        if let factors = tensor("rope_freqs.weight") {
            writer.member("rope_type", "factors")
            try writeFactors(factors, "factors", count: rotarySize / 2, to: &writer)
        } else if let short = tensor("rope_factors_short.weight"), let long = tensor("rope_factors_long.weight") {
            try writeLongRope(short: short, long: long, count: rotarySize / 2, to: &writer)
        } else {
            try writeScaling(to: &writer)
        }
        writer.endObject()
    }

    /// What each pair's frequency is divided by, which is how GGUF files hold Llama 3.1's scaling.
    private func writeFactors(
        _ tensor: StoredTensor, _ name: String, count: Int, to writer: inout JSONWriter
    ) throws {
        guard tensor.shape.extents == [count] else {
            throw LoadError.shapeMismatch(name: tensor.name, expected: [count], found: tensor.shape.extents)
        }
        let factors = try WeightLoader(checkpoint()).floats(tensor)
        writer.key(name)
        writer.beginArray()
        for factor in factors {
            guard factor.isFinite, factor > 0 else {
                throw LoadError.invalidTensor(
                    path: tensor.path, tensor: tensor.name, reason: "holds \(factor), expected positive numbers")
            }
            try writer.value(Double(factor))
        }
        writer.endArray()
    }

    /// Phi-3's two lists of factors. Where the file does not say by how much cosines and sines are scaled, they are not.
    private func writeLongRope(
        short: StoredTensor, long: StoredTensor, count: Int, to writer: inout JSONWriter
    ) throws {
        writer.member("rope_type", "longrope")
        try writeFactors(short, "short_factor", count: count, to: &writer)
        try writeFactors(long, "long_factor", count: count, to: &writer)
        let context = key("rope.scaling.original_context_length")
        if let context = try metadata.optionalSize(context, maximum: SizeLimit.positions) {
            writer.member("original_max_position_embeddings", context)
        }
        let factor = try metadata.optionalNumber(key("rope.scaling.attn_factor"), in: NumberRange.positive)
        try writer.member("attention_factor", factor ?? 1)
    }

    private func writeScaling(to writer: inout JSONWriter) throws {
        let factors = 0.01...1e6
        let typeKey = key("rope.scaling.type")
        let legacy = try metadata.optionalNumber(key("rope.scale_linear"), in: factors)
        let type = try metadata.optionalString(typeKey) ?? (legacy == nil ? "none" : "linear")
        let factor = try metadata.optionalNumber(key("rope.scaling.factor"), in: 0...1e6) ?? legacy ?? 1
        switch type {
        case "none": writer.member("rope_type", "default")
        case "linear":
            writer.member("rope_type", "linear")
            // Zero stands for "not scaled".
            try writer.member("factor", factor == 0 ? 1 : factor)
        case "yarn":
            writer.member("rope_type", "yarn")
            try writer.member("factor", try metadata.number(key("rope.scaling.factor"), in: factors))
            let context = key("rope.scaling.original_context_length")
            if let context = try metadata.optionalSize(context, maximum: SizeLimit.positions) {
                writer.member("original_max_position_embeddings", context)
            }
            for (ours, theirs) in [("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")] {
                guard let beta = try metadata.optionalNumber(key("rope.scaling.\(ours)"), in: factors) else { continue }
                try writer.member(theirs, beta)
            }
        default:
            throw LoadError.unsupportedValue(
                path: path, key: typeKey, value: printable(type), supported: ["none", "linear", "yarn"])
        }
    }
}
