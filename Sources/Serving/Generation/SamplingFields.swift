internal import Inference
internal import JSONCore
internal import ModelIO
internal import Tokenization

/// The fields for choosing tokens that requests of every API share.
struct SamplingFields {
    var sampling: SamplingParameters
    var stopStrings: [String]
    var stopTokens: [Int]
    var ignoresEndOfSequence: Bool

    /// Values for fields that a request leaves out.
    struct Defaults {
        var temperature: Float
        var topK: Int?
        var topP: Float
        var minP: Float
        var repetitionPenalty: Float
        /// The model's recommendations for what entropy and least probabilities leave out; `nil`: it has none.
        var cutoffs: GenerationConfiguration?

        /// OpenAI's defaults, unless the model's authors recommend others.
        init(openAI generation: GenerationConfiguration) {
            let recommends = generation.samples != false
            temperature = (recommends ? generation.temperature.map(Float.init) : nil) ?? 1
            topK = recommends ? generation.topK : nil
            topP = (recommends ? generation.topP.map(Float.init) : nil) ?? 1
            minP = (recommends ? generation.minP.map(Float.init) : nil) ?? 0
            cutoffs = recommends ? generation : nil
            repetitionPenalty = generation.repetitionPenalty.map(Float.init) ?? 1
        }

        /// The defaults of llama.cpp's server.
        init(llamaCpp generation: GenerationConfiguration) {
            self.init(openAI: generation)
            let recommends = generation.samples != false
            temperature = (recommends ? generation.temperature.map(Float.init) : nil) ?? 0.8
            topK = (recommends ? generation.topK : nil) ?? 40
            topP = (recommends ? generation.topP.map(Float.init) : nil) ?? 0.95
            minP = (recommends ? generation.minP.map(Float.init) : nil) ?? 0.05
        }
    }

    init(
        _ fields: RequestFields, _ model: ServedModel, defaults: Defaults, stopKey: String = "stop"
    ) throws(APIError) {
        let anyNumber = 0...Double(Float.greatestFiniteMagnitude)
        // 0 and -1 are what other servers write for "all".
        let topK = try fields.int("top_k", in: -1...Int(Int32.max)).map { $0 <= 0 ? nil : $0 } ?? defaults.topK
        let topP = try fields.double("top_p", in: 0...1).map(Float.init) ?? defaults.topP
        var repetition = try fields.double("repetition_penalty", in: anyNumber)
        if repetition == nil { repetition = try fields.double("repeat_penalty", in: anyNumber) }
        sampling = SamplingParameters(
            temperature: try fields.double("temperature", in: 0...100).map(Float.init) ?? defaults.temperature,
            topK: topK,
            // The smallest positive probability stands for 0 here: the best token is always kept.
            topP: topP == 0 ? .leastNormalMagnitude : topP,
            minP: try fields.double("min_p", in: 0...1).map(Float.init) ?? defaults.minP,
            repetitionPenalty: repetition.map(Float.init) ?? defaults.repetitionPenalty,
            presencePenalty: Float(try fields.double("presence_penalty", in: -2...2) ?? 0),
            frequencyPenalty: Float(try fields.double("frequency_penalty", in: -2...2) ?? 0),
            logitBias: try SamplingFields.logitBias(fields, model), seed: try SamplingFields.seed(fields))
        try SamplingFields.readCutoffs(fields, defaults.cutoffs, into: &sampling)
        if let repetition, repetition == 0 { throw fields.mismatch("repetition_penalty", expected: "a number over 0") }
        stopStrings = try fields.strings(stopKey, atMost: 256) ?? []
        if stopStrings.contains("") {
            throw .invalid(fields.name(of: stopKey), "\(stopKey) must not hold an empty string")
        }
        stopTokens = try fields.tokens("stop_token_ids", vocabularySize: model.vocabularySize) ?? []
        ignoresEndOfSequence = try fields.bool("ignore_eos") ?? false
        try SamplingFields.refuseOtherSamplers(fields)
    }

    /// Ways of choosing tokens that other servers have, with the value that changes nothing, which many clients send.
    private static let otherSamplers: [(key: String, neutral: Double)] = [
        ("mirostat", 0), ("dry_multiplier", 0), ("xtc_probability", 0), ("dynatemp_range", 0), ("tfs_z", 1),
    ]

    private static func refuseOtherSamplers(_ fields: RequestFields) throws(APIError) {
        for (key, neutral) in otherSamplers {
            guard let value = try fields.double(key, in: -1e9...1e9), value != neutral else { continue }
            throw .unsupported(key, "this version does not choose tokens so; leave it out")
        }
        if let value = try fields.double("top_n_sigma", in: -1e9...1e9), value > 0 {
            throw .unsupported("top_n_sigma", "this version does not choose tokens so; leave it out")
        }
    }

    /// What is left out by entropy and by least probabilities.
    private static func readCutoffs(
        _ fields: RequestFields, _ recommended: GenerationConfiguration?, into sampling: inout SamplingParameters
    ) throws(APIError) {
        func read(_ key: String, _ recommended: Double?) throws(APIError) -> Float? {
            (try fields.double(key, in: 0...1) ?? recommended).map(Float.init)
        }
        // The smallest positive share stands for 0 here, too: one token is always kept.
        sampling.topH = try read("top_h", recommended?.topH).map { max($0, .leastNormalMagnitude) }
        sampling.typicalP = max(try read("typical_p", recommended?.typicalP) ?? 1, .leastNormalMagnitude)
        sampling.epsilonCutoff = try read("epsilon_cutoff", recommended?.epsilonCutoff) ?? 0
        sampling.etaCutoff = try read("eta_cutoff", recommended?.etaCutoff) ?? 0
    }

    /// -1 is llama.cpp's word for "any".
    private static func seed(_ fields: RequestFields) throws(APIError) -> UInt64? {
        guard let seed = try fields.int("seed") else { return nil }
        return seed == -1 ? nil : UInt64(bitPattern: Int64(seed))
    }

    /// OpenAI's object of ids and numbers, or llama.cpp's array of pairs, in which `false` forbids a token.
    private static func logitBias(_ fields: RequestFields, _ model: ServedModel) throws(APIError) -> [Int: Float] {
        guard let value = fields["logit_bias"] else { return [:] }
        var result: [Int: Float] = [:]
        func add(_ id: Int?, _ shown: String, _ bias: Float?) throws(APIError) {
            guard let id, (0..<model.vocabularySize).contains(id) else {
                throw .invalid(
                    "logit_bias", "logit_bias: '\(shown.prefix(40))' is no token id below \(model.vocabularySize)")
            }
            guard let bias else {
                throw .invalid("logit_bias", "logit_bias of \(id) must be a number from -100 to 100")
            }
            result[id, default: 0] += bias
        }
        if let object = value.object {
            for (key, bias) in object {
                try add(Int(key), key, bias.double.flatMap { abs($0) <= 100 ? Float($0) : nil })
            }
            return result
        }
        guard value.array != nil else { throw fields.mismatch("logit_bias", expected: "an object") }
        for pair in try fields.array("logit_bias") ?? [] {
            guard let pair = pair.array.map(Array.init), pair.count == 2 else {
                throw .invalid("logit_bias", "logit_bias must hold pairs of a token and a bias")
            }
            let bias = pair[1].bool == false ? -Float.infinity : pair[1].double.map(Float.init)
            if let text = pair[0].string {
                for id in try SamplingFields.encode(text, model) { try add(id, text, bias) }
            } else {
                try add(pair[0].int, RequestFields.shown(pair[0]), bias)
            }
        }
        return result
    }

    private static func encode(_ text: String, _ model: ServedModel) throws(APIError) -> [Int] {
        do {
            return try model.requireTokenizer().encode(text, addSpecialTokens: false)
        } catch {
            throw APIError(error)
        }
    }
}
