import CPUBackend
import Foundation
import Inference
import TestSupport
import Testing

/// What a conversation keeps. The scripted model says one thing whatever it is asked; the bundled one writes on.
@Suite struct ChatSessionTests {
    private static let thought = "<think>\nI need the weather.\n</think>\n\n"

    private func scripted(system: String? = nil, maxTokens: Int? = nil, stop: [String] = []) async throws -> ChatSession
    {
        let package = try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("scripted").path)
        let engine = try await Engine(package, on: CPUBackend(threadCount: 1))
        return try ChatSession(engine: engine, system: system, maxTokens: maxTokens, stopStrings: stop)
    }

    private func bundled() async throws -> ChatSession {
        let package = try ModelPackage.bundled()
        let engine = try await Engine(package, on: CPUBackend(threadCount: 1))
        return try ChatSession(engine: engine, template: package.conversationTemplate(), maxTokens: 12)
    }

    @discardableResult
    private func read(_ stream: AsyncThrowingStream<GenerationUpdate, any Error>?) async throws -> String {
        var text = ""
        if let stream { for try await update in stream { text += update.text } }
        return text
    }

    @Test func answersJoinTheHistoryWithoutTheirReasoning() async throws {
        let session = try await scripted(system: "Be brief.")
        let text = try await read(try await session.send("How is it?"))
        #expect(text.hasPrefix(ChatSessionTests.thought + "Let me see."))
        let messages = await session.messages
        #expect(messages.map(\.role) == ["system", "user", "assistant"])
        #expect(messages.last?.content == String(text.dropFirst(ChatSessionTests.thought.count)))
    }

    @Test func theHistoryIsPartOfTheNextPrompt() async throws {
        let session = try await bundled()
        var counts: [Int] = []
        for _ in 0..<2 {
            for try await update in try await session.send("And then?") {
                if let result = update.result { counts.append(result.promptTokenCount) }
            }
        }
        #expect(counts.count == 2 && counts[1] > counts[0])
        #expect(await session.messages.map(\.role) == ["user", "assistant", "user", "assistant"])
    }

    @Test func anotherAnswerTakesTheLastOnesPlace() async throws {
        let session = try await bundled()
        #expect(try await session.regenerate() == nil)
        let first = try await read(try await session.send("Who art thou?"))
        let again = try await read(try await session.regenerate())
        #expect(first == again, "greedy answers are the same")
        #expect(await session.messages.map(\.role) == ["user", "assistant"])
    }

    @Test func clearingKeepsTheSystemPrompt() async throws {
        let session = try await scripted(system: "Be brief.")
        try await read(try await session.send("How is it?"))
        await session.clear()
        #expect(await session.messages == [ChatMessage(role: "system", content: "Be brief.")])
        await session.setSystem("Be long.")
        #expect(await session.messages == [ChatMessage(role: "system", content: "Be long.")])
        await session.setSystem(nil)
        #expect(await session.messages.isEmpty)
        let history = [ChatMessage(role: "user", content: "a"), ChatMessage(role: "assistant", content: "b")]
        await session.restore(history)
        #expect(await session.messages == history)
    }

    @Test func aMessageThatDoesNotFitLeavesTheHistoryAsItWas() async throws {
        let session = try await bundled()
        try await read(try await session.send("Who art thou?"))
        let before = await session.messages
        await #expect(throws: InferenceError.self) {
            _ = try await session.send(String(repeating: "thou art ", count: 600))
        }
        #expect(await session.messages == before)
        await session.restore(before + [ChatMessage(role: "user", content: String(repeating: "thou ", count: 900))])
        let long = await session.messages
        await #expect(throws: InferenceError.self) { _ = try await session.regenerate() }
        #expect(await session.messages == long)
    }

    @Test func whatThereWasOfADroppedAnswerIsKept() async throws {
        let session = try await bundled()
        var text = ""
        for try await update in try await session.send("Who art thou?") {
            text += update.text
            if !text.isEmpty { break }
        }
        for _ in 0..<200 where await session.messages.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        let kept = await session.messages.last
        #expect(kept?.role == "assistant")
        let start = text.trimmingPrefix { $0 == "\n" }
        #expect(kept?.content.hasPrefix(start) == true, "\(kept?.content ?? "nothing") does not begin with \(text)")
    }

    @Test func stopStringsEndAnswers() async throws {
        let session = try await scripted(stop: [" see."])
        let text = try await read(try await session.send("How is it?"))
        #expect(text == ChatSessionTests.thought + "Let me")
        await #expect(throws: InferenceError.self) {
            let package = try ModelPackage.bundled()
            _ = try ChatSession(engine: try await Engine(package, on: CPUBackend(threadCount: 1)))
        }
    }
}
