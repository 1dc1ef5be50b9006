import Foundation
import Inference
import Testing

/// What an answer is held to: after the model's reasoning, and in the way in which the model writes calls.
@Suite struct ForcedCallTests {
    typealias Form = OutputConstraint.Form

    private static let weather = OfferedTool(name: "weather", parameters: #"{"type":"object"}"#)
    private static let clock = OfferedTool(name: "say \"now\"", parameters: "true")

    private func format(_ template: String, prompt: String = "") -> AnswerFormat {
        AnswerFormat(template: template, prompt: prompt, tools: [ForcedCallTests.weather])
    }

    private func call(_ name: String, _ schema: String, key: String = "arguments") -> Form {
        .sequence([.choices(["{\"name\": \"\(name)\", \"\(key)\": "]), .jsonSchema(schema), .choices(["}"])])
    }

    @Test func callsStandWithinTheirTagsWhereTheTemplateWritesThem() {
        let form = format("<tool_call>").callForm(of: [ForcedCallTests.weather], allowsSeveral: false)
        let tagged = Form.sequence([
            .choices(["<tool_call>\n"]), call("weather", #"{"type":"object"}"#), .choices(["\n</tool_call>"]),
        ])
        #expect(form == tagged)
        let several = format("<tool_call>").callForm(of: [ForcedCallTests.weather], allowsSeveral: true)
        #expect(several == .repeated(tagged, separator: "\n"))
    }

    @Test func callsAreBareJSONElsewhere() {
        for template in ["[TOOL_CALLS]", "<tool_call><function=x>", "<tool_call><arg_key>", ""] {
            let form = format(template).callForm(of: [ForcedCallTests.weather], allowsSeveral: false)
            #expect(form == call("weather", #"{"type":"object"}"#), "\(template)")
        }
        let llama = format(#"{"name": function name, "parameters": dictionary of argument name and its value}"#)
        #expect(
            llama.callForm(of: [ForcedCallTests.weather], allowsSeveral: false)
                == call("weather", #"{"type":"object"}"#, key: "parameters"))
        let both = format("").callForm(of: [ForcedCallTests.weather, ForcedCallTests.clock], allowsSeveral: true)
        let either = Form.alternatives([
            call("weather", #"{"type":"object"}"#), call(#"say \"now\""#, "true"),
        ])
        #expect(both == .sequence([.choices(["["]), .repeated(either, separator: ", "), .choices(["]"])]))
    }

    @Test func theFormHoldsAfterReasoning() {
        let form = Form.jsonObject
        let open = format("<think></think>", prompt: "<|assistant|><think>\n").constraint(form)
        #expect(open.startsAfter == ["</think>"] && open.requiresStart)
        let closed = format("<think></think>", prompt: "<|assistant|><think>\n\n</think>\n\n").constraint(form)
        #expect(closed == OutputConstraint(form))
        let ahead = format("<think></think>", prompt: "<|assistant|>")
        guard case .alternatives(let ways) = ahead.constraint(form).form else {
            Issue.record("no alternatives: \(ahead.constraint(form))")
            return
        }
        #expect(ways.count == 2 && ways[0] == form)
        #expect(ahead.constraint(form, isContinuation: true) == OutputConstraint(form))
        #expect(format("{{ messages }}").constraint(form) == OutputConstraint(form))
    }

    @Test func reasoningMayHoldAnythingButItsEnd() throws {
        let pattern = "^" + AnswerFormat.pattern(without: Array("</think>".utf8)) + "$"
        let expression = try NSRegularExpression(pattern: pattern)
        func matches(_ text: String) -> Bool {
            expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil
        }
        for text in ["", "a\nb", "1 < 2", "std::cout << x", "</div></thin>", "<think>", "a</thinking>x"] {
            #expect(matches(text), "\(text)")
        }
        for text in ["</think>", "a</think>", "a</think>b", "<</think>", "</</think>"] {
            #expect(!matches(text), "\(text)")
        }
    }
}
