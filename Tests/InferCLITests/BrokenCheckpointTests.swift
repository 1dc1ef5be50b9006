import Foundation
import Testing

/// Damaged, hostile and misfitting weights, seen through the command line.
@Suite struct BrokenCheckpointTests {
    private static let query = "model.layers.0.self_attn.q_proj.weight"
    private static let file = "model.safetensors"

    @Test(arguments: frames + headers + tensors) func brokenFilesAreNamed(_ model: BrokenModel) throws {
        try model.expectFailure()
    }

    @Test(arguments: shards) func brokenShardsAreNamed(_ model: BrokenModel) throws {
        try model.expectFailure()
    }

    /// The frame around the tensors: length, header, size.
    private static let frames: [BrokenModel] = [
        BrokenModel("empty file", naming: [file]) { try $0.write(file, bytes: Data()) },
        BrokenModel("seven bytes", naming: [file]) { try $0.write(file, bytes: Data(repeating: 0, count: 7)) },
        BrokenModel("header length only", naming: [file]) {
            try $0.write(file, bytes: $0.bytes(file).prefix(8))
        },
        BrokenModel("truncated in the header", naming: [file]) {
            try $0.write(file, bytes: $0.bytes(file).prefix(100))
        },
        BrokenModel("truncated in the tensors", naming: [file]) {
            try $0.write(file, bytes: $0.bytes(file).dropLast(1000))
        },
        BrokenModel("one byte too many", naming: [file]) {
            try $0.write(file, bytes: $0.bytes(file) + Data([0]))
        },
        BrokenModel("header length past the file", naming: [file, "length"]) {
            let (header, data) = try $0.safetensors()
            try $0.writeSafetensors(header: header, data: data, length: 50_000_000)
        },
        BrokenModel("header length of 2^64 - 1", naming: [file, "length"]) {
            let (header, data) = try $0.safetensors()
            try $0.writeSafetensors(header: header, data: data, length: .max)
        },
        BrokenModel("header length zero", naming: [file]) {
            let (_, data) = try $0.safetensors()
            try $0.writeSafetensors(header: Data(), data: data)
        },
        BrokenModel("header of noise", naming: [file]) {
            let data = try $0.safetensors().data
            try $0.writeSafetensors(header: Data(repeating: 0xA5, count: 64), data: data)
        },
    ]

    /// JSON that is no header of a checkpoint.
    private static let headers: [BrokenModel] = [
        BrokenModel("header is an array", naming: [file]) {
            try $0.writeSafetensors(header: Data("[1, 2]".utf8), data: Data())
        },
        BrokenModel("header is cut off", naming: [file]) {
            let (header, data) = try $0.safetensors()
            try $0.writeSafetensors(header: header.dropLast(1), data: data)
        },
        BrokenModel("header nested 100,000 deep", naming: [file]) {
            let nesting = "{\"a\":" + String(repeating: "[", count: 100_000)
            try $0.writeSafetensors(header: Data(nesting.utf8), data: Data())
        },
        BrokenModel("a tensor twice", naming: [file, "twice"]) {
            let entry = "\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"
            try $0.writeSafetensors(header: Data("{\(entry),\(entry)}".utf8), data: Data(repeating: 0, count: 4))
        },
        BrokenModel("a tensor that is a number", naming: [file, "'x'"]) {
            try $0.writeSafetensors(header: Data("{\"x\":3}".utf8), data: Data())
        },
        BrokenModel("metadata that is a list", naming: [file, "__metadata__"]) {
            try $0.editHeader { $0["__metadata__"] = [1] }
        },
    ]

    /// What the header says of one tensor.
    private static let tensors: [BrokenModel] = [
        BrokenModel("unknown element type", naming: [query, "Q7"]) {
            try $0.editTensor(query) { $0["dtype"] = "Q7" }
        },
        BrokenModel("integer weights", naming: [query]) { try $0.editTensor(query) { $0["dtype"] = "I32" } },
        BrokenModel("type of another size", naming: [query]) { try $0.editTensor(query) { $0["dtype"] = "BF16" } },
        BrokenModel("negative extent", naming: [query]) { try $0.editTensor(query) { $0["shape"] = [-64, 64] } },
        BrokenModel("extents whose product overflows", naming: [query]) {
            try $0.editTensor(query) { $0["shape"] = [1 << 40, 1 << 40] }
        },
        BrokenModel("fractional extent", naming: [query]) { try $0.editTensor(query) { $0["shape"] = [64.5, 64] } },
        BrokenModel("no shape", naming: [query, "shape"]) { try $0.editTensor(query) { $0["shape"] = nil } },
        BrokenModel("no offsets", naming: [query, "data_offsets"]) {
            try $0.editTensor(query) { $0["data_offsets"] = nil }
        },
        BrokenModel("offsets the wrong way round", naming: [query]) {
            try $0.editTensor(query) { $0["data_offsets"] = [336_384, 320_000] }
        },
        BrokenModel("offsets past the file", naming: [query]) {
            try $0.editTensor(query) { $0["data_offsets"] = [1 << 50, 1 << 50 + 16_384] }
        },
        BrokenModel("overlapping tensors", naming: [file]) {
            try $0.editTensor(query) { $0["data_offsets"] = [303_616, 320_000] }
        },
        BrokenModel("a shape that the configuration does not ask for", naming: [query, "[32, 128]"]) {
            try $0.editTensor(query) { $0["shape"] = [32, 128] }
        },
        BrokenModel("one dimension too many", naming: [query, "[64, 64, 1]"]) {
            try $0.editTensor(query) { $0["shape"] = [64, 64, 1] }
        },
        BrokenModel("a missing tensor", naming: [query]) {
            try $0.editHeader { $0["renamed"] = $0.removeValue(forKey: query) }
        },
        BrokenModel("a norm that is a matrix", naming: ["model.norm.weight"]) {
            try $0.editTensor("model.norm.weight") { $0["shape"] = [8, 8] }
        },
    ]

    private static let index = "model.safetensors.index.json"
    private static let shard = "model-00003-of-00008.safetensors"

    /// Checkpoints of several files.
    private static let shards: [BrokenModel] = [
        BrokenModel("a missing shard", fixture: "qwen2", naming: [index, shard]) { try $0.delete(shard) },
        BrokenModel("a shard that is a folder", fixture: "qwen2", naming: [shard]) { try $0.replaceByFolder(shard) },
        BrokenModel("a truncated shard", fixture: "qwen2", naming: [shard]) {
            try $0.write(shard, bytes: $0.bytes(shard).prefix(500))
        },
        BrokenModel("an index without a map", fixture: "qwen2", naming: [index, "weight_map"]) {
            try $0.editJSON(index) { $0["weight_map"] = nil }
        },
        BrokenModel("an index with an empty map", fixture: "qwen2", naming: [index, "weight_map"]) {
            try $0.editJSON(index) { $0["weight_map"] = [String: String]() }
        },
        BrokenModel("an index that leaves its folder", fixture: "qwen2", naming: [index, "../secret.safetensors"]) {
            try $0.editIndex { $0["model.norm.weight"] = "../secret.safetensors" }
        },
        BrokenModel("an index with a number for a file", fixture: "qwen2", naming: [index, "model.norm.weight"]) {
            try $0.editIndex { $0["model.norm.weight"] = 3 }
        },
        BrokenModel("an index that is no JSON", fixture: "qwen2", naming: [index]) { try $0.write(index, "{") },
    ]
}

extension ModelFolder {
    /// Edits the map from tensor to file of a sharded checkpoint.
    func editIndex(_ edit: (inout [String: Any]) -> Void) throws {
        try editJSON("model.safetensors.index.json") { index in
            guard var map = index["weight_map"] as? [String: Any] else { throw FixtureError.missing("weight_map") }
            edit(&map)
            index["weight_map"] = map
        }
    }
}
