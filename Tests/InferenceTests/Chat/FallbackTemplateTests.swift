import CPUBackend
import ChatTemplate
import Foundation
import Inference
import Testing

/// Conversations with models that come without a chat template.
@Suite struct FallbackTemplateTests {
    private static let said: TemplateValue = [
        ["role": "system", "content": "Book"], ["role": "user", "content": "Hey"],
    ]

    private func render(
        _ fallback: FallbackTemplate, _ messages: TemplateValue, tools: TemplateValue? = nil, answers: Bool = true
    ) throws -> String {
        var members: [TemplateValue.Member] = [
            .init("messages", messages), .init("add_generation_prompt", .bool(answers)),
        ]
        if let tools { members.append(.init("tools", tools)) }
        return try PromptTemplate(fallback, nil, name: "model").render(members)
    }

    @Test func chatMLIsWrittenAsLlamaCppWritesIt() throws {
        let expected = "<|im_start|>system\nBook<|im_end|>\n<|im_start|>user\nHey<|im_end|>\n"
        #expect(try render(.chatML, FallbackTemplateTests.said) == expected + "<|im_start|>assistant\n")
        #expect(try render(.chatML, FallbackTemplateTests.said, answers: false) == expected)
    }

    @Test func chatMLShowsToolsAndCalls() throws {
        let function: TemplateValue = ["name": "weather"]
        let call: TemplateValue = ["type": "function", "function": ["name": "weather", "arguments": ["city": "Köln"]]]
        let text = try render(
            .chatML,
            [
                ["role": "system", "content": "Book"], ["role": "user", "content": "Hey"],
                ["role": "assistant", "content": "", "tool_calls": [call]], ["role": "tool", "content": "rain"],
            ], tools: [["type": "function", "function": function]])
        #expect(text.hasPrefix("<|im_start|>system\nBook\n\n"))
        #expect(text.contains("<tools>\n{\"name\": \"weather\"}\n</tools>"))
        #expect(text.components(separatedBy: "Book").count == 2, "the system prompt stands once")
        let written = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\"}}\n</tool_call>"
        #expect(text.contains("<|im_start|>assistant\n\(written)<|im_end|>\n<|im_start|>tool\nrain<|im_end|>\n"))
        // What it writes is read again, and what is forced is written so.
        let format = AnswerFormat(
            template: FallbackTemplate.chatML.source, prompt: text, tools: [OfferedTool(name: "weather")])
        var parser = AnswerParser(format)
        let parts = parser.push(written) + parser.finish()
        #expect(parts == [.call(ToolCall(name: "weather", arguments: "{\"city\":\"Köln\"}"))])
    }

    @Test func thePlayHasSpeakers() throws {
        let text = try render(.play, FallbackTemplateTests.said)
        #expect(text == "Book\n\nCITIZEN:\nHey\n\nBARD:\n")
        let more: TemplateValue = [
            ["role": "user", "content": "Hey"], ["role": "assistant", "content": "Nay"],
            ["role": "user", "content": "Why?"],
        ]
        #expect(try render(.play, more) == "CITIZEN:\nHey\n\nBARD:\nNay\n\nCITIZEN:\nWhy?\n\nBARD:\n")
    }

    @Test func theBundledModelAnswersInOneSpeech() async throws {
        let package = try ModelPackage.bundled()
        #expect(throws: InferenceError.self) { try package.promptTemplate() }
        let template = try package.conversationTemplate()
        #expect(template.fallback == .play)
        #expect(template.notice?.contains("no chat template") == true)
        let engine = try await Engine(package, on: CPUBackend(threadCount: 1))
        let session = try ChatSession(engine: engine, template: template, maxTokens: 200)
        var text = ""
        var result: GenerationResult?
        for try await update in try await session.send("Who goes there?") {
            text += update.text
            result = update.result ?? result
        }
        #expect(result?.stopCause == .string("\n\n"))
        #expect(!text.isEmpty && !text.contains("\n\n"))
        #expect(await session.messages.map(\.role) == ["user", "assistant"])
    }
}
