import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

@Suite struct ModelQuantizerTests {
    /// A model of `layers` layers whose tensors have the names and shapes that mixtures look at, zeros all of them.
    private func model(
        layers: Int, heads: UInt32 = 8, keyValueHeads: UInt32 = 8, columns: Int = 256, isTied: Bool = true,
        experts: Int = 0
    ) throws -> (folder: TemporaryFolder, path: String) {
        var builder = GGUFBuilder(metadata: [
            ("general.architecture", .string("llama")), ("llama.block_count", .uint32(UInt32(layers))),
            ("llama.attention.head_count", .uint32(heads)), ("llama.attention.head_count_kv", .uint32(keyValueHeads)),
            ("general.file_type", .uint32(0)), ("custom.flag", .bool(1)), ("split.count", .uint16(0)),
        ])
        func add(_ name: String, _ extents: [Int]) {
            let zeros = [Float](repeating: 0, count: extents.reduce(1, *))
            builder.tensors.append(.init(name, extents.map(UInt64.init), zeros))
        }
        add("token_embd.weight", [columns, 2])
        if !isTied { add("output.weight", [columns, 2]) }
        add("output_norm.weight", [columns])
        for layer in 0..<layers {
            for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
                add("blk.\(layer).\(name).weight", [columns, 2])
            }
            if experts > 0 { add("blk.\(layer).ffn_up_exps.weight", [columns, 2, experts]) }
            add("blk.\(layer).attn_norm.weight", [columns])
            add("blk.\(layer).attn_q.bias", [columns])
        }
        let folder = try TemporaryFolder()
        try folder.write(builder.file, to: "m.gguf")
        return (folder, folder.file("m.gguf"))
    }

    private func types(_ path: String, _ type: QuantizationType) throws -> [String: StoredType] {
        let quantizer = try ModelQuantizer(QuantizationInput(gguf: path), type: type)
        return Dictionary(uniqueKeysWithValues: quantizer.steps.map { ($0.name, $0.type) })
    }

    /// The layers of `tensor` that get `format`.
    private func layers(_ types: [String: StoredType], _ tensor: String, with format: StoredType) -> [Int] {
        (0..<64).filter { types["blk.\($0).\(tensor).weight"] == format }
    }

    /// What llama.cpp's quantiser gave the tensors of a model of 16 layers.
    @Test func mixturesSpreadTheirBits() throws {
        let (folder, path) = try model(layers: 16)
        defer { withExtendedLifetime(folder) {} }
        let more = [0, 1, 4, 7, 10, 13, 14, 15]
        let medium = try types(path, .q4_k_m)
        #expect(layers(medium, "attn_v", with: .q6_K) == more && layers(medium, "ffn_down", with: .q6_K) == more)
        #expect(layers(medium, "attn_q", with: .q4_K).count == 16 && medium["token_embd.weight"] == .q6_K)
        #expect(medium["output_norm.weight"] == .float32 && medium["blk.3.attn_q.bias"] == .float32)
        let small = try types(path, .q4_k_s)
        #expect(layers(small, "attn_v", with: .q5_K) == [0, 1, 2, 3])
        #expect(layers(small, "ffn_down", with: .q5_K) == [0, 1])
        let three = try types(path, .q3_k_m)
        #expect(layers(three, "attn_v", with: .q5_K) == [0, 1] && layers(three, "attn_v", with: .q4_K).count == 14)
        #expect(layers(three, "ffn_down", with: .q5_K) == [0] && layers(three, "attn_output", with: .q4_K).count == 16)
        let large = try types(path, .q3_k_l)
        #expect(
            layers(large, "attn_v", with: .q5_K).count == 16 && layers(large, "attn_output", with: .q5_K).count == 16)
        let two = try types(path, .q2_k)
        #expect(layers(two, "attn_v", with: .q3_K).count == 16 && layers(two, "ffn_down", with: .q3_K).count == 16)
        #expect(layers(two, "ffn_up", with: .q2_K).count == 16)
        let five = try types(path, .q5_k_m)
        #expect(layers(five, "attn_v", with: .q6_K) == more && layers(five, "attn_k", with: .q5_K).count == 16)
        #expect(Set(try types(path, .q5_k_s).values) == [.float32, .q5_K, .q6_K])
        #expect(layers(try types(path, .iq4_xs), "ffn_down", with: .q5_K) == [0, 1])
        #expect(Set(try types(path, .q8_0).values) == [.float32, .q8_0])
        #expect(Set(try types(path, .bf16).values) == [.float32, .bfloat16])
    }

    @Test func valuesThatManyQueriesShareGetMore() throws {
        let (folder, path) = try model(layers: 2, heads: 8, keyValueHeads: 2, isTied: false)
        defer { withExtendedLifetime(folder) {} }
        #expect(layers(try types(path, .q2_k), "attn_v", with: .q4_K).count == 2)
        #expect(layers(try types(path, .iq4_nl), "attn_v", with: .q5_K).count == 2)
        let untied = try types(path, .q4_0)
        #expect(untied["output.weight"] == .q6_K && untied["token_embd.weight"] == .q4_0)
    }

    @Test func ternaryAndMicroscaledMixtures() throws {
        let (folder, path) = try model(layers: 2, isTied: false, experts: 3)
        defer { withExtendedLifetime(folder) {} }
        let ternary = try types(path, .tq2_0)
        #expect(ternary["output.weight"] == .q6_K && ternary["token_embd.weight"] == .q4_K)
        #expect(layers(ternary, "attn_v", with: .tq2_0).count == 2)
        #expect(layers(ternary, "ffn_up_exps", with: .tq2_0).count == 2)
        let microscaled = try types(path, .mxfp4_moe)
        #expect(layers(microscaled, "ffn_up_exps", with: .mxfp4).count == 2)
        #expect(layers(microscaled, "ffn_up", with: .q8_0).count == 2 && microscaled["output.weight"] == .q8_0)
    }

    @Test(arguments: [
        (QuantizationType.q2_k, StoredType.q4_0), (.q3_k_s, .q4_0), (.q4_k_s, .q5_0), (.q5_k_s, .q5_1), (.q6_k, .q8_0),
        (.iq4_xs, .iq4_NL), (.q4_1, .q4_1), (.tq2_0, .q4_0), (.tq1_0, .q4_0),
    ])
    func rowsThatBlocksDoNotDivide(type: QuantizationType, fallback: StoredType) throws {
        let (folder, path) = try model(layers: 12, columns: 96)
        defer { withExtendedLifetime(folder) {} }
        let chosen = try types(path, type)
        #expect(layers(chosen, "ffn_up", with: fallback).count == 12)
        #expect(chosen["token_embd.weight"] == .q8_0)
        let (other, odd) = try model(layers: 1, columns: 20)
        defer { withExtendedLifetime(other) {} }
        #expect(try types(odd, type)["blk.0.ffn_up.weight"] == .float16)
    }

    @Test func metadataIsTakenOver() throws {
        let (folder, path) = try model(layers: 1)
        let output = folder.file("out.gguf")
        var notices: [Int] = []
        try ModelQuantizer(QuantizationInput(gguf: path), type: .q4_k_m).write(to: output) { notices.append($0.index) }
        let file = try GGUFFile(path: output)
        #expect(
            file.metadata.keys == [
                "general.architecture", "llama.block_count", "llama.attention.head_count",
                "llama.attention.head_count_kv",
                "custom.flag", "general.quantization_version", "general.file_type",
            ])
        #expect(try file.metadata.optionalInteger("general.file_type", in: 0...100) == 15)
        #expect(try file.metadata.optionalBool("custom.flag") == true)
        #expect(Set(notices) == Set(0..<file.tensors.count) && notices == notices.sorted())
        // Once more in the same format: nothing to convert.
        try ModelQuantizer(QuantizationInput(gguf: output), type: .q4_k_m).write(to: folder.file("again.gguf"))
        let again = try Data(contentsOf: URL(fileURLWithPath: folder.file("again.gguf")))
        #expect(again == (try Data(contentsOf: URL(fileURLWithPath: output))))
    }

    @Test func quantisedInputIsRefusedUnlessAllowed() throws {
        let (folder, path) = try model(layers: 1)
        let (once, twice) = (folder.file("q8.gguf"), folder.file("q4.gguf"))
        try ModelQuantizer(QuantizationInput(gguf: path), type: .q8_0).write(to: once)
        #expect(
            throws: QuantizationError.alreadyQuantized(path: once, tensor: "token_embd.weight", format: "Q8_0")
        ) { _ = try ModelQuantizer(QuantizationInput(gguf: once), type: .q4_0) }
        try ModelQuantizer(QuantizationInput(gguf: once), type: .q4_0, allowsRequantizing: true).write(to: twice)
        #expect(try GGUFFile(path: twice).tensors.contains { $0.type == .q4_0 })
    }

    @Test func stoppingLeavesNothing() throws {
        let (folder, path) = try model(layers: 2)
        let output = folder.file("out.gguf")
        var calls = 0
        #expect(throws: QuantizationError.interrupted(path: output)) {
            try ModelQuantizer(QuantizationInput(gguf: path), type: .q4_0).write(
                to: output,
                isCancelled: {
                    calls += 1
                    return calls > 5
                })
        }
        #expect(throws: QuantizationError.outputIsInput(path: path)) {
            try ModelQuantizer(QuantizationInput(gguf: path), type: .q4_0).write(to: path)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["m.gguf"])
    }

    /// Files that are not what they say end in an error or in a file, never in a trap.
    @Test func damagedFilesEndInErrors() throws {
        let (folder, path) = try model(layers: 1, columns: 32)
        let original = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        var random = SplitMix64(seed: 5)
        var written = 0
        for round in 0..<1500 {
            var header = random.mutate(Array(original.prefix(1400)))
            if header.count > 1400 { header.removeLast(header.count - 1400) }
            let padding = [UInt8](repeating: 0, count: 1400 - header.count)
            try folder.write(header + padding + original.dropFirst(1400), to: "damaged.gguf")
            let type = QuantizationType.allCases[round % QuantizationType.allCases.count]
            do {
                let input = try QuantizationInput(gguf: folder.file("damaged.gguf"))
                try ModelQuantizer(input, type: type, allowsRequantizing: true).write(to: "/dev/null")
                written += 1
            } catch is LoadError {
            } catch is QuantizationError {}
        }
        #expect(written > 10, "\(written)")
    }

    /// The reference files were written by llama.cpp's quantiser from the same FP32 file.
    @Test func errorsAreNotOverThoseOfTheReferenceFiles() throws {
        guard let folder = ReferenceMaterial.locate("reference/gguf", for: "errors of llama.cpp's quantiser") else {
            return
        }
        let source = try GGUFModel(path: folder.appendingPathComponent("tiny-f32.gguf").path)
        var ratios: [StoredType: Double] = [:]
        for type in QuantizationType.allCases where type.base.blockSize > 1 {
            let path = folder.appendingPathComponent("tiny-\(type.rawValue).gguf").path
            guard FileManager.default.fileExists(atPath: path) else { continue }
            for theirs in try GGUFModel(path: path).tensors where theirs.type.blockSize > 1 {
                let original = try #require(source.tensors.first { $0.name == theirs.name })
                let ratio = try error(ours(original, theirs.type), original) / error(theirs, original)
                #expect(ratio <= 1.02, "\(theirs.name) as \(theirs.type.rawValue): \(ratio)")
                ratios[theirs.type] = max(ratios[theirs.type] ?? 0, ratio)
            }
        }
        #expect(ratios.count == 12)
        for (type, ratio) in ratios.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            print("\(type.rawValue): the largest error of a tensor is \(ratio) of that of llama.cpp's quantiser")
        }
    }

    private func ours(_ tensor: StoredTensor, _ type: StoredType) throws -> StoredTensor {
        var bytes: [UInt8] = []
        try QuantizationEncoder(
            QuantizationTensor(name: tensor.name, shape: tensor.shape, source: .rows(tensor)), as: type
        ).encode { part, _ in bytes += part }
        return StoredTensor(name: tensor.name, type: type, shape: tensor.shape, bytes: hostBytes(bytes), path: "ours")
    }

    /// The root of the sum of squared differences.
    private func error(_ tensor: StoredTensor, _ original: StoredTensor) throws -> Double {
        let loader = WeightLoader(Checkpoint(path: "test", tensors: []))
        return zip(try loader.floats(tensor), try loader.floats(original))
            .reduce(0.0) { $0 + pow(Double($1.0 - $1.1), 2) }.squareRoot()
    }
}
