import ModelIO
import TestSupport
import Testing

/// Which tokens end a text, as libllama decides it from their spelling.
@Suite struct GGUFEndOfGenerationTests {
    private func metadata(_ tokens: [String], _ more: [(String, GGUFBuilder.Value)] = []) throws -> GGUFModel {
        let folder = try TemporaryFolder()
        let keys: [(String, GGUFBuilder.Value)] =
            [
                ("general.architecture", .string("llama")), ("tokenizer.ggml.model", .string("gpt2")),
                ("tokenizer.ggml.tokens", .strings(tokens)),
            ] + more
        try folder.write(GGUFBuilder(metadata: keys).file, to: "m.gguf")
        return try GGUFModel(path: folder.file("m.gguf"))
    }

    private func ends(_ tokens: [String], _ more: [(String, GGUFBuilder.Value)] = []) throws -> [Int] {
        try metadata(tokens, more).generationConfiguration().eosTokenIDs
    }

    @Test(arguments: [
        "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|eom_id|>", "<|endoftext|>", "<EOT>", "_<EOT>",
        "<|end_of_text|>", "<end_of_utterance>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>",
    ])
    func spellingsEnd(_ spelling: String) throws {
        #expect(try ends(["a", "b", spelling], [("tokenizer.ggml.eos_token_id", .uint32(1))]) == [1, 2])
        #expect(try ends(["a", "b", spelling + "x"], [("tokenizer.ggml.eos_token_id", .uint32(1))]) == [1])
    }

    @Test func keysNameFurtherEnds() throws {
        let more: [(String, GGUFBuilder.Value)] = [
            ("tokenizer.ggml.eos_token_id", .uint32(3)), ("tokenizer.ggml.eot_token_id", .uint32(0)),
            ("tokenizer.ggml.eom_token_id", .uint32(2)),
        ]
        #expect(try ends(["a", "b", "c", "d"], more) == [3, 0, 2])
    }

    /// In the formats of gpt-oss and Solar <|end|> ends a message, not the answer.
    @Test func endOfMessagesIsNone() throws {
        #expect(try ends(["<|end|>", "<|return|>", "<|call|>"]) == [1, 2])
        #expect(try ends(["<|end|>", "<|return|>"]) == [0, 1])
        #expect(try ends(["<|end|>", "<|flush|>", "<|calls|>"]) == [1, 2])
        #expect(try ends(["</s>", "<|tool_response>"]) == [1])
    }

    @Test func rolesOutOfRangeAreLeftAside() throws {
        let model = try metadata(["a", "<|im_end|>"], [("tokenizer.ggml.eos_token_id", .uint32(77))])
        #expect(try model.generationConfiguration().eosTokenIDs == [1])
        var notices: [String] = []
        _ = try GGUFEndOfGeneration(model.metadata, notices: &notices)
        #expect(notices.count == 1 && notices.first?.contains("eos_token_id is 77") == true)
    }
}
