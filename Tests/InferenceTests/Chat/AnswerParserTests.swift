import Inference
import TestSupport
import Testing

@Suite("Answers taken apart")
struct AnswerParserTests {
    typealias Part = AnswerParser.Part

    private static let weather = OfferedTool(name: "weather", stringParameters: ["city"])
    private static let hermes = "{% for t in tools %}<tool_call>{% endfor %}<think></think>"

    private func format(_ template: String = hermes, prompt: String = "", tools: [OfferedTool] = [weather])
        -> AnswerFormat
    {
        AnswerFormat(template: template, prompt: prompt, tools: tools)
    }

    /// The parts with neighbours of a kind joined, of the answer in one piece and in pieces of each of several sizes, which
    /// must agree.
    private func parts(_ answer: String, _ format: AnswerFormat) -> [Part] {
        let all = [answer.unicodeScalars.count, 1, 2, 3, 7].map { size -> [Part] in
            var parser = AnswerParser(format)
            var parts: [Part] = []
            var rest = Array(answer.unicodeScalars)[...]
            while !rest.isEmpty {
                var piece = String.UnicodeScalarView()
                piece.append(contentsOf: rest.prefix(size))
                parts += parser.push(String(piece))
                rest = rest.dropFirst(size)
            }
            return joined(parts + parser.finish())
        }
        for other in all.dropFirst() { #expect(other == all[0], "\(answer)") }
        return all[0]
    }

    private func joined(_ parts: [Part]) -> [Part] {
        var result: [Part] = []
        for part in parts {
            switch (result.last, part) {
            case (.text(let a), .text(let b)): result[result.count - 1] = .text(a + b)
            case (.reasoning(let a), .reasoning(let b)): result[result.count - 1] = .reasoning(a + b)
            default: result.append(part)
            }
        }
        return result
    }

    private func call(_ name: String, _ arguments: String) -> Part { .call(ToolCall(name: name, arguments: arguments)) }

    @Test func aPlainAnswerIsAllText() {
        let answer = " {\"name\": \"weather\"} <think>x</think>"
        #expect(parts(answer, .plain) == [.text(answer)])
    }

    @Test func reasoningIsApart() {
        let format = format(tools: [])
        #expect(parts("<think>\nAh. \n\n</think>\n\nYes", format) == [.reasoning("Ah."), .text("Yes")])
        #expect(parts(" \n<think></think>Yes", format) == [.text("Yes")])
        #expect(parts("  Yes <think>no</think>", format) == [.text("  Yes <think>no</think>")])
        #expect(parts("<think>cut off </thi", format) == [.reasoning("cut off </thi")])
        #expect(parts("<thin", format) == [.text("<thin")])
    }

    @Test func thePromptMayHaveOpenedTheReasoning() {
        let format = format(prompt: "<|im_start|>assistant\n<think>\n", tools: [])
        #expect(parts("\nAh é.\n</think>\n\nYes", format) == [.reasoning("Ah é."), .text("Yes")])
        let closed = self.format(prompt: "<think>\n\n</think>\n\n", tools: [])
        #expect(parts("Yes", closed) == [.text("Yes")])
    }

    @Test func callsInJSONBetweenMarks() {
        let one = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\", \"days\": 2}}\n</tool_call>"
        let expected = call("weather", "{\"city\":\"Köln\",\"days\":2}")
        #expect(parts(one, format()) == [expected])
        #expect(parts("I look. \(one)\n\(one)", format()) == [.text("I look."), expected, expected])
        #expect(parts("<think>hm</think>\n\(one)", format()) == [.reasoning("hm"), expected])
        // The closing mark may be missing at the end.
        #expect(parts("<tool_call>{\"name\": \"weather\"}", format()) == [call("weather", "{}")])
        // Without tools it is text.
        #expect(parts(one, format(tools: [])) == [.text(one)])
    }

    @Test func whatIsNoCallIsText() {
        for text in [
            "<tool_call>{\"nam\": 1}</tool_call> so", "a <tool_call>not one</tool_call>", "a < b <tool_cal",
            "<tool_call>{",
        ] {
            #expect(parts(text, format()) == [.text(text)], "\(text)")
        }
    }

    @Test func callsWithValuesBetweenMarks() {
        let coder = """
            <tool_call>
            <function=weather>
            <parameter=city>
            12
            </parameter>
            <parameter=days>
            12
            </parameter>
            <parameter=note>
            two
            lines
            </parameter>
            </function>
            </tool_call>
            """
        #expect(parts(coder, format()) == [call("weather", "{\"city\":\"12\",\"days\":12,\"note\":\"two\\nlines\"}")])
        let keyed = """
            <tool_call>weather
            <arg_key>city</arg_key>
            <arg_value>12</arg_value>
            <arg_key>days</arg_key>
            <arg_value>[1, 2]</arg_value>
            </tool_call>
            """
        #expect(parts(keyed, format()) == [call("weather", "{\"city\":\"12\",\"days\":[1,2]}")])
        #expect(
            parts("<function=weather>{\"city\": \"Rom\"}</function>", format()) == [
                call("weather", "{\"city\":\"Rom\"}")
            ])
    }

    @Test func callsInBareJSON() {
        let expected = call("weather", "{\"city\":\"Rom\"}")
        for text in [
            "{\"name\": \"weather\", \"parameters\": {\"city\": \"Rom\"}}",
            " [{\"name\": \"weather\", \"arguments\": {\"city\": \"Rom\"}}]",
            "{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"arguments\": \"{\\\"city\\\": \\\"Rom\\\"}\"}}",
            "<|python_tag|>{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {\"city\": \"Rom\"}}",
            "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Rom\"}, \"id\": \"abcdefghi\"}]",
            "<|tool_call|>[{\"name\": \"weather\", \"arguments\": {\"city\": \"Rom\"}}]",
        ] { #expect(parts(text, format()) == [expected], "\(text)") }
        for text in ["{\"name\": \"another\"}", "{\"city\": \"Rom\"}", "[1, 2]", "{\"name\": \"weather\"} and more"] {
            #expect(parts(text, format()) == [.text(text)], "\(text)")
        }
    }

    @Test func otherJSONIsNotHeldBack() {
        var parser = AnswerParser(format())
        #expect(parser.push("{\"ci").isEmpty == false)
        parser = AnswerParser(format())
        #expect(parser.push("{\"na").isEmpty)
    }

    /// Whatever a model writes, nothing traps, and without marks nothing is lost.
    @Test func anyTextIsTaken() {
        var random = SplitMix64(name: "answers")
        let pieces = [
            "<think>", "</think>", "<tool_call>", "</tool_call>", "<function=", "weather>", "<parameter=city>",
            "</parameter>",
            "{\"name\": \"weather\"", "}", "[", "]", "<", " ", "\n", "a", "é", "<arg_key>", "</arg_key>", "<arg_value>",
            "\"",
            "[TOOL_CALLS]", "</function>",
        ]
        for _ in 0..<2000 {
            let text = (0..<Int(random.next() % 12)).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }
                .joined()
            _ = parts(text, format(prompt: random.next() % 2 == 0 ? "<think>" : ""))
        }
    }
}
