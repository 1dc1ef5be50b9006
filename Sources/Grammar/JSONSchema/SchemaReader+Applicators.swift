internal import JSONCore

/// Keywords that bring in further schemas of the same value.
extension SchemaReader {
    mutating func readApplicators(
        _ id: ID, _ keywords: [String: JSON], _ result: inout SchemaConjunction, _ pending: inout [ID]
    ) throws(GrammarError) {
        let schema = document[id]
        if let reference = keywords["$ref"] {
            guard let text = reference.stringValue else { throw invalid("$ref", schema, "a string") }
            pending.append(try document.target(of: text, from: id))
        }
        for child in try children("allOf", of: id, keywords) { pending.append(child) }
        let any = try children("anyOf", of: id, keywords)
        if any.count == 1 {
            pending.append(any[0])
        } else if !any.isEmpty {
            result.disjunctions.append(alternatives(any, schema))
        }
        let one = try children("oneOf", of: id, keywords)
        if one.count == 1 {
            pending.append(one[0])
        } else if !one.isEmpty {
            result.disjunctions.append(try exclusive(one, schema))
        }
        if let negated = keywords["not"] {
            result.disjunctions.append(try negation(of: try document.child(id, ["not"], negated)))
        }
        if case .int(let number)? = keywords[SchemaKeyword.negated] {
            result.disjunctions.append(try negation(of: ID(number)))
        }
        if let condition = keywords["if"] {
            let test = try document.child(id, ["if"], condition)
            let then = try optionalChild("then", of: id, keywords)
            let other = try optionalChild("else", of: id, keywords)
            if then != nil || other != nil || document.hasUnevaluated {
                result.disjunctions.append([
                    [test] + [then].compactMap { $0 }, [try notSchema(test)] + [other].compactMap { $0 },
                ])
            }
        }
        try readDependencies(id, keywords, &result)
    }

    private mutating func optionalChild(
        _ keyword: String, of id: ID, _ keywords: [String: JSON]
    ) throws(GrammarError) -> ID? {
        guard let value = keywords[keyword] else { return nil }
        return try document.child(id, [keyword], value)
    }

    mutating func children(
        _ keyword: String, of id: ID, _ keywords: [String: JSON]
    ) throws(GrammarError) -> [ID] {
        guard let value = keywords[keyword] else { return [] }
        guard let list = value.arrayValue, !list.isEmpty else {
            throw invalid(keyword, document[id], "an array of schemas")
        }
        var result: [ID] = []
        for (index, element) in list.enumerated() {
            result.append(try document.child(id, [keyword, "\(index)"], element))
        }
        return result
    }

    private mutating func readDependencies(
        _ id: ID, _ keywords: [String: JSON], _ result: inout SchemaConjunction
    ) throws(GrammarError) {
        for keyword in ["dependencies", "dependentRequired", "dependentSchemas"] {
            guard let value = keywords[keyword] else { continue }
            guard case .object(let members) = value else { throw invalid(keyword, document[id], "an object") }
            for member in members {
                let without = try made(
                    id, "without \(member.key)", ["properties": .object([.init(key: member.key, value: .bool(false))])])
                var needed: JSON = [.string(member.key)]
                var others: [ID] = []
                if case .array(let names) = member.value {
                    needed = .array([.string(member.key)] + names)
                } else {
                    others = [try document.child(id, [keyword, member.key], member.value)]
                }
                let with = try made(id, "with \(keyword) \(member.key)", ["type": "object", "required": needed])
                result.disjunctions.append([[without], [with] + others])
            }
        }
    }
}
