internal import TensorCore

extension GGUFModel {
    /// Writes the rotary embedding: base, rotated elements of a head, and scaling.
    func writeRope(headSize: Int, defaultBase: Double = 10_000, to table: inout ConfigurationTable) throws {
        let base = try metadata.optionalNumber(key("rope.freq_base"), in: 1.01...1e15)
        table.set("rope_theta", base ?? defaultBase)
        let rotarySize = try metadata.optionalSize(key("rope.dimension_count")) ?? headSize
        table.set("rotary_dim", rotarySize)
        // The factors of single pairs, as Llama 3.1 has them, belong to the layout.
        guard tensor("rope_freqs.weight") == nil else { return }
        var scaling = ConfigurationTable()
        if let short = tensor("rope_factors_short.weight"), let long = tensor("rope_factors_long.weight") {
            try writeLongRope(short: short, long: long, to: &scaling)
        } else {
            try writeScaling(to: &scaling)
        }
        table.set("rope_scaling", .object(scaling))
    }

    /// The divisor of each pair's frequency.
    func factors(_ tensor: StoredTensor) throws -> [Double] {
        let factors = try WeightLoader(checkpoint()).floats(tensor)
        if let wrong = factors.first(where: { !$0.isFinite || $0 <= 0 }) {
            throw LoadError.invalidTensor(
                path: tensor.path, tensor: tensor.name, reason: "holds \(wrong), expected positive numbers")
        }
        return factors.map(Double.init)
    }

    /// The two lists of factors of Phi-3. Where the file gives no factor for cosines and sines, it is 1.
    private func writeLongRope(
        short: StoredTensor, long: StoredTensor, to table: inout ConfigurationTable
    ) throws {
        table.set("rope_type", "longrope")
        table.set("short_factor", .array(try factors(short).map { .real($0) }))
        table.set("long_factor", .array(try factors(long).map { .real($0) }))
        let context = key("rope.scaling.original_context_length")
        if let context = try metadata.optionalSize(context, maximum: SizeLimit.positions) {
            table.set("original_max_position_embeddings", context)
        }
        let factor = try metadata.optionalNumber(key("rope.scaling.attn_factor"), in: NumberRange.positive)
        table.set("attention_factor", factor ?? 1)
    }

    private func writeScaling(to table: inout ConfigurationTable) throws {
        let factors = 0.01...1e6
        let typeKey = key("rope.scaling.type")
        let legacy = try metadata.optionalNumber(key("rope.scale_linear"), in: factors)
        let type = try metadata.optionalString(typeKey) ?? (legacy == nil ? "none" : "linear")
        let factor = try metadata.optionalNumber(key("rope.scaling.factor"), in: 0...1e6) ?? legacy ?? 1
        switch type {
        case "none": table.set("rope_type", "default")
        case "linear":
            table.set("rope_type", "linear")
            // Zero means "not scaled".
            table.set("factor", factor == 0 ? 1 : factor)
        case "yarn":
            table.set("rope_type", "yarn")
            table.set("factor", try metadata.number(key("rope.scaling.factor"), in: factors))
            let context = key("rope.scaling.original_context_length")
            if let context = try metadata.optionalSize(context, maximum: SizeLimit.positions) {
                table.set("original_max_position_embeddings", context)
            }
            for (ours, theirs) in [("yarn_beta_fast", "beta_fast"), ("yarn_beta_slow", "beta_slow")] {
                guard let beta = try metadata.optionalNumber(key("rope.scaling.\(ours)"), in: factors) else { continue }
                table.set(theirs, beta)
            }
        default:
            throw LoadError.unsupportedValue(
                path: path, key: typeKey, value: printable(type), supported: ["none", "linear", "yarn"])
        }
    }
}
