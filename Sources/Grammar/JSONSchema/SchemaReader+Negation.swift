internal import JSONCore

extension SchemaReader {
    /// The alternatives of which one holds where a schema does not.
    /// - Throws: ``GrammarError/unsupported(_:at:)`` for keywords that cannot be negated.
    mutating func negation(of id: ID) throws(GrammarError) -> [[ID]] {
        let schema = document[id]
        guard let keywords = schema.keywords else { return schema.accepts ? [] : [[]] }
        var result: [[ID]] = []
        if let reference = keywords["$ref"]?.stringValue {
            result.append([try notSchema(try document.target(of: reference, from: id))])
            if document.isLegacy { return result }
        }
        for (keyword, value) in keywords.sorted(by: { $0.key < $1.key }) where keyword != "$ref" {
            result += try negation(of: keyword, value, id, keywords)
        }
        return result
    }

    private mutating func negation(
        of keyword: String, _ value: JSON, _ id: ID, _ keywords: [String: JSON]
    ) throws(GrammarError) -> [[ID]] {
        func one(_ keywords: [String: JSON], _ reader: inout SchemaReader) throws(GrammarError) -> [[ID]] {
            [[try reader.made(id, "not \(keyword)", keywords)]]
        }
        switch keyword {
        case SchemaKeyword.types: return try one([SchemaKeyword.types: .int(~SchemaReader.bits(value))], &self)
        case "type":
            var types = SchemaTypes()
            for name in value.arrayValue ?? [value] { types.formUnion(SchemaTypes(name: name.stringValue ?? "") ?? []) }
            let others = SchemaTypes.any.subtracting(types)
            return others.isEmpty ? [] : try one([SchemaKeyword.types: .int(others.rawValue)], &self)
        case "enum": return [try exclusion(of: value.arrayValue ?? [], keyword, id)]
        case "const": return [try exclusion(of: [value], keyword, id)]
        case "minimum": return try one(["type": "number", "exclusiveMaximum": value], &self)
        case "maximum": return try one(["type": "number", "exclusiveMinimum": value], &self)
        case "exclusiveMinimum": return try one(["type": "number", "maximum": value], &self)
        case "exclusiveMaximum": return try one(["type": "number", "minimum": value], &self)
        case "multipleOf": return try one(["type": "number", SchemaKeyword.excludedMultiple: value], &self)
        case "pattern": return try one(["type": "string", SchemaKeyword.excludedPattern: value], &self)
        case "minLength", "minItems", "minProperties":
            guard let count = SchemaReader.count(value), count > 0 else { return [] }
            let (type, maximum) = SchemaReader.counted(keyword)
            return try one(["type": type, maximum: .int(count - 1)], &self)
        case "maxLength", "maxItems", "maxProperties":
            guard let count = SchemaReader.count(value), count < .max else { return [] }
            let (type, minimum) = SchemaReader.counted(keyword)
            return try one(["type": type, minimum: .int(count + 1)], &self)
        default: return try structuralNegation(of: keyword, value, id, keywords)
        }
    }

    /// The schemas that hold together where a value is none of some. Scalars are excluded as texts; of an array or an
    /// object it is said how a value can differ from it.
    private mutating func exclusion(of values: [JSON], _ keyword: String, _ id: ID) throws(GrammarError) -> [ID] {
        var result = [try made(id, "not \(keyword)", [SchemaKeyword.excludedValues: .array(values)])]
        for value in values {
            guard let ways = SchemaReader.differences(from: value) else { continue }
            result.append(try made(id, "not value \(value.text)", ["anyOf": .array(ways)]))
        }
        return result
    }

    /// Schemas of which one holds for every value but this array or object.
    private static func differences(from value: JSON) -> [JSON]? {
        func schema(_ type: JSON, _ members: [JSON.Member]) -> JSON {
            .object([.init(key: "type", value: type)] + members)
        }
        func other(than value: JSON) -> JSON {
            .object([.init(key: "not", value: .object([.init(key: "enum", value: .array([value]))]))])
        }
        let others = SchemaTypes.any.subtracting(SchemaTypes(of: value))
        var ways: [JSON] = [.object([.init(key: SchemaKeyword.types, value: .int(others.rawValue))])]
        switch value {
        case .array(let elements):
            ways.append(schema("array", [.init(key: "minItems", value: .int(elements.count + 1))]))
            if !elements.isEmpty {
                ways.append(schema("array", [.init(key: "maxItems", value: .int(elements.count - 1))]))
            }
            for (index, element) in elements.enumerated() {
                // `items` as an array means the same in every draft.
                let items = Array(repeating: JSON.object([]), count: index) + [other(than: element)]
                ways.append(
                    schema(
                        "array",
                        [.init(key: "items", value: .array(items)), .init(key: "minItems", value: .int(index + 1))]))
            }
        case .object(let members):
            ways.append(schema("object", [.init(key: "minProperties", value: .int(members.count + 1))]))
            for member in members {
                let absent = JSON.object([.init(key: member.key, value: .bool(false))])
                let changed = JSON.object([.init(key: member.key, value: other(than: member.value))])
                ways.append(schema("object", [.init(key: "properties", value: absent)]))
                ways.append(
                    schema(
                        "object",
                        [
                            .init(key: "properties", value: changed),
                            .init(key: "required", value: .array([.string(member.key)])),
                        ]))
            }
        default: return nil
        }
        return ways
    }

    /// - Throws: ``GrammarError/unsupported(_:at:)`` where a schema, or one that it needs, cannot be negated.
    mutating func checkNegation(of id: ID, _ visited: inout Set<ID>) throws(GrammarError) {
        guard visited.insert(id).inserted else { return }
        _ = try negation(of: id)
        guard let keywords = document[id].keywords else { return }
        if let reference = keywords["$ref"]?.stringValue {
            try checkNegation(of: try document.target(of: reference, from: id), &visited)
            if document.isLegacy { return }
        }
        for keyword in negatesMembers ? ["allOf", "anyOf", "oneOf", "prefixItems"] : ["allOf", "anyOf"] {
            for (index, element) in (keywords[keyword]?.arrayValue ?? []).enumerated() {
                try checkNegation(of: try document.child(id, [keyword, "\(index)"], element), &visited)
            }
        }
        for keyword in negatesMembers ? ["properties", "patternProperties"] : ["properties"] {
            guard case .object(let members)? = keywords[keyword] else { continue }
            for member in members {
                try checkNegation(of: try document.child(id, [keyword, member.key], member.value), &visited)
            }
        }
        if negatesMembers, let others = keywords["additionalProperties"], case .object = others {
            try checkNegation(of: try document.child(id, ["additionalProperties"], others), &visited)
        }
        if let items = keywords["items"], case .object = items {
            try checkNegation(of: try document.child(id, ["items"], items), &visited)
        }
    }

    /// A count. It may be written as `2.0`.
    private static func count(_ value: JSON) -> Int? {
        switch value {
        case .int(let count): count
        case .double(let count) where count.rounded() == count && abs(count) < 1e15: Int(count)
        default: nil
        }
    }

    private static func bits(_ value: JSON) -> Int { if case .int(let bits) = value { bits } else { 0 } }

    private static func counted(_ keyword: String) -> (type: JSON, opposite: String) {
        let opposite = (keyword.hasPrefix("min") ? "max" : "min") + keyword.dropFirst(3)
        return (keyword.hasSuffix("Length") ? "string" : keyword.hasSuffix("Items") ? "array" : "object", opposite)
    }

    private mutating func structuralNegation(
        of keyword: String, _ value: JSON, _ id: ID, _ keywords: [String: JSON]
    ) throws(GrammarError) -> [[ID]] {
        switch (keyword, value) {
        case ("required", .array(let names)):
            var result: [[ID]] = []
            for case .string(let name) in names {
                let absent: JSON = .object([.init(key: name, value: .bool(false))])
                result.append([try made(id, "not required \(name)", ["type": "object", "properties": absent])])
            }
            return result
        case ("properties", .object(let members)):
            var result: [[ID]] = []
            for member in members {
                let child = try document.child(id, ["properties", member.key], member.value)
                if document[child].keywords?.isEmpty ?? document[child].accepts { continue }
                let negated: JSON = .object([.init(key: SchemaKeyword.negated, value: .int(Int(child)))])
                result.append([
                    try made(
                        id, "not property \(member.key)",
                        [
                            "type": "object", "required": [.string(member.key)],
                            "properties": .object([.init(key: member.key, value: negated)]),
                        ])
                ])
            }
            return result
        case ("allOf", .array(let list)):
            var result: [[ID]] = []
            for (index, element) in list.enumerated() {
                result.append([try notSchema(try document.child(id, ["allOf", "\(index)"], element))])
            }
            return result
        case ("anyOf", .array(let list)):
            var all: [ID] = []
            for (index, element) in list.enumerated() {
                all.append(try notSchema(try document.child(id, ["anyOf", "\(index)"], element)))
            }
            return [all]
        case ("not", _): return [[try document.child(id, ["not"], value)]]
        case (SchemaKeyword.negated, .int(let number)): return [[ID(number)]]
        case ("items", .object), ("items", .bool(false)):
            guard keywords["prefixItems"] == nil else { break }
            let child = try document.child(id, ["items"], value)
            let negated: JSON = .object([.init(key: SchemaKeyword.negated, value: .int(Int(child)))])
            return [[try made(id, "not items", ["type": "array", "contains": negated])]]
        case ("additionalProperties", .bool(true)), ("items", .bool(true)), ("uniqueItems", .bool(false)): return []
        case ("additionalProperties", .object(let members)) where members.isEmpty: return []
        case ("additionalProperties", .object), ("additionalProperties", .bool), ("patternProperties", .object),
            ("dependentRequired", .object), ("oneOf", .array), ("prefixItems", .array):
            guard negatesMembers else { break }
            hasNegatedMembers = true
            return try otherNegation(of: keyword, value, id, keywords)
        case ("then", _), ("else", _), ("minContains", _), ("additionalItems", _): return []
        case ("format", .string(let name)) where !StringFormats.isEnforced(name): return []
        default:
            if isAssertion(keyword) {
                throw GrammarError.unsupported("'\(keyword)' under 'not'", at: "schema: \(document[id].pointer)")
            }
            return []
        }
        throw GrammarError.unsupported("'\(keyword)' under 'not'", at: "schema: \(document[id].pointer)")
    }

    private func isAssertion(_ keyword: String) -> Bool {
        let known: Set<String> = [
            "format", "items", "contains", "maxContains", "uniqueItems", "additionalProperties", "patternProperties",
            "propertyNames", "oneOf", "if", "dependencies", "dependentRequired", "dependentSchemas", "prefixItems",
            "$ref", "required", "properties", SchemaKeyword.excludedValues, SchemaKeyword.excludedPattern,
            SchemaKeyword.excludedMultiple,
        ]
        return known.contains(keyword) || SchemaKeyword.unsupported.contains(keyword)
    }
}
