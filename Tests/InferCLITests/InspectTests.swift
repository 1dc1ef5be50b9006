import Foundation
import TestSupport
import Testing

@Suite struct InspectTests {
    private static func json(_ arguments: String...) throws -> [String: Any] {
        let result = try CommandLineTool.run(["inspect", "--json"] + arguments)
        #expect(result.exitCode == 0, "\(result.errors)")
        let object = try JSONSerialization.jsonObject(with: Data(result.outputBytes)) as? [String: Any]
        return try #require(object)
    }

    private static func fixture(_ name: String) -> String {
        ReferenceMaterial.fixtures.appendingPathComponent("models/\(name)").path
    }

    @Test func sizesComeFromTheFiles() throws {
        let model = try Self.json(Self.fixture("llama"), "--ctx", "100", "--tensors")
        #expect(model["model_type"] as? String == "llama")
        #expect(model["key_value_heads"] as? Int == 2 && model["head_size"] as? Int == 16)
        #expect(model["weight_bytes"] as? Int == 492_800 && model["parameters"] as? Int == 123_200)
        #expect((model["tensors"] as? [Any])?.count == 21)
        let memory = try #require(model["memory"] as? [String: Int])
        // Keys and values of 2 layers, 2 heads of 16, 100 tokens in blocks of 16, 4 bytes each.
        #expect(memory["kv_cache_bytes"] == 2 * 2 * 2 * 16 * 112 * 4 && memory["kv_cache_tokens"] == 112)
    }

    @Test func theCacheFollowsItsNumberFormat() throws {
        // Two bytes an element; or one, and a scale of four bytes a head of 16, each part beginning aligned.
        for (format, byteCount) in [("bfloat16", 2 * 2 * 2 * 32 * 112), ("int8", 2 * 2 * (2 * 16 * 112 + 1024))] {
            let model = try Self.json(Self.fixture("llama"), "--ctx", "100", "--kv-dtype", format)
            let memory = try #require(model["memory"] as? [String: Int])
            #expect(memory["kv_cache_bytes"] == byteCount)
        }
    }

    @Test("a cache is FP16 where the weights are not FP32", arguments: [("llama3-rope", 2), ("qwen3", 2), ("gpt2", 4)])
    func theCacheFollowsTheWeights(name: String, elementByteCount: Int) throws {
        let path = Self.fixture(name)
        func byteCount(_ options: String...) throws -> Int {
            let result = try CommandLineTool.run(["inspect", "--json", path, "--ctx", "64"] + options)
            let object = try JSONSerialization.jsonObject(with: Data(result.outputBytes)) as? [String: Any]
            return try #require((object?["memory"] as? [String: Int])?["kv_cache_bytes"])
        }
        #expect(try 4 * byteCount() == elementByteCount * byteCount("--kv-dtype", "float32"))
    }

    @Test func shardsAreOneModel() throws {
        let model = try Self.json(Self.fixture("qwen2"))
        #expect(model["runnable"] as? Bool == true)
        #expect(model["tensor_count"] as? Int ?? 0 > 20)
    }

    @Test func saysWhatRunsAndHow() throws {
        let decoder = try Self.json(Self.fixture("llama"))
        #expect((decoder["command"] as? String)?.hasPrefix("infer generate --model ") == true)
        let windows = try Self.json(Self.fixture("gemma2"))["sliding_windows"] as? [[String: Int]]
        #expect(windows?.count == 1 && windows?.first?["layers"] == 1, "\(windows ?? [])")
        let folder = try ModelFolder()
        defer { folder.remove() }
        try folder.editJSON("config.json") { $0["model_type"] = "mamba" }
        let unknown = try Self.json(folder.path)
        #expect(unknown["runnable"] as? Bool == false && unknown["command"] == nil)
        #expect((unknown["reason"] as? String)?.contains("mamba") == true)
    }

    @Test func theBundledModelIsTheDefault() throws {
        let model = try Self.json()
        #expect(model["parameters"] as? Int == 2_964_480)
        let text = try CommandLineTool.run(["inspect"])
        #expect(text.output.contains("gpt2") && text.output.contains("BF16"))
    }
}
