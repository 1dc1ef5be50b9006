import CPUBackend
import Foundation
import Inference
import JSONCore
import Serving
import TestSupport
import Testing

/// Encoder-decoders behind the endpoints that write text.
struct TargetTests {
    private static func folder(_ name: String) throws -> URL {
        let files = FileManager.default
        let folder = files.temporaryDirectory.appendingPathComponent("infer-target-\(name)-\(UUID().uuidString)")
        try files.copyItem(at: ReferenceMaterial.fixtures.appendingPathComponent("tasks/\(name)"), to: folder)
        try files.copyItem(
            at: ReferenceMaterial.fixtures.appendingPathComponent("tokenizers/unigram/tokenizer.json"),
            to: folder.appendingPathComponent("tokenizer.json"))
        return folder
    }

    private static func translations(_ folder: URL, _ texts: [String]) throws -> [String] {
        var search = SearchOptions()
        search.beamCount = 1
        search.maximumNewTokens = 12
        let options = TaskOptions(engine: EngineOptions(precision: .highest))
        return try Translator(
            ModelPackage(path: folder.path), on: CPUBackend(threadCount: 1), search: search, options: options
        ).run(texts).map { $0.first?.text ?? "" }
    }

    @Test("Several clients at once get what translate gives each, whole and streamed; a chat's messages are the source")
    func clients() async throws {
        let texts = ["the king speaks", "a dog", "What say you, my lord?", "one two three four five"]
        for name in ["t5", "bart", "marian"] {
            let folder = try TargetTests.folder(name)
            defer { try? FileManager.default.removeItem(at: folder) }
            let expected = try TargetTests.translations(folder, texts)
            try await TestServer.with(folder: folder.path) { server in
                try await withThrowingTaskGroup(of: (Int, String).self) { group in
                    for (index, text) in texts.enumerated() {
                        group.addTask {
                            let body = "{\"prompt\":\(JSON.string(text).text),\"temperature\":0,\"max_tokens\":12"
                            let whole = try await server.post("/v1/completions", body + "}").json()
                            return (index, whole["choices"]?.array?.first?["text"]?.string ?? "")
                        }
                        group.addTask {
                            let body = "{\"prompt\":\(JSON.string(text).text),\"temperature\":0,\"max_tokens\":12"
                            let answer = try await server.post("/v1/completions", body + ",\"stream\":true}")
                            let parts = try answer.events.dropLast().map {
                                try JSONDocument(parsing: $0).root["choices"]?.array?.first?["text"]?.string ?? ""
                            }
                            return (index, parts.joined())
                        }
                        group.addTask {
                            let messages = "[{\"role\":\"user\",\"content\":\(JSON.string(text).text)}]"
                            let answer = try await server.post(
                                "/v1/chat/completions", "{\"messages\":\(messages),\"temperature\":0,\"max_tokens\":12}"
                            ).json()
                            return (
                                index, answer["choices"]?.array?.first?["message"]?["content"]?.string ?? "?"
                            )
                        }
                    }
                    for try await (index, text) in group { #expect(text == expected[index], "\(name) \(index)") }
                }
                let usage = try await server.post(
                    "/v1/completions", #"{"prompt":"the king speaks","max_tokens":1}"#
                ).json()["usage"]
                #expect((usage?["prompt_tokens"]?.int ?? 0) > 3)
                #expect(usage?["completion_tokens"]?.int == 1)
            }
        }
    }

    @Test("Log-probabilities of what is written, not of what is read; drawn texts of a seed; a form")
    func options() async throws {
        let folder = try TargetTests.folder("t5")
        defer { try? FileManager.default.removeItem(at: folder) }
        try await TestServer.with(folder: folder.path) { server in
            let scored = try await server.post(
                "/v1/completions", #"{"prompt":"a dog","max_tokens":4,"temperature":0,"logprobs":2,"ignore_eos":true}"#
            ).json()
            let values = scored["choices"]?.array?.first?["logprobs"]?["token_logprobs"]?.array?.compactMap(\.double)
            #expect(values?.count == 4)
            #expect(values?.allSatisfy { $0 <= 0 } ?? false)
            let refused = try await server.post(
                "/v1/completions", #"{"prompt":"a dog","max_tokens":4,"logprobs":0,"echo":true}"#)
            #expect(refused.status == 400)
            #expect(refused.text.contains("encoder"))
            let drawn = #"{"prompt":"a dog","max_tokens":12,"temperature":1,"seed":5,"n":2,"ignore_eos":true}"#
            let first = try await server.post("/v1/completions", drawn).json()["choices"]?.array.map(Array.init) ?? []
            let again = try await server.post("/v1/completions", drawn).json()["choices"]?.array.map(Array.init) ?? []
            #expect(first.count == 2)
            #expect(first.map { $0["text"]?.string } == again.map { $0["text"]?.string })
            #expect(first[0]["text"]?.string != first[1]["text"]?.string)
            let formed = try await server.post(
                "/v1/completions", #"{"prompt":"a dog","max_tokens":12,"guided_choice":["king","dog"]}"#
            ).json()
            let choice = formed["choices"]?.array?.first?["text"]?.string?.trimmingCharacters(in: .whitespaces)
            #expect(["king", "dog"].contains(choice ?? ""))
        }
    }
}
