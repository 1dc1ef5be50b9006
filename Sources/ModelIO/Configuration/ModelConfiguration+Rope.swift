internal import Glibc

extension ModelConfiguration {
    /// Reads the rotary embedding: `rope_theta`, `partial_rotary_factor` and `rope_parameters` (since transformers 5)
    /// or `rope_scaling` (before); the spellings of GPT-NeoX and GPT-J (`rotary_emb_base`, `rotary_pct`, `rotary_dim`)
    /// too.
    ///
    /// - Parameters:
    ///   - headSize: elements of a head, of which the first `partial_rotary_factor` are rotated.
    ///   - layerType: picks the parameters where they are given for each kind of layer (`sliding_attention`).
    ///   - defaultBase: the base where none is given.
    ///   - defaultFraction: the `partial_rotary_factor` where none is given.
    /// - Throws: `LoadError` naming the key.
    public func rope(
        headSize: Int, layerType: String? = nil, defaultBase: Double = 10_000, defaultFraction: Double = 1
    ) throws -> RopeConfiguration {
        let parameters = try ropeParameters(layerType: layerType)
        let base =
            try parameters?.optionalNumber("rope_theta", in: ropeBaseRange)
            ?? keys.optionalNumber("rope_theta", "rotary_emb_base", in: ropeBaseRange) ?? defaultBase
        let rotarySize = try rotarySize(headSize: headSize, parameters: parameters, defaultFraction: defaultFraction)
        let scaling =
            try factorScaling(rotarySize: rotarySize)
            ?? parameters.map { try ropeScaling($0, rotarySize: rotarySize) } ?? .none
        return RopeConfiguration(base: base, rotarySize: rotarySize, scaling: scaling)
    }

    /// Whether a kind of layer has a rotary embedding of its own.
    /// - Throws: `LoadError` naming the key.
    public func hasRope(layerType: String) throws -> Bool {
        try keys.object("rope_parameters")?.object(layerType) != nil
    }

    /// With the factors that the file of the weights contains.
    private func factorScaling(rotarySize: Int) throws -> RopeConfiguration.Scaling? {
        guard let factors = layout.ropeFactors else { return nil }
        guard factors.count == rotarySize / 2 else {
            throw LoadError.shapeMismatch(
                name: "rope_freqs.weight", expected: [rotarySize / 2], found: [factors.count])
        }
        return .factors(factors)
    }

    private var ropeBaseRange: ClosedRange<Double> { 1.01...1e15 }

    private func ropeParameters(layerType: String?) throws -> ConfigurationReader? {
        // Where both are given, the old key wins, as in transformers.
        let old = try keys.object("rope_scaling")
        let isOldUsed = !(old?.source.keys ?? []).isEmpty
        let parameters = isOldUsed ? old : try keys.object("rope_parameters")
        guard let parameters else { return nil }
        let layerTypes = parameters.source.keys.filter { parameters.source.value(of: $0)?.object != nil }
        guard let first = layerTypes.first else { return parameters }
        guard let layerType else {
            throw LoadError.contradiction(
                path: path, keys: ["model_type", String(parameters.prefix.dropLast())],
                reason: "'\(printable(modelType))' has one rotary embedding for all layers, "
                    + "but there are parameters for layers of type '\(printable(first))'")
        }
        guard let own = try parameters.object(layerType) else { throw parameters.missing([layerType]) }
        return own
    }

    private func rotarySize(
        headSize: Int, parameters: ConfigurationReader?, defaultFraction: Double
    ) throws -> Int {
        if let size = try keys.optionalSize("rotary_dim") {
            guard size <= headSize, size % 2 == 0 else {
                throw LoadError.contradiction(
                    path: path, keys: ["rotary_dim", "head_dim"],
                    reason: "\(size) rotated elements of a head must be even and at most its \(headSize)")
            }
            return size
        }
        let (fraction, key) = try rotaryFraction(parameters, defaultFraction: defaultFraction)
        let size = Int(Double(headSize) * fraction)
        guard size > 0, size % 2 == 0 else {
            throw LoadError.contradiction(
                path: path, keys: [key, "head_dim"],
                reason: "\(fraction) of \(headSize) elements are \(size) rotated ones; an even number is needed")
        }
        return size
    }

    private func rotaryFraction(
        _ parameters: ConfigurationReader?, defaultFraction: Double
    ) throws -> (fraction: Double, key: String) {
        let name = "partial_rotary_factor"
        if let parameters, let fraction = try parameters.optionalNumber(name, in: 0...1) {
            return (fraction, parameters.prefix + name)
        }
        let fraction = try keys.optionalNumber(name, "rotary_pct", in: 0...1) ?? defaultFraction
        return (fraction, keys.value(name, "rotary_pct")?.key ?? name)
    }

    private func ropeScaling(
        _ parameters: ConfigurationReader, rotarySize: Int
    ) throws -> RopeConfiguration.Scaling {
        let name = try parameters.optionalString("rope_type", "type") ?? "default"
        if let other = try parameters.optionalString("type"), other != name {
            throw LoadError.contradiction(
                path: path, keys: [parameters.prefix + "rope_type", parameters.prefix + "type"],
                reason: "'\(printable(name))' and '\(printable(other))'")
        }
        let factors = 0.01...1e6
        switch name {
        case "default": return .none
        case "linear": return .linear(factor: try parameters.number("factor", in: factors))
        case "dynamic": return .dynamic(factor: try parameters.number("factor", in: factors))
        case "llama3": return try llama3Scaling(parameters, factors)
        case "yarn": return try yarnScaling(parameters, factors)
        case "longrope", "su": return .longRope(try longRopeScaling(parameters, rotarySize: rotarySize))
        default:
            throw LoadError.unsupportedValue(
                path: path, key: parameters.prefix + "rope_type", value: printable(name),
                supported: ["default", "linear", "dynamic", "llama3", "yarn", "longrope"])
        }
    }

    /// One factor for each rotated pair.
    private func pairFactors(_ parameters: ConfigurationReader, _ name: String, count: Int) throws -> [Double] {
        guard let (key, value) = parameters.value(name) else { throw parameters.missing([name]) }
        let factors = (value.array ?? []).compactMap(\.double)
        guard factors.count == value.array?.count, factors.count == count,
            factors.allSatisfy({ NumberRange.positive.contains($0) })
        else { throw parameters.invalid(key, value, expected: "\(count) positive numbers") }
        return factors
    }

    /// Where a file gives no factor, it is the ratio of the longest context to that of the first training.
    private func longRopeScaling(
        _ parameters: ConfigurationReader, rotarySize: Int
    ) throws -> RopeConfiguration.LongRopeScaling {
        let context = try originalContext(parameters)
        let attentionFactor: Double
        if let stated = try parameters.optionalNumber("attention_factor", in: NumberRange.positive) {
            attentionFactor = stated
        } else {
            let factor: Double
            if let stated = try parameters.optionalNumber("factor", in: NumberRange.positive) {
                factor = stated
            } else {
                let longest = Double(try keys.size("max_position_embeddings", maximum: SizeLimit.positions))
                factor = longest / Double(context)
            }
            attentionFactor = factor <= 1 || context < 2 ? 1 : (1 + log(factor) / log(Double(context))).squareRoot()
        }
        return RopeConfiguration.LongRopeScaling(
            shortFactors: try pairFactors(parameters, "short_factor", count: rotarySize / 2),
            longFactors: try pairFactors(parameters, "long_factor", count: rotarySize / 2), originalContext: context,
            attentionFactor: attentionFactor)
    }

    private func llama3Scaling(
        _ parameters: ConfigurationReader, _ factors: ClosedRange<Double>
    ) throws -> RopeConfiguration.Scaling {
        let low = try parameters.number("low_freq_factor", in: factors)
        let high = try parameters.number("high_freq_factor", in: factors)
        guard low < high else {
            throw LoadError.contradiction(
                path: path, keys: [parameters.prefix + "low_freq_factor", parameters.prefix + "high_freq_factor"],
                reason: "\(low) is not below \(high)")
        }
        return .llama3(
            factor: try parameters.number("factor", in: factors), lowFrequencyFactor: low, highFrequencyFactor: high,
            originalContext: try originalContext(parameters))
    }

    private func yarnScaling(
        _ parameters: ConfigurationReader, _ factors: ClosedRange<Double>
    ) throws -> RopeConfiguration.Scaling {
        let context = try originalContext(parameters)
        let factor: Double
        if let stated = try parameters.optionalNumber("factor", in: factors) {
            factor = stated
        } else {
            factor = Double(try keys.size("max_position_embeddings", maximum: SizeLimit.positions)) / Double(context)
        }
        var yarn = RopeConfiguration.YarnScaling(factor: factor, originalContext: context)
        // Zero means the default here, as in transformers.
        let fast = try parameters.optionalNumber("beta_fast", in: 0...1e6) ?? 0
        let slow = try parameters.optionalNumber("beta_slow", in: 0...1e6) ?? 0
        if fast != 0 { yarn.betaFast = max(fast, 1e-6) }
        if slow != 0 { yarn.betaSlow = max(slow, 1e-6) }
        guard yarn.betaFast >= yarn.betaSlow else {
            throw LoadError.contradiction(
                path: path, keys: [parameters.prefix + "beta_fast", parameters.prefix + "beta_slow"],
                reason: "\(yarn.betaFast) is below \(yarn.betaSlow)")
        }
        yarn.truncates = try parameters.flag("truncate", default: true)
        yarn.attentionFactor = try parameters.optionalNumber("attention_factor", in: 0...1e6)
        yarn.mscale = try parameters.optionalNumber("mscale", in: 0...1e6)
        yarn.mscaleAllDimensions = try parameters.optionalNumber("mscale_all_dim", in: 0...1e6)
        return .yarn(yarn)
    }

    /// The outer key comes first, because Phi-3 keeps the value there.
    private func originalContext(_ parameters: ConfigurationReader) throws -> Int {
        let key = "original_max_position_embeddings"
        return try keys.optionalSize(key, maximum: SizeLimit.positions)
            ?? parameters.optionalSize(key, maximum: SizeLimit.positions)
            ?? keys.size("max_position_embeddings", maximum: SizeLimit.positions)
    }
}
