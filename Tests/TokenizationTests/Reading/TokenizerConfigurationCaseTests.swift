import Foundation
import TestSupport
import Testing
import Tokenization

/// What files beside a `tokenizer.json` change, and what was edited by hand in one, as transformers 5.24 and tokenizers
/// 0.23.3 have it. `Tools/make_tokenizer_config_cases.py` makes the cases.
@Suite struct TokenizerConfigurationCaseTests {
    private static func cases(_ name: String) throws -> [[String: Any]] {
        let data = try Data(contentsOf: ReferenceMaterial.fixtures.appendingPathComponent(name))
        return try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
    }

    private static func write(_ value: Any, to url: URL) throws {
        try JSONSerialization.data(withJSONObject: value).write(to: url)
    }

    @Test func neighboursOverrideAndExtend() throws {
        let cases = try Self.cases("tokenizer-config-cases.json")
        #expect(cases.count >= 15)
        for row in cases {
            let name = try #require(row["name"] as? String)
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("infer-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let base = try #require(row["tokenizer"] as? String)
            try Data(tinyTokenizerBytes(base)).write(to: folder.appendingPathComponent("tokenizer.json"))
            try Self.write(
                try #require(row["config"]), to: folder.appendingPathComponent("tokenizer_config.json"))
            if let map = row["map"] as? [String: Any] {
                try Self.write(map, to: folder.appendingPathComponent("special_tokens_map.json"))
            }
            let tokenizer = try Tokenizer(folder: folder.path)
            let ids = try tokenizer.encode(try #require(row["text"] as? String))
            #expect(ids == row["ids"] as? [Int], "\(name)")
            #expect(try tokenizer.decode(ids) == row["decoded"] as? String, "\(name)")
            #expect(try tokenizer.decode(ids, skipSpecialTokens: false) == row["whole"] as? String, "\(name)")
        }
    }

    @Test func editedVocabulariesLoad() throws {
        let cases = try Self.cases("edited-vocabulary-cases.json")
        #expect(cases.count >= 16)
        for row in cases {
            let name = try #require(row["name"] as? String)
            let base = try #require(row["tokenizer"] as? String)
            let parsed = try JSONSerialization.jsonObject(with: Data(tinyTokenizerBytes(base)))
            var document = try #require(parsed as? [String: Any])
            let added = try #require(row["added"] as? [[String: Any]])
            document["added_tokens"] = (document["added_tokens"] as? [Any] ?? []) + added
            var model = try #require(document["model"] as? [String: Any])
            var vocabulary = try #require(model["vocab"] as? [String: Any])
            vocabulary.merge(try #require(row["vocabulary"] as? [String: Any])) { $1 }
            model["vocab"] = vocabulary
            document["model"] = model
            let bytes = try Array(JSONSerialization.data(withJSONObject: document))
            let tokenizer = try Tokenizer(json: bytes)
            for (content, id) in row["found"] as? [String: Int] ?? [:] {
                #expect(tokenizer.id(for: content) == id, "\(name) of \(base)")
            }
            let ids = try tokenizer.encode(try #require(row["text"] as? String))
            #expect(ids == row["ids"] as? [Int], "\(name) of \(base)")
            // Which of two tokens an id decodes to is chance in the reference.
            guard name != "two tokens of one id" else { continue }
            #expect(try tokenizer.decode(ids) == row["decoded"] as? String, "\(name) of \(base)")
        }
    }

    /// An id that a token cannot have is told.
    @Test func movedIDsAreNotices() throws {
        let added = #"[{"id":1,"content":"<x>"},{"id":7,"content":"<y>"}]"#
        let model = #"{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}"#
        let tokenizer = try Tokenizer(json: Array("{\"added_tokens\":\(added),\"model\":\(model)}".utf8))
        #expect(tokenizer.notices.count == 2)
        #expect(tokenizer.id(for: "<x>") == 2 && tokenizer.id(for: "<y>") == 3)
        #expect(tokenizer.notices.first?.contains("\"<x>\" has the id 2, not 1") == true)
    }
}
