internal import JSONCore

/// Members that must be there, whatever their names are: what the negation of `additionalProperties` asks for.
extension SchemaCompiler {
    private static let wantedLimit = 3
    private static let wayLimit = 64

    /// Each wanted member is one of those that are named, which is then required, or one of another name.
    mutating func waysToHaveWanted(
        in conjunction: SchemaConjunction
    ) throws(GrammarError) -> [(conjunction: SchemaConjunction, others: [SchemaConjunction.Wanted])] {
        guard conjunction.wanted.count <= SchemaCompiler.wantedLimit else {
            throw .tooComplex(what: "members of any name that must be there", limit: SchemaCompiler.wantedLimit)
        }
        guard conjunction.objects.allSatisfy({ $0.patterns.isEmpty }) else {
            throw .unsupported("'patternProperties' beside such others", at: "schema: \(conjunction.pointer)")
        }
        var plain = conjunction
        plain.wanted = []
        var result: [(conjunction: SchemaConjunction, others: [SchemaConjunction.Wanted])] = [(plain, [])]
        let names = names(in: conjunction)
        for wanted in conjunction.wanted {
            var next = result.map { ($0.conjunction, $0.others + [wanted]) }
            for way in result {
                for index in way.others.indices {
                    // One member can be what several ask for.
                    var others = way.others
                    others[index].names += wanted.names
                    others[index].patterns += wanted.patterns
                    others[index].schemas += wanted.schemas
                    next.append((way.conjunction, others))
                }
            }
            for name in names where try fits(name, wanted, conjunction.pointer) {
                var part = SchemaConjunction.ObjectPart()
                part.properties = wanted.schemas.map { (name, $0) }
                for way in result {
                    var named = way.conjunction
                    named.objects.append(part)
                    if !named.required.contains(name) { named.required.append(name) }
                    next.append((named, way.others))
                }
            }
            result = next
            guard result.count <= SchemaCompiler.wayLimit else {
                throw .tooComplex(what: "ways to have members that must be there", limit: SchemaCompiler.wayLimit)
            }
        }
        return result
    }

    private mutating func fits(
        _ name: String, _ wanted: SchemaConjunction.Wanted, _ pointer: String
    ) throws(GrammarError) -> Bool {
        guard !wanted.names.contains(name) else { return false }
        for (pattern, isExcluded) in wanted.patterns where try matches(name, pattern, pointer) == isExcluded {
            return false
        }
        return true
    }

    /// A wanted member whose name is none of those that are named; `nil` where there can be none.
    mutating func other(
        _ wanted: SchemaConjunction.Wanted, _ names: [String], _ conjunction: SchemaConjunction, _ keyParts: KeyParts,
        _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> GrammarObject.Member? {
        let ids = conjunction.objects.compactMap(\.additional) + wanted.schemas
        if try isNever(ids) { return nil }
        var parts = keyParts
        for (pattern, isExcluded) in wanted.patterns {
            parts.parts.append(
                Lexeme.Part(automaton: try automaton(pattern, conjunction.pointer), isExcluded: isExcluded))
        }
        let key = try key(names + wanted.names, isExcluded: true, parts, &builder)
        return .init(key: key, value: try node(for: ids, &builder), isRequired: true)
    }
}
