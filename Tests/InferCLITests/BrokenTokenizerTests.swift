import Foundation
import Testing

/// Tokenizers that are damaged or hold parts that this engine does not know.
@Suite struct BrokenTokenizerTests {
    private static let file = "tokenizer.json"

    @Test(arguments: cases) func brokenTokenizersAreNamed(_ model: BrokenModel) throws {
        try model.expectFailure()
    }

    /// The same tokenizers end the commands that need nothing but them.
    @Test(arguments: cases) func tokenizeNamesThemToo(_ model: BrokenModel) throws {
        try model.expectFailure(command: ["tokenize"])
    }

    private static func component(_ key: String, _ value: [String: String], naming culprits: [String]) -> BrokenModel {
        BrokenModel("\(key): \(value)", naming: [file] + culprits) { try $0.editJSON(file) { $0[key] = value } }
    }

    private static let cases: [BrokenModel] = [
        BrokenModel("tokenizer.json is empty", naming: [file]) { try $0.write(file, "") },
        BrokenModel("tokenizer.json is cut off", naming: [file]) {
            try $0.write(file, bytes: $0.bytes(file).prefix(3000))
        },
        BrokenModel("tokenizer.json is a folder", naming: [file]) { try $0.replaceByFolder(file) },
        BrokenModel("tokenizer.json has no model", naming: [file, "model"]) {
            try $0.editJSON(file) { $0["model"] = nil }
        },
        component("normalizer", ["type": "Shout"], naming: ["Shout"]),
        component("pre_tokenizer", ["type": "Guess"], naming: ["Guess"]),
        component("post_processor", ["type": "Sprinkle"], naming: ["Sprinkle"]),
        component("decoder", ["type": "Enigma"], naming: ["Enigma"]),
        component("model", ["type": "Oracle"], naming: ["Oracle"]),
        BrokenModel("a pattern that does not compile", naming: [file, "(unclosed"]) {
            try $0.editJSON(file) {
                $0["pre_tokenizer"] = [
                    "type": "Split", "pattern": ["Regex": "(unclosed"], "behavior": "Isolated", "invert": false,
                ]
            }
        },
        BrokenModel("a token with a negative id", naming: [file]) { try $0.editVocabulary { $0["negative"] = -5 } },
        BrokenModel("a token with an absurd id", naming: [file]) { try $0.editVocabulary { $0["absurd"] = 1 << 60 } },
    ]
}

extension ModelFolder {
    func editVocabulary(_ edit: (inout [String: Any]) -> Void) throws {
        try editJSON("tokenizer.json") { tokenizer in
            guard var model = tokenizer["model"] as? [String: Any], var vocabulary = model["vocab"] as? [String: Any]
            else { throw FixtureError.missing("model.vocab") }
            edit(&vocabulary)
            model["vocab"] = vocabulary
            tokenizer["model"] = model
        }
    }
}
