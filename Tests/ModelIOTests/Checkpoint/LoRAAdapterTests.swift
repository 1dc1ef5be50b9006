import Foundation
import ModelIO
import TensorCore
import Testing

/// Adapters merged into weights, against the formula written out in FP64.
struct LoRAAdapterTests {
    private let rows = 3, columns = 4, rank = 2
    private let weight: [Float] = (0..<12).map { Float($0 % 5) - 1.5 }
    private let down: [Float] = (0..<8).map { Float($0 % 3) * 0.5 - 0.25 }
    private let up: [Float] = (0..<6).map { Float($0 % 4) * 0.25 - 0.5 }

    /// Merges an adapter of one matrix and returns that matrix.
    private func merge(
        _ keys: String, isTransposed: Bool = false, magnitude: [Float]? = nil, scale: Double = 1,
        module: String = "layer.q_proj"
    ) throws -> [Float] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var base = SafetensorsWriter()
        base.add("layer.q_proj.weight", weight, shape: isTransposed ? [columns, rows] : [rows, columns])
        try base.write(to: folder.appendingPathComponent("base.safetensors").path)
        var adapter = SafetensorsWriter()
        let prefix = "base_model.model.\(module)."
        adapter.add(prefix + "lora_A.weight", down, shape: [rank, columns])
        adapter.add(prefix + "lora_B.weight", up, shape: [rows, rank])
        if let magnitude { adapter.add(prefix + "lora_magnitude_vector", magnitude, shape: [rows]) }
        try adapter.write(to: folder.appendingPathComponent("adapter_model.safetensors").path)
        try Data("{\"peft_type\": \"LORA\", \"lora_alpha\": 8, \(keys)}".utf8)
            .write(to: folder.appendingPathComponent("adapter_config.json"))
        let checkpoint = try Checkpoint(safetensors: folder.appendingPathComponent("base.safetensors").path)
        let merged = try LoRAAdapter(path: folder.path).merged(into: checkpoint, scale: scale)
        return try WeightLoader(merged).floats(try #require(merged["layer.q_proj.weight"]))
    }

    /// `W + factor · B · A`, or the same of the transposed.
    private func expected(_ factor: Double, isTransposed: Bool = false, magnitude: [Float]? = nil) -> [Float] {
        var result = [Float](repeating: 0, count: rows * columns)
        for row in 0..<rows {
            let values = (0..<columns).map { column in
                let product = (0..<rank).reduce(0.0) {
                    $0 + Double(up[row * rank + $1]) * Double(down[$1 * columns + column])
                }
                return Double(weight[isTransposed ? column * rows + row : row * columns + column]) + factor * product
            }
            let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            for column in 0..<columns {
                let value = magnitude.map { values[column] * Double($0[row]) / length } ?? values[column]
                result[isTransposed ? column * rows + row : row * columns + column] = Float(value)
            }
        }
        return result
    }

    private func expectEqual(_ a: [Float], _ b: [Float]) {
        for (a, b) in zip(a, b) { #expect(abs(a - b) < 1e-5) }
        #expect(a.count == b.count)
    }

    @Test func theProductIsScaledByAlphaAndRank() throws {
        expectEqual(try merge("\"r\": 2"), expected(4))
        expectEqual(try merge("\"r\": 2", scale: 0.5), expected(2))
        expectEqual(try merge("\"r\": 2, \"use_rslora\": true"), expected(8 / 2.0.squareRoot()))
    }

    @Test func patternsChangeAlpha() throws {
        expectEqual(try merge("\"alpha_pattern\": {\"q_proj\": 2}"), expected(1))
        expectEqual(try merge("\"alpha_pattern\": {\"k_proj\": 2}"), expected(4))
        expectEqual(try merge("\"alpha_pattern\": {\"layer\\\\.[qk]_proj\": 6}"), expected(3))
    }

    @Test func ranksAreThoseOfTheMatrices() throws {
        expectEqual(try merge("\"r\": 7, \"rank_pattern\": {\"[qk]_proj\": 2}"), expected(4))
        for (keys, words) in [
            ("\"r\": 4", "'r': expected 2, the rank of the matrices"), ("\"r\": \"2\"", "'r'"), ("\"r\": 0", "'r'"),
            ("\"r\": 2, \"rank_pattern\": {\"q_proj\": 5}", "'rank_pattern.q_proj': expected 2"),
            ("\"rank_pattern\": {\"q_(\": 5}", "'rank_pattern': expected regular expressions, found q_("),
        ] {
            let error = #expect(throws: LoadError.self) { try merge(keys) }
            #expect(error?.description.contains(words) == true, "\(error.map { "\($0)" } ?? "")")
        }
    }

    @Test func transposedMatricesAreAdaptedAsStored() throws {
        expectEqual(try merge("\"fan_in_fan_out\": true", isTransposed: true), expected(4, isTransposed: true))
    }

    @Test func rowsHaveTheLengthThatDoRALearned() throws {
        let magnitude: [Float] = [1, 2, 0.5]
        expectEqual(try merge("\"use_dora\": true", magnitude: magnitude), expected(4, magnitude: magnitude))
    }

    @Test func adaptersOfOtherModelsAreRefused() throws {
        let error = #expect(throws: LoadError.self) { try merge("\"r\": 2", module: "other.q_proj") }
        #expect(error?.description.contains("other.q_proj") == true)
        #expect(throws: LoadError.self) { try merge("\"r\": 2", isTransposed: true) }
        #expect(throws: LoadError.self) { try merge("\"use_qalora\": true") }
    }

    // MARK: Whole layers, and heads that are embeddings

    /// Merges tensors into tensors, all of `[3, 4]` or, with a name of `lora_A` or `lora_B`, as those are.
    private func merge(
        _ tensors: [String: [Float]], into base: [String: [Float]], _ keys: String = "\"r\": 2"
    ) throws -> [String: [Float]] {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (file, values) in [("base", base), ("adapter_model", tensors)] {
            var writer = SafetensorsWriter()
            for (name, values) in values {
                let shape: Shape =
                    name.contains("embedding_A")
                    ? [rank, rows]
                    : name.contains("embedding_B")
                        ? [columns, rank]
                        : name.contains("trainable_tokens") ? [values.count / columns, columns] : [rows, columns]
                writer.add(name, values, shape: shape)
            }
            try writer.write(to: folder.appendingPathComponent("\(file).safetensors").path)
        }
        try Data("{\"peft_type\": \"LORA\", \"lora_alpha\": 8, \(keys)}".utf8)
            .write(to: folder.appendingPathComponent("adapter_config.json"))
        let checkpoint = try Checkpoint(safetensors: folder.appendingPathComponent("base.safetensors").path)
        let merged = try LoRAAdapter(path: folder.path).merged(into: checkpoint, scale: 1)
        return try merged.tensors.mapValues { try WeightLoader(merged).floats($0) }
    }

    @Test(arguments: ["", "modules_to_save.", "modules_to_save.default.", "base_layer."]) func wholeLayersAreReplaced(
        wrapper: String
    ) throws {
        let new = weight.map { $0 * 3 }
        let tensors = [
            "base_model.model.layer.out.\(wrapper)weight": new,
            "base_model.model.layer.out.original_module.weight": weight,
        ]
        let merged = try merge(tensors, into: ["layer.out.weight": weight])
        #expect(merged == ["layer.out.weight": new])
    }

    @Test(arguments: [
        ("model.embed_tokens", "lm_head"), ("model.decoder.embed_tokens", "lm_head"), ("transformer.wte", "lm_head"),
        ("transformer.word_embeddings", "lm_head"), ("gpt_neox.embed_in", "embed_out"),
    ])
    func aHeadThatIsTheEmbeddingIsChangedAlone(embedding: String, head: String) throws {
        let new = weight.map { $0 + 1 }
        let base = ["\(embedding).weight": weight]
        for (changed, other) in [(embedding, head), (head, embedding)] {
            let tensors = ["base_model.model.\(changed).modules_to_save.weight": new]
            #expect(try merge(tensors, into: base) == ["\(changed).weight": new, "\(other).weight": weight])
        }
        let tied = try merge(
            ["base_model.model.\(embedding).weight": new], into: base, "\"ensure_weight_tying\": true")
        #expect(tied == ["\(embedding).weight": new])
        // What changes neither leaves them one.
        let without = try merge(
            ["base_model.model.layer.out.weight": new], into: base.merging(["layer.out.weight": weight]) { $1 })
        #expect(without["\(head).weight"] == nil)
    }

    /// Of these models what peft makes of `ensure_weight_tying` is not known here.
    @Test(arguments: ["transformer.wte", "shared", "bert.embeddings.word_embeddings"])
    func aLowRankChangeOfATiedEmbeddingIsRefused(embedding: String) throws {
        let prefix = "base_model.model.\(embedding)."
        let tensors = [
            prefix + "lora_embedding_A": [Float](repeating: 0.5, count: rank * rows),
            prefix + "lora_embedding_B": [Float](repeating: 0.25, count: columns * rank),
        ]
        let base = ["\(embedding).weight": weight]
        #expect(throws: LoadError.self) { try merge(tensors, into: base, "\"ensure_weight_tying\": true") }
        #expect(try merge(tensors, into: base)["\(embedding).weight"] != weight)
    }

    @Test func anEmbeddingStoredBesideItsAdapterIsAdapted() throws {
        let prefix = "base_model.model.model.embed_tokens."
        let tensors = [
            prefix + "lora_embedding_A": [Float](repeating: 0.5, count: rank * rows),
            prefix + "lora_embedding_B": [Float](repeating: 0.25, count: columns * rank),
            prefix + "base_layer.weight": weight,
        ]
        let merged = try merge(tensors, into: ["model.embed_tokens.weight": weight])
        // 8 / 2 · (2 · 0.5 · 0.25) more in each element; the head is as it was.
        expectEqual(merged["model.embed_tokens.weight"] ?? [], weight.map { $0 + 1 })
        #expect(merged["lm_head.weight"] == weight)
    }

    // MARK: Rows of tokens, and embeddings of both sides

    @Test func rowsOfTokensTakeTheirPlacesInAllThatIsTied() throws {
        let new: [Float] = [10, 11, 12, 13, 20, 21, 22, 23]
        let changed = Array(new[4..<8]) + weight[4..<8] + new[..<4]
        func merged(_ module: String, _ indices: String, _ base: [String: [Float]]) throws -> [String: [Float]] {
            try merge(
                ["base_model.model.\(module).token_adapter.trainable_tokens_delta": new], into: base,
                "\"trainable_token_indices\": \(indices)")
        }
        let alone = ["model.embed_tokens.weight": weight]
        for indices in ["[2, 0]", "{\"embed_tokens\": [2, 0]}"] {
            #expect(try merged("model.embed_tokens", indices, alone) == ["model.embed_tokens.weight": changed])
        }
        // A head that is the embedding over again in the file follows; another one does not.
        let copied = try merged("model.embed_tokens", "[2, 0]", alone.merging(["lm_head.weight": weight]) { $1 })
        #expect(copied["lm_head.weight"] == changed)
        let other = weight.map { $0 + 1 }
        let own = try merged("model.embed_tokens", "[2, 0]", alone.merging(["lm_head.weight": other]) { $1 })
        #expect(own["lm_head.weight"] == other && own["model.embed_tokens.weight"] == changed)
        // Rows of the head alone leave the embedding as it was.
        let head = try merged("lm_head", "{\"lm_head\": [2, 0]}", alone)
        #expect(head == ["model.embed_tokens.weight": weight, "lm_head.weight": changed])
        for indices in ["[2]", "[2, 3]", "[2, -1]", "\"all\"", "{\"other\": [2, 0]}"] {
            #expect(throws: LoadError.self) { _ = try merged("model.embed_tokens", indices, alone) }
        }
    }

    @Test(arguments: ["", "model."]) func sidesAndHeadAreChangedApartFromWhatTheyShare(prefix: String) throws {
        let new = weight.map { $0 * 2 }
        let base = ["\(prefix)shared.weight": weight]
        let names = ["\(prefix)encoder.embed_tokens.weight", "\(prefix)decoder.embed_tokens.weight", "lm_head.weight"]
        for changed in names + ["\(prefix)shared.weight"] {
            let merged = try merge(["base_model.model.\(changed)": new], into: base)
            for name in names + ["\(prefix)shared.weight"] {
                #expect(merged[name] == (name == changed ? new : weight), "\(name) where \(changed) is changed")
            }
        }
    }

    @Test func aLayerThatIsReplacedBringsWhatItIsTiedTo() throws {
        let new = weight.map { $0 + 5 }
        let prefix = "base_model.model.lm_head."
        let merged = try merge(
            [prefix + "bias": new, prefix + "decoder.bias": new], into: ["lm_head.bias": weight])
        #expect(merged == ["lm_head.bias": new, "lm_head.decoder.bias": new])
        #expect(throws: LoadError.self) {
            _ = try merge(["base_model.model.other.decoder.bias": new], into: ["lm_head.bias": weight])
        }
    }

    @Test func embeddingsAreTransposedHoweverMatricesLie() throws {
        let prefix = "base_model.model.transformer.wte."
        let tensors = [
            prefix + "lora_embedding_A": [Float](repeating: 0.5, count: rank * rows),
            prefix + "lora_embedding_B": [Float](repeating: 0.25, count: columns * rank),
        ]
        let merged = try merge(
            tensors, into: ["transformer.wte.weight": weight], "\"r\": 2, \"fan_in_fan_out\": true")
        expectEqual(merged["transformer.wte.weight"] ?? [], weight.map { $0 + 1 })
    }
}
