import CPUBackend
import Foundation
import Inference
import JSONCore
import TestSupport
import Testing

/// The code of the DocC articles, between `// Article:` and `// End`, as it stands there: it compiles, it runs, and the
/// articles show the same.
@Suite struct DocumentationTests {
    private static let bard = ReferenceMaterial.packageRoot.appendingPathComponent("Sources/BundledModel/bard").path
    private static let articles = ReferenceMaterial.packageRoot.appendingPathComponent(
        "Sources/Inference/Inference.docc")
    private static let scripted = ReferenceMaterial.fixtures.appendingPathComponent("scripted").path

    @Test func generatingText() async throws {
        let path = DocumentationTests.bard
        // Article: GeneratingText
        let package = try ModelPackage(path: path)
        let engine = try await Engine(package, on: CPUBackend())
        for try await update in try engine.generate("To be, or not", maxTokens: 20) {
            print(update.text, terminator: "")
        }
        // End
        // Article: GeneratingText
        var request = GenerationRequest(promptTokens: try package.promptTokens(for: "To be, or not"), maxTokens: 20)
        request.sampling = SamplingParameters(temperature: 0.8, topP: 0.95, seed: 7)
        request.stopStrings = ["\n\n"]
        request.logProbabilities = 3
        var text = ""
        for try await update in try engine.generate(request) {
            text += update.text
            if let result = update.result { print(result.finishReason, result.tokenCount) }
        }
        // End
        #expect(!text.isEmpty)
    }

    @Test func chatSessions() async throws {
        let engine = try await Engine(ModelPackage(path: DocumentationTests.scripted), on: CPUBackend(threadCount: 1))
        // Article: ChatSessions
        let session = try ChatSession(engine: engine, system: "Answer in one sentence.", maxTokens: 40)
        var text = ""
        for try await update in try await session.send("How is the weather?") { text += update.text }
        if let updates = try await session.regenerate() {
            for try await _ in updates {}
        }
        print(await session.messages.map(\.role))
        // End
        #expect(await session.messages.count == 3)
        // Article: ChatSessions
        let template = try engine.package.promptTemplate()
        var parser = AnswerParser(template.answerFormat(prompt: "", tools: [OfferedTool(name: "weather")]))
        for part in parser.push(text) + parser.finish() {
            switch part {
            case .reasoning(let thought): print("thinks:", thought)
            case .text(let answer): print("says:", answer)
            case .call(let call): print("calls:", call.name, call.arguments)
            }
        }
        // End
    }

    @Test func batchesAndCancellation() async throws {
        let engine = try await Engine(ModelPackage.bundled(), on: CPUBackend(threadCount: 1))
        let prompts = ["ROMEO:", "JULIET:", "To be, or not"]
        // Article: BatchesAndCancellation
        let answers = try await withThrowingTaskGroup(of: (Int, String).self) { group in
            for (index, prompt) in prompts.enumerated() {
                group.addTask {
                    var text = ""
                    for try await update in try engine.generate(prompt, maxTokens: 16) { text += update.text }
                    return (index, text)
                }
            }
            var texts = [String](repeating: "", count: prompts.count)
            for try await (index, text) in group { texts[index] = text }
            return texts
        }
        // End
        #expect(answers[2].hasPrefix("hing,\nAnd I"))
        // Article: BatchesAndCancellation
        var request = GenerationRequest(promptTokens: try engine.package.promptTokens(for: prompts[0]), maxTokens: 16)
        request.sampling = SamplingParameters(temperature: 1, seed: 1)
        request.count = 4
        var samples = [String](repeating: "", count: request.count)
        for try await update in try engine.generate(request) { samples[update.sample] += update.text }
        // End
        #expect(Set(samples).count > 1)
        // Article: BatchesAndCancellation
        for try await update in try engine.generate(prompts[0]) where !update.text.isEmpty {
            print(update.text)
            break
        }
        await engine.shutdown()
        // End
        #expect(engine.status.usedBlockCount == 0)
    }

    @Test func answersWithAForm() async throws {
        let engine = try await Engine(ModelPackage.bundled(), on: CPUBackend(threadCount: 1))
        // Article: AnswersWithAForm
        let schema = """
            {"type": "object", "properties": {"mood": {"enum": ["glad", "sad"]}, "age": {"type": "integer", "minimum": 1,
            "maximum": 99}}, "required": ["mood", "age"], "additionalProperties": false}
            """
        var request = GenerationRequest(promptTokens: try engine.package.promptTokens(for: "ROMEO:"), maxTokens: 80)
        request.constraint = .jsonSchema(schema)
        var text = ""
        for try await update in try engine.generate(request) { text += update.text }
        // End
        let root = try JSONDocument(parsing: text).root
        #expect(["glad", "sad"].contains(root["mood"]?.string ?? ""))
        #expect((1...99).contains(root["age"]?.int ?? 0))
    }

    @Test func theArticlesShowThisCode() throws {
        let source = try String(contentsOfFile: #filePath, encoding: .utf8)
        var compiled: [String: [String]] = [:]
        for part in source.components(separatedBy: "        // Article: ").dropFirst() {
            guard let end = part.range(of: "        // End\n"), let line = part.firstIndex(of: "\n") else { continue }
            let code = part[part.index(after: line)..<end.lowerBound].split(separator: "\n").map { $0.dropFirst(8) }
            compiled[String(part[..<line]), default: []].append(code.joined(separator: "\n"))
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: DocumentationTests.articles.path)
        for name in names where name.hasSuffix(".md") {
            let text = try String(
                contentsOf: DocumentationTests.articles.appendingPathComponent(name), encoding: .utf8)
            let blocks = text.components(separatedBy: "```swift\n").dropFirst().map {
                ($0.components(separatedBy: "\n```").first ?? "").split(separator: "\n").joined(separator: "\n")
            }
            #expect(Array(blocks) == compiled[String(name.dropLast(3)), default: []], "\(name)")
        }
        #expect(compiled.count == 4 && names.count == 5)
    }
}
