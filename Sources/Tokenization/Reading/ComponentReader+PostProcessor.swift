internal import JSONCore

extension ComponentReader {
    private static let postProcessors = [
        "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing", "Sequence",
    ]

    static func postProcessor(_ value: JSONValue) throws -> PostProcessor {
        switch try kind(value) {
        // It only trims offsets, which are not kept here.
        case "ByteLevel": return .none
        case "TemplateProcessing":
            let special = try specialTokens(value)
            return .template(
                single: try value.requireArray("single").map { try part($0, special) },
                pair: try value.requireArray("pair").map { try part($0, special) })
        case "BertProcessing":
            return .bert(separator: try tokenID(value, "sep"), classifier: try tokenID(value, "cls"))
        case "RobertaProcessing":
            return .roberta(separator: try tokenID(value, "sep"), classifier: try tokenID(value, "cls"))
        case "Sequence":
            var result = PostProcessor.none
            for element in try value.requireArray("processors") {
                let processor = try postProcessor(element)
                guard case .template = processor else { continue }
                guard case .none = result else {
                    throw invalid(element, "a second post-processor that adds tokens; only one is possible")
                }
                result = processor
            }
            return result
        case let name: throw unknown(value, "post-processor", name, postProcessors)
        }
    }

    /// Whether a post-processor leaves whitespace out of offsets; of several in sequence the last counts.
    static func offsetTrimming(_ value: JSONValue) throws -> OffsetTrimming? {
        switch try kind(value) {
        case "ByteLevel", "RobertaProcessing":
            guard try value.optionalBool("trim_offsets") ?? true else { return nil }
            return OffsetTrimming(addsPrefixSpace: try value.optionalBool("add_prefix_space") ?? true)
        case "Sequence": return try value.requireArray("processors").compactMap { try offsetTrimming($0) }.last
        default: return nil
        }
    }

    private static func specialTokens(_ value: JSONValue) throws -> [String: [Int]] {
        guard let object = try value.optional("special_tokens")?.requireObject() else { return [:] }
        var tokens: [String: [Int]] = [:]
        for (name, token) in object { tokens[name] = try token.requireArray("ids").map { try tokenID($0) } }
        return tokens
    }

    private static func part(_ value: JSONValue, _ special: [String: [Int]]) throws -> PostProcessor.Part {
        if let token = try value.optional("SpecialToken") {
            let name = try token.requireString("id")
            guard let ids = special[name] else {
                throw invalid(token, "\(quoted(name.utf8)) is not among the special_tokens of the template")
            }
            return .special(ids: ids, typeID: try typeID(token))
        }
        guard let sequence = try value.optional("Sequence") else {
            throw value.mismatch(expected: "a SpecialToken or a Sequence")
        }
        switch try sequence.requireString("id") {
        case "A": return .first(typeID: try typeID(sequence))
        case "B": return .second(typeID: try typeID(sequence))
        case let name: throw unknown(sequence, "sequence", name, ["A", "B"])
        }
    }

    private static func typeID(_ value: JSONValue) throws -> Int {
        try value.optional("type_id").map { try count($0) } ?? 0
    }

    /// The id in a pair such as `["[SEP]", 102]`.
    private static func tokenID(_ value: JSONValue, _ key: String) throws -> Int {
        let pair = try value.require(key)
        let elements = Array(try pair.requireArray())
        guard elements.count == 2 else { throw pair.mismatch(expected: "a token and its id") }
        return try tokenID(elements[1])
    }

    static func tokenID(_ value: JSONValue) throws -> Int {
        let id = try value.requireInt()
        guard id >= 0, id <= Vocabulary.maximumID else {
            throw value.mismatch(expected: "a token id (0 to \(Vocabulary.maximumID))")
        }
        return id
    }
}
