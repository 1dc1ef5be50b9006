import ChatTemplate
import Foundation
import JSONCore
import TestSupport
import Testing

/// Templates with pieces taken out, doubled, exchanged and put in: each renders or ends in a ``ChatTemplateError``.
/// `INFER_FUZZ_COUNT` sets how many.
@Suite struct FuzzTests {
    private static let pieces = [
        "{{", "}}", "{%", "%}", "{#", "#}", "-", "|", "(", ")", "[", "]", "{", "}", "'", "\"", "\\", "~", ".", ",", ":",
        "**", "%", "0", "9223372036854775807", "1e999", " is ", " not ", " in ", " if ", " else ", "loop", "loop(",
        "range(",
        "namespace(", "|list", "|map('", "|tojson(", "|sort", "|batch(", "|indent(", "messages",
        "{% for x in messages %}",
        "{% endfor %}", "{% endif %}", "{% set ", "{% macro m() %}", "{{ m() }}", "\n", "\u{301}", "\u{1F642}", "\r\n",
    ]

    private func mutate(_ source: [Character], with random: inout SplitMix64) -> String {
        var text = source
        for _ in 0..<Int.random(in: 1...6, using: &random) {
            let start = Int.random(in: 0...text.count, using: &random)
            let end = min(text.count, start + Int.random(in: 0...12, using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0: text.removeSubrange(start..<end)
            case 1: text.insert(contentsOf: text[start..<end], at: start)
            case 2:
                let other = Int.random(in: 0...text.count, using: &random)
                text.insert(contentsOf: text[start..<end], at: other)
            default:
                let piece = FuzzTests.pieces.randomElement(using: &random) ?? ""
                text.insert(contentsOf: piece, at: start)
            }
        }
        return String(text)
    }

    @Test func mutatedTemplatesRenderOrThrow() throws {
        let url = ReferenceMaterial.fixtures.appendingPathComponent("chat-templates/cases.json")
        let root = try JSONDocument(parsing: [UInt8](Data(contentsOf: url))).root
        guard case .object(let variables) = try TemplateValue(#require(root["variables"])) else { return }
        var sources = try #require(root["cases"]?.array).compactMap { $0.array.flatMap { Array($0).first }?.string }
        if let folder = ReferenceMaterial.shared?.appendingPathComponent("reference/chat-templates") {
            for file in (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil))
                ?? []
            where file.pathExtension == "jinja" {
                for _ in 0..<40 { sources.append(try String(contentsOf: file, encoding: .utf8)) }
            }
        }
        let count = ProcessInfo.processInfo.environment["INFER_FUZZ_COUNT"].flatMap(Int.init) ?? 400
        var random = SplitMix64(seed: 12)
        var rendered = 0
        for _ in 0..<count {
            let source = mutate(Array(try #require(sources.randomElement(using: &random))), with: &random)
            do throws(ChatTemplateError) {
                let limits = ChatTemplate.Limits(steps: 200_000, characters: 1 << 20)
                _ = try ChatTemplate(source).render(variables, limits: limits)
                rendered += 1
            } catch {
                #expect(!"\(error)".contains("\n"))
            }
        }
        #expect(rendered > 0)
        #expect(rendered < count)
    }
}
