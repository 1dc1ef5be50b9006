import ArgumentParser
package import TensorCore

/// The sizes of a well-known model, under which benchmarks name theirs.
package struct ModelShape: Sendable, Hashable {
    package enum Family: String, Sendable, Hashable {
        /// Layer norms, biases, learned positions, GELU.
        case gpt2
        /// RMS norms, rotary positions, grouped-query attention, SiLU with a gate.
        case llama
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

    package init(
        name: String, family: Family, vocabularySize: Int, hiddenSize: Int, layerCount: Int, headCount: Int,
        keyValueHeadCount: Int, headSize: Int, intermediateSize: Int, maxContextLength: Int
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

    package static func named(_ name: String) -> ModelShape? { all.first { $0.name == name } }

    /// Query, key and value side by side.
    var projectionSize: Int { (headCount + 2 * keyValueHeadCount) * headSize }
}

/// `--shape`: one or several names.
package struct ShapeList: ExpressibleByArgument, Sendable {
    package let shapes: [ModelShape]

    package init(_ shapes: [ModelShape]) { self.shapes = shapes }

    package init?(argument: String) {
        let names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let shapes = names == ["all"] ? ModelShape.all : names.compactMap(ModelShape.named)
        guard !shapes.isEmpty, shapes.count == names.count || names == ["all"] else { return nil }
        self.shapes = shapes
    }

    package var defaultValueDescription: String { shapes.map(\.name).joined(separator: ",") }

    package static var allValueStrings: [String] { ModelShape.all.map(\.name) + ["all"] }
}

/// `--formats`: weight formats under the names that people type, as `bfloat16,q4_0`, or `all`.
package struct FormatList: ExpressibleByArgument, Sendable {
    package let formats: [WeightFormat]

    package init(_ formats: [WeightFormat]) { self.formats = formats }

    package init?(argument: String) {
        let names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        let formats = names == ["all"] ? WeightFormat.allCases : names.compactMap(FormatList.format)
        guard !formats.isEmpty, formats.count == names.count || names == ["all"] else { return nil }
        self.formats = formats
    }

    private static func format(_ name: String) -> WeightFormat? {
        let short: [String: WeightFormat] = [
            "f32": .float32, "fp32": .float32, "bf16": .bfloat16, "f16": .float16, "fp16": .float16,
        ]
        return short[name] ?? WeightFormat.allCases.first { $0.rawValue.lowercased() == name.lowercased() }
    }

    package var defaultValueDescription: String { formats.map(\.rawValue).joined(separator: ",") }

    package static var allValueStrings: [String] { WeightFormat.allCases.map(\.rawValue) + ["all"] }
}
