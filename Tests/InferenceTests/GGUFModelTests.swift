import Foundation
import Inference
import JSONCore
import ModelIO
import TensorCore
import TestSupport
import Testing

@Suite("GGUF models")
struct GGUFModelTests {
    private static let types = [
        "f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_m", "q4_k_m", "q4_k_s", "q5_k_m",
        "q6_k", "iq4_nl", "iq4_xs",
    ]

    private func error(
        _ package: ModelPackage, _ expected: Checkpoint, on device: InferenceDevice,
        precision: MatmulPrecision = .highest
    ) throws -> Double {
        let rows = try expected.rows("input_ids")
        let pass = try ForwardPass(
            package, on: device.make(), contextLength: rows[0].count, options: EngineOptions(precision: precision))
        let logits = try rows.flatMap { try pass.logits(for: $0) }
        return normalizedMeanSquaredError(logits, try expected.doubles("logits"))
    }

    @Test("logits agree with the float64 answers", arguments: InferenceDevice.all, Self.types)
    func reference(device: InferenceDevice, type: String) throws {
        guard let folder = ReferenceMaterial.locate("reference/gguf", for: "GGUF logits") else { return }
        let package = try ModelPackage(path: folder.appendingPathComponent("tiny-\(type).gguf").path)
        let answers = folder.appendingPathComponent("tiny-\(type).expected.safetensors").path
        let expected = try Checkpoint(safetensors: answers)
        let exact = try error(package, expected, on: device)
        let fast = try error(package, expected, on: device, precision: .automatic)
        #expect(exact <= 1e-9, "\(type) on \(device.name): NMSE \(exact)")
        #expect(fast <= 2e-4, "\(type) on \(device.name) with rounded activations: NMSE \(fast)")
        print("tiny-\(type).gguf on \(device.name): NMSE \(exact), with rounded activations \(fast)")
    }

    /// The tests' own models, written as GGUF the way llama.cpp's converter does: names, order of rows, fused and
    /// untransposed matrices, Llama 3's factors.
    @Test("models of Hugging Face answer the same as GGUF", arguments: ["gpt2", "llama", "llama3-rope", "qwen2"])
    func converted(name: String) throws {
        let model = try #require(ReferenceModel.fixtures.first { $0.name == name })
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(try GGUFConversion(model.folder.path).builder().file).write(to: file)
        let package = try ModelPackage(path: file.path)
        for device in InferenceDevice.all {
            let error = try error(package, try model.expected(), on: device)
            #expect(error <= model.tolerance, "\(name) on \(device.name): NMSE \(error)")
        }
    }

    @Test("a trained model writes what its reference says", arguments: InferenceDevice.all)
    func stories(device: InferenceDevice) async throws {
        guard let folder = ReferenceMaterial.locate("reference/trained", for: "GGUF stories") else { return }
        let package = try ModelPackage(path: folder.appendingPathComponent("stories260K.gguf").path)
        let json = folder.appendingPathComponent("stories260K/expected.json")
        let root = try JSONDocument(parsing: [UInt8](Data(contentsOf: json)), source: "expected.json").root
        let engine = try await Engine(package, on: device.make())
        for value in try root.requireArray("cases") {
            let promptIDs = try value.requireArray("prompt_ids").compactMap(\.int)
            let continuation = try value.requireArray("greedy_ids").compactMap(\.int)
            #expect(try package.promptTokens(for: try value.requireString("prompt")) == promptIDs)
            guard !continuation.isEmpty else { continue }
            let request = GenerationRequest(promptTokens: promptIDs, maxTokens: continuation.count)
            let (tokens, _, _) = try await collect(try engine.generate(request))
            #expect(tokens == continuation, "on \(device.name)")
        }
    }

    @Test(
        "blocks decoded while loading give the same answers", arguments: ["q8_0", "q3_k_m", "q4_k_m", "iq4_xs", "q5_0"])
    func decoded(type: String) throws {
        guard let folder = ReferenceMaterial.locate("reference/gguf", for: "GGUF decoding") else { return }
        let package = try ModelPackage(path: folder.appendingPathComponent("tiny-\(type).gguf").path)
        let expected = try Checkpoint(
            safetensors: folder.appendingPathComponent("tiny-\(type).expected.safetensors").path)
        let rows = try expected.rows("input_ids")
        let device = try #require(InferenceDevice.all.first)
        let pass = try ForwardPass(
            package, on: device.make(), contextLength: rows[0].count, options: EngineOptions(weightFormat: .float32))
        let logits = try rows.flatMap { try pass.logits(for: $0) }
        #expect(normalizedMeanSquaredError(logits, try expected.doubles("logits")) <= 1e-9)
    }

    @Test("a number format that cannot be computed names the tensor")
    func unsupported() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        let folder = ReferenceMaterial.fixtures.appendingPathComponent("models/qwen2").path
        var builder = try GGUFConversion(folder).builder()
        let index = try #require(builder.tensors.firstIndex { $0.name == "token_embd.weight" })
        let extents = builder.tensors[index].extents
        // Rows of 256 in blocks of IQ2_XS.
        let count = extents.reduce(1, *) / 256
        builder.tensors[index] = .init(
            "token_embd.weight", [256, count], type: 17, bytes: [UInt8](repeating: 0, count: 74 * Int(count)))
        try Data(builder.file).write(to: file)
        let package = try ModelPackage(path: file.path)
        let error = #expect(throws: LoadError.self) {
            _ = try ForwardPass(package, on: try #require(InferenceDevice.all.first).make(), contextLength: 8)
        }
        #expect(error?.description.contains("'token_embd.weight'") == true)
    }

    @Test("unknown architectures name themselves")
    func unknownArchitecture() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(GGUFBuilder(metadata: [("general.architecture", .string("rwkv9"))]).file).write(to: file)
        let error = #expect(throws: LoadError.self) { _ = try ModelPackage(path: file.path).describe() }
        #expect(error?.description.contains("rwkv9") == true)
    }
}

/// Writes a Hugging Face folder as GGUF.
struct GGUFConversion {
    private let configuration: ModelConfiguration
    private let checkpoint: Checkpoint

    init(_ folder: String) throws {
        let location = try ModelLocation(folder)
        configuration = try ModelConfiguration(location)
        checkpoint = try location.openCheckpoint()
    }

    private var architecture: String { configuration.modelType }
    private var isGPT2: Bool { architecture == "gpt2" }

    func builder() throws -> GGUFBuilder {
        var builder = GGUFBuilder(metadata: try metadata())
        for tensor in checkpoint.tensors.values.sorted(by: { $0.name < $1.name }) {
            if let converted = try convert(tensor) { builder.tensors.append(converted) }
        }
        if case .llama3 = try rope()?.scaling, let rope = try rope() {
            let plain = RopeConfiguration(base: rope.base, rotarySize: rope.rotarySize).inverseFrequencies()
            let factors = zip(plain, rope.inverseFrequencies()).map { Float($0 / $1) }
            builder.tensors.append(.init("rope_freqs.weight", [UInt64(factors.count)], factors))
        }
        return builder
    }

    private func rope() throws -> RopeConfiguration? {
        isGPT2 ? nil : try configuration.rope(headSize: configuration.attentionGeometry().headSize)
    }

    private func metadata() throws -> [(String, GGUFBuilder.Value)] {
        let (keys, geometry) = (configuration.keys, try configuration.attentionGeometry())
        func key(_ name: String) -> String { "\(architecture).\(name)" }
        let epsilon = isGPT2 ? "layer_norm_epsilon" : "layer_norm_rms_epsilon"
        let inner = try keys.optionalSize("intermediate_size", "n_inner") ?? 4 * geometry.hiddenSize
        var pairs: [(String, GGUFBuilder.Value)] = [
            ("general.architecture", .string(architecture)),
            (key("block_count"), .uint32(UInt32(try keys.size("num_hidden_layers", "n_layer")))),
            (key("embedding_length"), .uint32(UInt32(geometry.hiddenSize))),
            (key("feed_forward_length"), .uint32(UInt32(inner))),
            (key("attention.head_count"), .uint32(UInt32(geometry.headCount))),
            (key("attention.head_count_kv"), .uint32(UInt32(geometry.keyValueHeadCount))),
            (key("context_length"), .uint32(UInt32(try keys.size("max_position_embeddings", "n_positions")))),
            (key("attention.\(epsilon)"), .float64(try keys.number("rms_norm_eps", "layer_norm_epsilon"))),
            (key("vocab_size"), .uint32(UInt32(try keys.size("vocab_size")))),
        ]
        if let rope = try rope() {
            pairs += [
                (key("rope.freq_base"), .float64(rope.base)),
                (key("attention.key_length"), .uint32(UInt32(geometry.headSize))),
                (key("rope.dimension_count"), .uint32(UInt32(rope.rotarySize))),
            ]
        }
        return pairs
    }

    private static let names = [
        "embed_tokens": "token_embd", "wte": "token_embd", "wpe": "position_embd", "norm": "output_norm",
        "ln_f": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm", "ln_1": "attn_norm",
        "post_attention_layernorm": "ffn_norm", "ln_2": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
    ]

    /// `nil` for buffers that GGUF files leave out.
    private func convert(_ tensor: StoredTensor) throws -> GGUFBuilder.Tensor? {
        var parts = tensor.name.split(separator: ".").map(String.init)
        if ["model", "transformer"].contains(parts[0]) { parts.removeFirst() }
        let kind = parts.removeLast()
        let layer = ["layers", "h"].contains(parts[0]) ? parts[1] : nil
        if layer != nil { parts.removeFirst(2) }
        guard let own = Self.names[parts.joined(separator: ".")] else { return nil }
        let name = (layer.map { "blk.\($0)." } ?? "") + own + "." + kind
        var floats = try WeightLoader(checkpoint).floats(tensor)
        var extents = tensor.shape.extents
        if isGPT2, layer != nil, extents.count == 2 {
            floats = transpose(floats, rows: extents[0], columns: extents[1])
            extents.reverse()
        }
        if architecture == "llama", own == "attn_q" || own == "attn_k" {
            floats = try interleave(floats, rows: extents[0], columns: extents.count > 1 ? extents[1] : 1)
        }
        return .init(name, extents.reversed().map(UInt64.init), floats)
    }

    private func transpose(_ floats: [Float], rows: Int, columns: Int) -> [Float] {
        (0..<columns).flatMap { column in (0..<rows).map { floats[$0 * columns + column] } }
    }

    /// The two halves of each head's rows, taken alternately.
    private func interleave(_ floats: [Float], rows: Int, columns: Int) throws -> [Float] {
        let size = try configuration.attentionGeometry().headSize
        return (0..<rows).flatMap { row -> ArraySlice<Float> in
            let (head, element) = (row / size, row % size)
            let source = head * size + element / 2 + element % 2 * (size / 2)
            return floats[source * columns..<(source + 1) * columns]
        }
    }
}
