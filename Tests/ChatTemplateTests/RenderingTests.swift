import ChatTemplate
import Foundation
import JSONCore
import TestSupport
import Testing

/// Templates rendered by jinja2 as transformers sets it up (Tools/chat_template_cases.py).
@Suite struct RenderingTests {
    private func fixture() throws -> JSONValue {
        let url = ReferenceMaterial.fixtures.appendingPathComponent("chat-templates/cases.json")
        return try JSONDocument(parsing: [UInt8](Data(contentsOf: url))).root
    }

    private func render(
        _ template: String, _ variables: [TemplateValue.Member], _ date: TemplateDate?
    ) -> Result<String, ChatTemplateError> {
        do throws(ChatTemplateError) {
            return .success(try ChatTemplate(template).render(variables, date: date))
        } catch {
            return .failure(error)
        }
    }

    private func members(_ value: JSONValue?) -> [TemplateValue.Member] {
        guard let value, case .object(let members) = TemplateValue(value) else { return [] }
        return members
    }

    @Test func everySmallTemplateRendersAsJinjaDoes() throws {
        let root = try fixture()
        let date = root["date"]?.string.flatMap { TemplateDate($0) }
        let variables = members(root["variables"])
        let cases = Array(try #require(root["cases"]?.array))
        #expect(cases.count > 2000)
        for test in cases {
            let parts = Array(try #require(test.array))
            let template = try #require(parts[0].string)
            switch render(template, variables, date) {
            case .success(let text): #expect(text == parts[1].string, "\(template)")
            case .failure(let error): #expect(parts[1].isNull, "\(template): \(error)")
            }
        }
    }

    @Test func everyReferenceTemplateRendersByteForByte() throws {
        guard let folder = ReferenceMaterial.locate("reference/chat-templates", for: "chat templates") else { return }
        let root = try JSONDocument(
            parsing: [UInt8](Data(contentsOf: folder.appendingPathComponent("cases.json")))
        ).root
        let date = root["date"]?.string.flatMap { TemplateDate($0) }
        for test in try #require(root["cases"]?.array) {
            let name = try #require(test["template"]?.string)
            let source = try String(contentsOf: folder.appendingPathComponent(name + ".jinja"), encoding: .utf8)
            var variables = members(test["variables"])
            for key in ["messages", "tools", "documents", "add_generation_prompt"] {
                variables.append(.init(key, test[key].map { TemplateValue($0) } ?? .null))
            }
            switch render(source, variables, date) {
            case .success(let text):
                #expect(Array(text.utf8) == test["expected"]?.string.map { Array($0.utf8) }, "\(name)")
            case .failure(let error): #expect(test["error"] != nil, "\(name): \(error)")
            }
        }
    }

    @Test func errorsNameTheLine() {
        let source = "a\n{% if x %}\n{{ 1 + }}\n{% endif %}"
        #expect(throws: ChatTemplateError.syntax(template: "t", line: 3, message: "unexpected '}}'")) {
            try ChatTemplate(source, name: "t")
        }
        #expect(
            throws: ChatTemplateError.runtime(
                template: "t", line: 2, kind: "UndefinedError", message: "'x' is undefined")
        ) {
            try ChatTemplate("a\n{{ x.y }}", name: "t").render([])
        }
        #expect(throws: ChatTemplateError.raised(template: "t", message: "no")) {
            try ChatTemplate("{{ raise_exception('no') }}", name: "t").render([])
        }
    }

    @Test func equivalentCharactersAreDifferentKeys() throws {
        let template = try ChatTemplate("{{ {'\u{E9}': 1, 'e\u{301}': 2} | length }}{{ '\u{E9}' == 'e\u{301}' }}")
        #expect(try template.render([]) == "2False")
    }
}
