internal import JSONCore

/// `unevaluatedProperties` and `unevaluatedItems`: what holds for members and elements of which nothing else says
/// anything, neither the schema itself nor one that it brings in for the same value.
extension SchemaReader {
    static let unevaluatedKeywords = ["unevaluatedProperties", "unevaluatedItems"]

    mutating func readUnevaluated(
        _ id: ID, _ keywords: [String: JSON], _ result: inout SchemaConjunction
    ) throws(GrammarError) {
        for keyword in SchemaReader.unevaluatedKeywords {
            guard let value = keywords[keyword] else { continue }
            result.unevaluated.append((keyword, id, try document.child(id, [keyword], value)))
        }
    }

    /// The demands of `unevaluatedProperties` as those of `additionalProperties` beside all names that are evaluated.
    mutating func unevaluatedMembers(_ conjunction: SchemaConjunction) throws(GrammarError)
        -> [SchemaConjunction.ObjectPart]
    {
        var result: [SchemaConjunction.ObjectPart] = []
        for (scope, schema) in try unevaluated(conjunction, "unevaluatedProperties") {
            let parts = conjunction.objects.filter { scope.contains($0.pointer) }
            if parts.contains(where: { $0.additional != nil }) { continue }
            let anything = try document.add(.bool(true), pointer: "#\u{1}true", base: "")
            var part = SchemaConjunction.ObjectPart()
            part.properties = parts.flatMap { part in part.properties.map { ($0.name, anything) } }
            part.patterns = parts.flatMap { part in part.patterns.map { ($0.pattern, anything) } }
            part.additional = schema
            result.append(part)
        }
        return result
    }

    /// The demands of `unevaluatedItems` as those of `items` behind all elements that are evaluated.
    mutating func unevaluatedElements(_ conjunction: SchemaConjunction) throws(GrammarError)
        -> [SchemaConjunction.ArrayPart]
    {
        var result: [SchemaConjunction.ArrayPart] = []
        for (scope, schema) in try unevaluated(conjunction, "unevaluatedItems") {
            guard !conjunction.hasContains else {
                throw .unsupported("'unevaluatedItems' beside 'contains'", at: "schema: \(conjunction.pointer)")
            }
            let parts = conjunction.arrays.filter { scope.contains($0.pointer) }
            if parts.contains(where: { $0.rest != nil }) { continue }
            let anything = try document.add(.bool(true), pointer: "#\u{1}true", base: "")
            var part = SchemaConjunction.ArrayPart()
            part.prefix = Array(repeating: anything, count: parts.map(\.prefix.count).max() ?? 0)
            part.rest = schema
            result.append(part)
        }
        return result
    }

    /// Those of the keyword that leave anything to say, with the places of the schemas that they look at. Where one of
    /// these has the keyword itself, it has said what there is to say.
    private mutating func unevaluated(
        _ conjunction: SchemaConjunction, _ keyword: String
    ) throws(GrammarError) -> [(scope: Set<String>, schema: ID)] {
        let entries = conjunction.unevaluated.filter { $0.keyword == keyword }
        var result: [(scope: Set<String>, schema: ID)] = []
        for entry in entries {
            let scope = try scope(of: entry.scope)
            let own = document[entry.scope].pointer
            let isSaid = entries.contains { other in
                let place = document[other.scope].pointer
                return place != own && scope.contains(place)
            }
            if !isSaid { result.append((scope, entry.schema)) }
        }
        return result
    }

    /// The places of a schema and of those that it brings in for the same value.
    private mutating func scope(of id: ID) throws(GrammarError) -> Set<String> {
        var result: Set<String> = []
        var pending = [id]
        while let id = pending.popLast() {
            guard result.insert(document[id].pointer).inserted, let keywords = document[id].keywords else { continue }
            if let reference = keywords["$ref"]?.stringValue {
                pending.append(try document.target(of: reference, from: id))
            }
            for keyword in ["allOf", "anyOf", "oneOf"] { pending += try children(keyword, of: id, keywords) }
            for keyword in ["if", "then", "else"] {
                if let value = keywords[keyword] { pending.append(try document.child(id, [keyword], value)) }
            }
            guard case .object(let members)? = keywords["dependentSchemas"] else { continue }
            for member in members {
                pending.append(try document.child(id, ["dependentSchemas", member.key], member.value))
            }
        }
        return result
    }

    /// The ways in which `anyOf` holds. Where it counts which members and elements are evaluated, every set of branches
    /// that hold together is one.
    mutating func alternatives(_ branches: [ID], _ schema: SchemaDocument.Schema) -> [[ID]] {
        guard document.hasUnevaluated else { return branches.map { [$0] } }
        guard branches.count <= 4 else {
            let note =
                "schema: \(schema.pointer)/anyOf: what several of so many branches say together counts as unevaluated"
            if !notes.contains(note) { notes.append(note) }
            return branches.map { [$0] }
        }
        return (1..<1 << branches.count).map { chosen in
            branches.indices.filter { chosen >> $0 & 1 != 0 }.map { branches[$0] }
        }
    }
}
