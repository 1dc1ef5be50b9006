internal import JSONCore

extension ComponentReader {
    private static let models = ["BPE", "WordPiece", "Unigram", "WordLevel"]

    static func model(_ value: JSONValue) throws -> TokenizationModel {
        switch try value.optionalString("type") ?? inferredModel(value) {
        case "BPE": return .bpe(try bpe(value))
        case "WordPiece": return .wordPiece(try wordPiece(value))
        case "Unigram": return .unigram(try unigram(value))
        case "WordLevel":
            return .wordLevel(
                WordLevelModel(
                    vocabulary: try vocabulary(try value.require("vocab")),
                    unknownToken: try value.requireString("unk_token")))
        case let name: throw unknown(value, "model", name, models)
        }
    }

    /// Files of the first versions do not name the kind of their model.
    private static func inferredModel(_ value: JSONValue) throws -> String {
        if try value.optional("merges") != nil { return "BPE" }
        if try value.require("vocab").kind == .array { return "Unigram" }
        return try value.optional("continuing_subword_prefix") != nil ? "WordPiece" : "WordLevel"
    }

    private static func wordPiece(_ value: JSONValue) throws -> WordPieceModel {
        WordPieceModel(
            vocabulary: try vocabulary(try value.require("vocab")),
            unknownToken: try value.optionalString("unk_token") ?? "[UNK]",
            continuingSubwordPrefix: try value.optionalString("continuing_subword_prefix") ?? "##",
            maximumCharactersPerWord: try value.optional("max_input_chars_per_word").map { try count($0) } ?? 100)
    }

    /// `dropout` is for training: encoding ignores it, so that equal text has equal ids.
    private static func bpe(_ value: JSONValue) throws -> BPEModel {
        var options = BPEModel.Options()
        options.unknownToken = try value.optionalString("unk_token")
        options.continuingSubwordPrefix = try value.optionalString("continuing_subword_prefix")
        options.endOfWordSuffix = try value.optionalString("end_of_word_suffix")
        options.fusesUnknown = try value.optionalBool("fuse_unk") ?? false
        options.usesByteFallback = try value.optionalBool("byte_fallback") ?? false
        options.ignoresMerges = try value.optionalBool("ignore_merges") ?? false
        let vocabulary = try vocabulary(try value.require("vocab"))
        let merges = try merges(try value.require("merges"), vocabulary, options)
        return BPEModel(vocabulary: vocabulary, merges: merges, options: options)
    }

    /// `{"token": id, …}`.
    private static func vocabulary(_ value: JSONValue) throws -> Vocabulary {
        let count = try value.requireObject().count
        return try value.withCursor { cursor in
            var vocabulary = Vocabulary(capacity: count)
            guard count > 0 else { return vocabulary }
            var key = cursor.firstChild
            for index in 0..<count {
                let member = key.next
                guard let id = member.int else {
                    throw TokenizationError.invalidVocabulary(
                        reason: "the id of \(key.withString { quoted($0) }) must be an integer")
                }
                try key.withString { try vocabulary.insert($0, id: id, replacingOldID: true) }
                if index + 1 < count { key = member.next }
            }
            return vocabulary
        }
    }

    /// `["a b", …]` or `[["a", "b"], …]`.
    private static func merges(
        _ value: JSONValue, _ vocabulary: Vocabulary, _ options: BPEModel.Options
    ) throws -> MergeTable {
        let count = try value.requireArray().count
        return try value.withCursor { cursor in
            var builder = MergeBuilder(vocabulary: vocabulary, options: options, capacity: count)
            guard count > 0 else { return builder.table }
            var merge = cursor.firstChild
            for index in 0..<count {
                switch merge.kind {
                case .string:
                    try merge.withString { text in
                        guard let space = text.firstIndex(of: 0x20), !text[(space + 1)...].contains(0x20) else {
                            throw TokenizationError.invalidMerge(
                                index: index, reason: "\(quoted(text)) is not two tokens with a space between")
                        }
                        try builder.append(
                            left: ByteBuffer(rebasing: text[..<space]),
                            right: ByteBuffer(rebasing: text[(space + 1)...]))
                    }
                case .array where merge.count == 2:
                    let left = merge.firstChild
                    guard left.kind == .string, left.next.kind == .string else { fallthrough }
                    try left.withString { left in
                        try merge.firstChild.next.withString { try builder.append(left: left, right: $0) }
                    }
                default:
                    throw TokenizationError.invalidMerge(index: index, reason: "it must be a pair of tokens")
                }
                if index + 1 < count { merge = merge.next }
            }
            return builder.table
        }
    }

    /// `[["token", score], …]`, ids in order.
    private static func unigram(_ value: JSONValue) throws -> UnigramModel {
        let entries = try value.requireArray("vocab")
        var vocabulary = Vocabulary(capacity: entries.count)
        var scores: [Double] = []
        scores.reserveCapacity(entries.count)
        for (id, entry) in entries.enumerated() {
            let pair = Array(try entry.requireArray())
            guard pair.count == 2, pair[0].kind == .string else {
                throw entry.mismatch(expected: "a token and its score")
            }
            try pair[0].withCursor { cursor in
                try cursor.withString { try vocabulary.insert($0, id: id, replacingOldID: false) }
            }
            scores.append(try pair[1].requireDouble())
        }
        return try UnigramModel(
            vocabulary: vocabulary, scores: scores, unknownID: try value.optionalInt("unk_id"),
            usesByteFallback: try value.optionalBool("byte_fallback") ?? false)
    }
}
