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

    /// A model whose tokenizer has tokens for two languages, in place of tokens that the texts do not use.
    private static func folder(_ name: String, languages: [String]) throws -> URL {
        let folder = try folder(name)
        let path = folder.appendingPathComponent("tokenizer.json")
        var text = try String(contentsOf: path, encoding: .utf8)
        for (old, new) in zip(["<mask>", "<unk>"], languages) {
            text = text.replacing("\"\(old)\"", with: "\"\(new)\"")
        }
        try Data(text.utf8).write(to: path)
        try Data(#"{"eos_token": "</s>"}"#.utf8).write(to: folder.appendingPathComponent("tokenizer_config.json"))
        return folder
    }

    @Test(
        "Languages of a request: what translate --from --to writes, whole, streamed and as a chat",
        arguments: [("bart", ["eng_Latn", "deu_Latn"]), ("t5", ["<2eng_Latn>", "<2deu_Latn>"])])
    func languages(name: String, tokens: [String]) async throws {
        let folder = try TargetTests.folder(name, languages: tokens)
        defer { try? FileManager.default.removeItem(at: folder) }
        func translate(_ from: String?, _ to: String?) throws -> [Int] {
            var search = SearchOptions()
            (search.beamCount, search.maximumNewTokens) = (1, 12)
            let options = TaskOptions(engine: EngineOptions(precision: .highest))
            let translator = try Translator(
                ModelPackage(path: folder.path), on: CPUBackend(threadCount: 1), search: search, from: from, to: to,
                options: options)
            return try translator.run(["the king speaks"])[0][0].tokens
        }
        let pairs: [(String?, String?)] = [
            (nil, nil), ("eng_Latn", "deu_Latn"), ("deu_Latn", "eng_Latn"), (nil, "deu_Latn"), ("deu_Latn", nil),
        ]
        let expected = try pairs.map(translate)
        #expect(Set(expected).count > 2)
        try await TestServer.with(folder: folder.path) { server in
            for ((from, to), wanted) in zip(pairs, expected) {
                for names in [("src_lang", "tgt_lang"), ("source_lang", "target_lang")] {
                    var fields = #""temperature":0,"max_tokens":12,"return_token_ids":true"#
                    if let from { fields += ",\"\(names.0)\":\"\(from)\"" }
                    if let to { fields += ",\"\(names.1)\":\"\(to)\"" }
                    let whole = try await server.post(
                        "/v1/completions", "{\"prompt\":\"the king speaks\",\(fields)}"
                    ).json()
                    let found = whole["choices"]?.array?.first?["token_ids"]?.array?.compactMap(\.int) ?? []
                    #expect(Array(found.prefix(wanted.count)) == wanted, "\(name) \(from ?? "-") \(to ?? "-")")
                    let chat = try await server.post(
                        "/v1/chat/completions",
                        "{\"messages\":[{\"role\":\"user\",\"content\":\"the king speaks\"}],\(fields)}"
                    ).json()
                    let said = chat["choices"]?.array?.first?["token_ids"]?.array?.compactMap(\.int) ?? []
                    #expect(said == found)
                }
            }
            for (fields, culprit) in [
                (#""prompt":"a","src_lang":"xx_Yyyy""#, "src_lang"), (#""prompt":"a","tgt_lang":"king""#, "tgt_lang"),
                (#""prompt":"a","target_lang":"xx""#, "target_lang"), (#""prompt":"a","src_lang":5"#, "src_lang"),
                (#""prompt":[5,6,7],"src_lang":"eng_Latn""#, "prompt"),
                (#""prompt":[[5,6,7]],"src_lang":"eng_Latn""#, "prompt[0]"),
            ] {
                let answer = try await server.post("/v1/completions", "{\(fields)}")
                #expect(answer.status == 400, "\(fields)")
                #expect(try answer.json()["error"]?["param"]?.string == culprit, "\(fields): \(answer.text)")
            }
            for (path, body) in [
                ("/completion", #"{"prompt":[5,"a"],"src_lang":"eng_Latn"}"#),
                ("/v1/responses", #"{"input":"a","tgt_lang":"xx"}"#),
                (
                    "/v1/messages",
                    #"{"model":"bard","max_tokens":4,"src_lang":"xx","messages":[{"role":"user","content":"a"}]}"#
                ),
            ] {
                let answer = try await server.post(path, body)
                #expect(answer.status == 400, "\(path): \(answer.text)")
            }
        }
    }

    @Test("A model that continues its prompt knows no languages")
    func decodersKnowNoLanguages() async throws {
        try await TestServer.with { server in
            for path in ["/v1/completions", "/completion"] {
                let answer = try await server.post(path, #"{"prompt":"a","tgt_lang":"deu_Latn"}"#)
                #expect(answer.status == 400)
                #expect(try answer.json()["error"]?["param"]?.string == "tgt_lang")
            }
        }
    }
}
