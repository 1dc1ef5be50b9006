import Foundation
import Inference
import TestSupport
import Testing

/// How sources of models of several languages are framed, against `set_src_lang_special_tokens` of transformers' tokenizers.
@Suite("Tokens of languages")
struct LanguageTokensTests {
    private static let names = LanguageTokens.OptionNames(from: "src_lang", to: "tgt_lang")

    /// BART's sizes under another name, with a tokenizer whose `<mask>` and `<unk>` are languages.
    private func package(_ model: String, tokenizerClass: String, language: String?, isBehind: Bool = false) throws
        -> ModelPackage
    {
        let files = FileManager.default
        let folder = files.temporaryDirectory.appendingPathComponent("infer-language-\(UUID().uuidString)")
        let fixtures = ReferenceMaterial.fixtures
        try files.copyItem(at: fixtures.appendingPathComponent("tasks/bart"), to: folder)
        defer { try? files.removeItem(at: folder) }
        func edit(_ name: String, _ change: (inout [String: Any]) -> Void) throws {
            let path = folder.appendingPathComponent(name)
            let read = try? JSONSerialization.jsonObject(with: Data(contentsOf: path)) as? [String: Any]
            var object = read ?? [:]
            change(&object)
            try JSONSerialization.data(withJSONObject: object).write(to: path)
        }
        try edit("config.json") { $0["model_type"] = model }
        var text = try String(
            contentsOf: fixtures.appendingPathComponent("tokenizers/unigram/tokenizer.json"), encoding: .utf8)
        text = text.replacing("\"<mask>\"", with: "\"en_XX\"").replacing("\"<unk>\"", with: "\"de_DE\"")
        try Data(text.utf8).write(to: folder.appendingPathComponent("tokenizer.json"))
        if let language {
            func token(_ name: String) -> [String: Any] { ["SpecialToken": ["id": name, "type_id": 0]] }
            let sequence: [String: Any] = ["Sequence": ["id": "A", "type_id": 0]]
            let ids = ["</s>": 2, "en_XX": 4]
            try edit("tokenizer.json") {
                $0["post_processor"] = [
                    "type": "TemplateProcessing", "pair": [sequence],
                    "single": isBehind
                        ? [sequence, token("</s>"), token(language)] : [token(language), sequence, token("</s>")],
                    "special_tokens": ids.mapValues { [$0] }.reduce(into: [String: Any]()) {
                        $0[$1.key] = ["id": $1.key, "ids": $1.value, "tokens": [$1.key]]
                    },
                ]
            }
        }
        try Data(
            #"{"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "tokenizer_class": "\#(tokenizerClass)"}"#
                .utf8
        ).write(to: folder.appendingPathComponent("tokenizer_config.json"))
        return try ModelPackage(path: folder.path)
    }

    @Test func framesAreThoseOfTheTokenizers() throws {
        let (end, german) = (2, 3)
        for (model, kind, language, isBehind, wanted) in [
            // The first mBART names the language behind the text, the second before it, M2M-100 too.
            ("mbart", "MBartTokenizerFast", nil, false, (before: [Int](), behind: [end, german])),
            ("mbart", "MBart50TokenizerFast", nil, false, (before: [german], behind: [end])),
            ("m2m_100", "M2M100Tokenizer", nil, false, (before: [german], behind: [end])),
            // The tokenizer's own frame counts.
            ("mbart", "PreTrainedTokenizerFast", "en_XX", false, (before: [german], behind: [end])),
            ("m2m_100", "PreTrainedTokenizerFast", "en_XX", true, (before: [Int](), behind: [end, german])),
        ] as [(String, String, String?, Bool, (before: [Int], behind: [Int]))] {
            let package = try package(model, tokenizerClass: kind, language: language, isBehind: isBehind)
            let languages = try LanguageTokens(package, from: "de_DE", to: "en_XX", names: Self.names)
            let ids = try languages.source("the king", of: package)
            #expect(Array(ids.prefix(wanted.before.count)) == wanted.before, "\(kind)")
            #expect(Array(ids.suffix(wanted.behind.count)) == wanted.behind, "\(kind)")
            #expect(ids.count > 2 && ids.filter { $0 == german }.count == 1, "\(kind): \(ids)")
            #expect(languages.forcedFirstToken == 4)
        }
    }

    @Test func wordsAreNoLanguages() throws {
        let package = try package("mbart", tokenizerClass: "MBartTokenizer", language: nil)
        for language in ["xx_YY", "", "▁the", "the", "a"] {
            #expect(throws: InferenceError.self) {
                _ = try LanguageTokens(package, from: language, to: nil, names: Self.names)
            }
        }
        let decoder = try ModelPackage.bundled()
        let error = #expect(throws: InferenceError.self) {
            _ = try LanguageTokens(decoder, from: nil, to: "de_DE", names: Self.names)
        }
        #expect(error?.description.contains("tgt_lang") == true)
    }
}
