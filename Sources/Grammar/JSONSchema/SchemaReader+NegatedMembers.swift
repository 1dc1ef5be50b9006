internal import JSONCore

/// The negation of keywords that say something of members and elements other than those that are named.
extension SchemaReader {
    mutating func otherNegation(
        of keyword: String, _ value: JSON, _ id: ID, _ keywords: [String: JSON]
    ) throws(GrammarError) -> [[ID]] {
        switch (keyword, value) {
        case ("additionalProperties", _):
            let child = try document.child(id, [keyword], value)
            let patterns = SchemaReader.keys(keywords["patternProperties"]).map { ($0, true) }
            return [[try wanted(id, "other", SchemaReader.keys(keywords["properties"]), patterns, child)]]
        case ("patternProperties", .object(let members)):
            var result: [[ID]] = []
            for member in members {
                let child = try document.child(id, [keyword, member.key], member.value)
                if document[child].keywords?.isEmpty ?? document[child].accepts { continue }
                result.append([try wanted(id, "pattern \(member.key)", [], [(member.key, false)], child)])
            }
            return result
        case ("dependentRequired", .object(let members)):
            var result: [[ID]] = []
            for member in members {
                for case .string(let name) in member.value.arrayValue ?? [] {
                    let absent: JSON = .object([.init(key: name, value: .bool(false))])
                    let schema: [String: JSON] = [
                        "type": "object", "required": .array([.string(member.key)]), "properties": absent,
                    ]
                    result.append([try made(id, "\(member.key) without \(name)", schema)])
                }
            }
            return result
        case ("oneOf", .array(let list)):
            let branches = try children(keyword, of: id, keywords)
            guard list.count <= 8 else { break }
            var none: [ID] = []
            for branch in branches { none.append(try notSchema(branch)) }
            var result = [none]
            for first in branches.indices {
                for second in branches.indices where second > first {
                    result.append([branches[first], branches[second]])
                }
            }
            return result
        case ("prefixItems", .array(let list)):
            var result: [[ID]] = []
            for (index, element) in list.enumerated() {
                let child = try document.child(id, [keyword, "\(index)"], element)
                if document[child].keywords?.isEmpty ?? document[child].accepts { continue }
                let negated: JSON = .object([.init(key: SchemaKeyword.negated, value: .int(Int(child)))])
                let items = Array(repeating: JSON.object([]), count: index) + [negated]
                result.append([
                    try made(
                        id, "not element \(index)",
                        ["type": "array", "items": .array(items), "minItems": .int(index + 1)])
                ])
            }
            return result
        default: break
        }
        throw .unsupported("'\(keyword)' under 'not'", at: "schema: \(document[id].pointer)")
    }

    private static func keys(_ value: JSON?) -> [String] {
        guard case .object(let members)? = value else { return [] }
        return members.map(\.key)
    }

    /// A schema of objects with a member of another name whose value does not satisfy a schema.
    private mutating func wanted(
        _ id: ID, _ name: String, _ names: [String], _ patterns: [(String, Bool)], _ schema: ID
    ) throws(GrammarError) -> ID {
        let parts: [JSON.Member] = [
            .init(key: "names", value: .array(names.map { .string($0) })),
            .init(
                key: "patterns",
                value: .object(patterns.map { .init(key: $0.0, value: .bool($0.1)) })),
            .init(key: "schema", value: .int(Int(try notSchema(schema)))),
        ]
        return try made(id, "not \(name)", ["type": "object", SchemaKeyword.wanted: .object(parts)])
    }

    static func wanted(_ value: JSON) -> SchemaConjunction.Wanted {
        var result = SchemaConjunction.Wanted()
        if case .int(let schema)? = value["schema"] { result.schemas = [ID(schema)] }
        result.names = (value["names"]?.arrayValue ?? []).compactMap(\.stringValue)
        guard case .object(let patterns)? = value["patterns"] else { return result }
        result.patterns = patterns.map { ($0.key, $0.value == .bool(true)) }
        return result
    }
}
