internal import JSONCore

/// `oneOf`: exactly one of several schemas.
extension SchemaReader {
    private static let depthLimit = 4

    /// Exactly one of some schemas: each with all others excluded, except where they are disjoint anyway.
    mutating func exclusive(_ ids: [ID], _ schema: SchemaDocument.Schema) throws(GrammarError) -> [[ID]] {
        var alternatives = ids.map { [$0] }
        do throws(GrammarError) {
            for first in ids.indices {
                for second in ids.indices where first != second {
                    if try areDisjoint([ids[first]], [ids[second]], depth: 0) { continue }
                    let excluded = try notSchema(ids[second])
                    var visited: Set<ID> = []
                    try checkNegation(of: ids[second], &visited)
                    alternatives[first].append(excluded)
                }
            }
            return alternatives
        } catch .unsupported where !document.hasUnevaluated {
            // Where it counts what was evaluated, it matters which branches hold.
            let note = "schema: \(schema.pointer)/oneOf is followed as anyOf, since its branches can not be told apart"
            if !notes.contains(note) { notes.append(note) }
            return ids.map { [$0] }
        }
    }

    /// Whether it is obvious that no value satisfies both.
    private mutating func areDisjoint(_ first: [ID], _ second: [ID], depth: Int) throws(GrammarError) -> Bool {
        try isEmpty(try plainConjunction(of: first + second), depth: depth)
    }

    /// Whether it is obvious that no value satisfies it.
    mutating func isEmpty(_ conjunction: SchemaConjunction, depth: Int) throws(GrammarError) -> Bool {
        if conjunction.isNever { return true }
        guard depth < SchemaReader.depthLimit else { return false }
        guard conjunction.types == .object else { return false }
        // Where only named members may be there, none of another name can be.
        for part in conjunction.objects where part.patterns.isEmpty && !conjunction.wanted.isEmpty {
            guard let additional = part.additional, document[additional].keywords == nil, !document[additional].accepts
            else { continue }
            for wanted in conjunction.wanted {
                let names = Set(wanted.names)
                if part.properties.allSatisfy({ names.contains($0.name) }) { return true }
            }
        }
        for name in conjunction.required {
            let ids = try schemas(ofMember: name, in: conjunction, isMatch: { _ in nil })
            if try isEmpty(try plainConjunction(of: ids), depth: depth + 1) { return true }
        }
        return false
    }

    /// Decided without negation, which could lead back here.
    private mutating func plainConjunction(of ids: [ID]) throws(GrammarError) -> SchemaConjunction {
        var result = SchemaConjunction()
        var pending = Array(ids.reversed())
        var visited: Set<ID> = []
        while let id = pending.popLast() {
            guard visited.insert(id).inserted else { continue }
            guard let keywords = document[id].keywords else {
                if !document[id].accepts { result.isNever = true }
                continue
            }
            if !document[id].omits.contains(.applicators) {
                if let reference = keywords["$ref"]?.stringValue {
                    pending.append(try document.target(of: reference, from: id))
                }
                pending += try children("allOf", of: id, keywords)
            }
            try read(document.omitting(.applicators, of: id), &result, &pending)
        }
        result.settle()
        return result
    }
}
