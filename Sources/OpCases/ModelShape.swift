/// The sizes of a well-known model, under which benchmarks name theirs.
package struct ModelShape: Sendable, Hashable {
    package enum Family: String, Sendable, Hashable {
        /// Layer norms, biases, learned positions, GELU.
        case gpt2
        /// RMS norms, rotary positions, grouped-query attention, SiLU with a gate.
        case llama
    }

    /// A mixture in place of one feed-forward part; `intermediateSize` is then that of one expert.
    package struct Experts: Sendable, Hashable {
        package let count: Int
        /// That a token takes.
        package let expertsPerToken: Int

        package init(count: Int, expertsPerToken: Int) {
            self.count = count
            self.expertsPerToken = expertsPerToken
        }
    }

    /// What keeps attention's scores and the logits from growing.
    package struct SoftCaps: Sendable, Hashable {
        package let scores: Double
        package let logits: Double

        package init(scores: Double, logits: Double) {
            self.scores = scores
            self.logits = logits
        }
    }

    package let name: String
    package let family: Family
    package let vocabularySize: Int
    package let hiddenSize: Int
    package let layerCount: Int
    package let headCount: Int
    package let keyValueHeadCount: Int
    package let headSize: Int
    package let intermediateSize: Int
    package let maxContextLength: Int
    package let experts: Experts?
    package let softCaps: SoftCaps?
    /// Whether query and key are normalised head by head.
    package let normalizesHeads: Bool

    package init(
        name: String, family: Family, vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int, headSize: Int, intermediateSize: Int, maxContextLength: Int,
        experts: Experts? = nil, softCaps: SoftCaps? = nil, normalizesHeads: Bool = false
    ) {
        self.name = name
        self.family = family
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headSize = headSize
        self.intermediateSize = intermediateSize
        self.maxContextLength = maxContextLength
        self.experts = experts
        self.softCaps = softCaps
        self.normalizesHeads = normalizesHeads
    }

    /// GPT-2 124M; SmolLM 135M, Qwen2.5 0.5B, Llama 3.2 1B and Llama 3.1 8B, all as Llamas with the head tied to the
    /// embedding.
    package static let all = [
        ModelShape(
            name: "gpt2-124m", family: .gpt2, vocabularySize: 50257, hiddenSize: 768, layerCount: 12, headCount: 12,
            keyValueHeadCount: 12, headSize: 64, intermediateSize: 3072, maxContextLength: 1024),
        ModelShape(
            name: "llama-135m", family: .llama, vocabularySize: 49152, hiddenSize: 576, layerCount: 30, headCount: 9,
            keyValueHeadCount: 3, headSize: 64, intermediateSize: 1536, maxContextLength: 32768),
        ModelShape(
            name: "llama-0.5b", family: .llama, vocabularySize: 151_936, hiddenSize: 896, layerCount: 24,
            headCount: 14, keyValueHeadCount: 2, headSize: 64, intermediateSize: 4864, maxContextLength: 32768),
        ModelShape(
            name: "llama-1b", family: .llama, vocabularySize: 128_256, hiddenSize: 2048, layerCount: 16, headCount: 32,
            keyValueHeadCount: 8, headSize: 64, intermediateSize: 8192, maxContextLength: 32768),
        ModelShape(
            name: "llama-8b", family: .llama, vocabularySize: 128_256, hiddenSize: 4096, layerCount: 32,
            headCount: 32, keyValueHeadCount: 8, headSize: 128, intermediateSize: 14336, maxContextLength: 32768),
    ]

    /// Of which only the ops are measured: Gemma 2 2B, Qwen3 30B A3B and Mixtral 8x7B.
    package static let layers = [
        ModelShape(
            name: "gemma2-2b", family: .llama, vocabularySize: 256_000, hiddenSize: 2304, layerCount: 26, headCount: 8,
            keyValueHeadCount: 4, headSize: 256, intermediateSize: 9216, maxContextLength: 8192,
            softCaps: SoftCaps(scores: 50, logits: 30)),
        ModelShape(
            name: "qwen3-30b-a3b", family: .llama, vocabularySize: 151_936, hiddenSize: 2048, layerCount: 48,
            headCount: 32, keyValueHeadCount: 4, headSize: 128, intermediateSize: 768, maxContextLength: 32768,
            experts: Experts(count: 128, expertsPerToken: 8), normalizesHeads: true),
        ModelShape(
            name: "mixtral-8x7b", family: .llama, vocabularySize: 32000, hiddenSize: 4096, layerCount: 32,
            headCount: 32, keyValueHeadCount: 8, headSize: 128, intermediateSize: 14336, maxContextLength: 32768,
            experts: Experts(count: 8, expertsPerToken: 2)),
    ]

    /// Of ``all`` and ``layers``.
    package static func named(_ name: String) -> ModelShape? { (all + layers).first { $0.name == name } }

    /// The ops that a layer of this shape has beside those of a plain one, or runs in another way.
    package var ownOps: Set<String> {
        var ops: Set<String> = []
        if experts != nil { ops.formUnion(["experts", "combine"]) }
        if softCaps != nil { ops.formUnion(["attention", "store_attend", "soft_cap"]) }
        if normalizesHeads { ops.insert("head_norm") }
        return ops
    }

    /// Query, key and value side by side.
    package var projectionSize: Int { (headCount + 2 * keyValueHeadCount) * headSize }
}
