internal import JSONCore

extension GrammarBuilder {
    /// Values that a JSON schema accepts, drafts 7 to 2020-12.
    /// - Throws: `JSONError` for a text that is no JSON, ``GrammarError`` for what is malformed or not supported.
    package mutating func addJSONSchema(_ text: String) throws -> Int32 {
        let document = try SchemaDocument(JSON(try JSONDocument(parsing: text, source: "schema").root))
        var strict = self
        var compiler = SchemaCompiler(document, negatesMembers: true)
        do throws(GrammarError) {
            let node = try compiler.compile(document.root, into: &strict)
            strict.notes += compiler.reader.notes
            self = strict
            return node
        } catch {
            // Where branches of `oneOf` can be told apart only at too high a price, they are not.
            guard error.isLimit, compiler.reader.hasNegatedMembers else { throw error }
        }
        compiler = SchemaCompiler(document, negatesMembers: false)
        let node = try compiler.compile(document.root, into: &self)
        notes += compiler.reader.notes
        return node
    }
}

/// Makes nodes of schemas: one for each set of schemas that a value must satisfy together.
struct SchemaCompiler {
    typealias ID = SchemaDocument.ID
    private static let placeLimit = 30_000
    /// The same where members of other names are negated, which is given up past it.
    private static let strictPlaceLimit = 1_000

    var reader: SchemaReader
    private var nodes: [[ID]: Int32] = [:]
    private var pending: [[ID]] = []
    private var basics: [String: Int32] = [:]
    var patternAutomata: [String: NFA] = [:]

    init(_ document: SchemaDocument, negatesMembers: Bool) {
        reader = SchemaReader(document, negatesMembers: negatesMembers)
    }

    mutating func compile(_ root: ID, into builder: inout GrammarBuilder) throws(GrammarError) -> Int32 {
        _ = try builder.jsonPunctuation()
        let node = try node(for: [root], &builder)
        while let key = pending.popLast() {
            guard let number = nodes[key] else { continue }
            builder.nodes[Int(number)] = try make(key, &builder)
        }
        return node
    }

    /// The node of a value that satisfies some schemas. It is filled in later, so that schemas can refer to themselves.
    mutating func node(for ids: [ID], _ builder: inout GrammarBuilder) throws(GrammarError) -> Int32 {
        let key = Array(Set(ids.filter { !isTrivial($0) })).sorted()
        if let known = nodes[key] { return known }
        let limit = reader.hasNegatedMembers ? SchemaCompiler.strictPlaceLimit : SchemaCompiler.placeLimit
        guard nodes.count < limit else {
            throw .tooComplex(what: "combinations of schemas", limit: SchemaCompiler.placeLimit)
        }
        let new = try builder.add(.never)
        nodes[key] = new
        pending.append(key)
        return new
    }

    private func isTrivial(_ id: ID) -> Bool {
        let schema = reader.document[id]
        return schema.keywords.map { $0.isEmpty } ?? schema.accepts
    }

    private mutating func make(_ key: [ID], _ builder: inout GrammarBuilder) throws(GrammarError) -> GrammarNode {
        let conjunction = try reader.conjunction(of: key)
        if conjunction.isNever { return .never }
        var parts: [Int32] = []
        if conjunction.disjunctions.isEmpty {
            parts = try values(conjunction, &builder)
        } else {
            for alternative in try combinations(of: conjunction) {
                parts.append(try node(for: conjunction.leaves + alternative, &builder))
            }
        }
        return .choice(parts)
    }

    /// All ways to choose one alternative from each list, without those that are obviously impossible.
    private mutating func combinations(of conjunction: SchemaConjunction) throws(GrammarError) -> [[ID]] {
        var result: [[ID]] = [[]]
        for alternatives in conjunction.disjunctions {
            var next: [[ID]] = []
            for chosen in result {
                for alternative in alternatives {
                    let ids = chosen + alternative
                    let whole = try reader.conjunction(of: conjunction.leaves + ids)
                    if try !reader.isEmpty(whole, depth: 0) { next.append(ids) }
                }
            }
            result = next
            guard result.count <= SchemaReader.alternativeLimit else {
                throw .tooComplex(
                    what: "combinations of anyOf, oneOf, not and if", limit: SchemaReader.alternativeLimit)
            }
        }
        return result
    }

    // MARK: Values

    /// The nodes of the kinds of values that the schemas allow.
    private mutating func values(
        _ conjunction: SchemaConjunction, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> [Int32] {
        var parts: [Int32] = []
        let types = conjunction.types
        let excluded = conjunction.excludedValues
        func isPossible(_ value: JSON) -> Bool { !excluded.contains(SchemaValue(value)) }
        if types.contains(.null), isPossible(.null) { parts.append(try basic("null", &builder)) }
        if types.contains(.boolean) {
            let words: [(JSON, String)] = [(.bool(true), "true"), (.bool(false), "false")]
            for (value, word) in words {
                let isListed = conjunction.allowed.map { $0.contains(value) } ?? true
                if isListed, isPossible(value) { parts.append(try basic(word, &builder)) }
            }
        }
        if !types.isDisjoint(with: .number) { parts.append(try number(conjunction, &builder)) }
        if types.contains(.string) { parts.append(try string(conjunction, &builder)) }
        if let allowed = conjunction.allowed {
            parts += try listedContainers(allowed, conjunction, &builder)
        } else {
            if types.contains(.array) { parts.append(try array(conjunction, &builder)) }
            if types.contains(.object) { parts.append(try object(conjunction, &builder)) }
        }
        return parts
    }

    private mutating func basic(_ word: String, _ builder: inout GrammarBuilder) throws(GrammarError) -> Int32 {
        if let known = basics[word] { return known }
        let made = try builder.addText(word)
        basics[word] = made
        return made
    }

    /// The arrays and objects of an `enum` or `const`, each as a schema that must hold together with the others.
    private mutating func listedContainers(
        _ values: [JSON], _ conjunction: SchemaConjunction, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> [Int32] {
        var parts: [Int32] = []
        var others: [ID] = []
        for leaf in conjunction.leaves { others.append(reader.document.omitting(.values, of: leaf)) }
        for value in values {
            guard let first = conjunction.leaves.first, let schema = SchemaCompiler.schema(of: value) else { continue }
            let id = try reader.made(first, "value \(value.text)", schema)
            parts.append(try node(for: others + [id], &builder))
        }
        return parts
    }

    /// The schema of an array or an object of an `enum`: it accepts this value alone.
    private static func schema(of value: JSON) -> [String: JSON]? {
        switch value {
        case .array(let elements):
            // `items` as an array and `enum` mean the same in every draft.
            [
                "type": "array", "items": .array(elements.map { SchemaCompiler.only($0) }),
                "additionalItems": .bool(false), "minItems": .int(elements.count), "maxItems": .int(elements.count),
            ]
        case .object(let members):
            [
                "type": "object", "required": .array(members.map { .string($0.key) }),
                "additionalProperties": .bool(false),
                "properties": .object(
                    members.map { .init(key: $0.key, value: SchemaCompiler.only($0.value)) }),
            ]
        default: nil
        }
    }

    private static func only(_ value: JSON) -> JSON { .object([.init(key: "enum", value: .array([value]))]) }

    // MARK: Scalars

    private mutating func number(
        _ conjunction: SchemaConjunction, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        let isPlain =
            conjunction.allowed == nil && conjunction.excluded.isEmpty && conjunction.lower == nil
            && conjunction.upper == nil && conjunction.multiples.isEmpty
        let name = "number \(conjunction.types.intersection(.number).rawValue)"
        if isPlain, let known = basics[name] { return known }
        let isInteger = !conjunction.types.contains(.fraction)
        let numbers =
            builder.isCompact
            ? try NumberAutomata.written(isInteger: isInteger)
            : isInteger ? try NumberAutomata.integer() : try NumberAutomata.number()
        var parts = [Lexeme.Part(automaton: numbers)]
        if !conjunction.types.contains(.integer) {
            parts.append(Lexeme.Part(automaton: try NumberAutomata.integer(), isExcluded: true))
        }
        if let bound = conjunction.lower {
            let order: NumberAutomata.Order = bound.isExclusive ? .greater : [.greater, .equal]
            parts.append(Lexeme.Part(automaton: try NumberAutomata.comparisons([(bound.value, order)])))
        }
        if let bound = conjunction.upper {
            let order: NumberAutomata.Order = bound.isExclusive ? .less : [.less, .equal]
            parts.append(Lexeme.Part(automaton: try NumberAutomata.comparisons([(bound.value, order)])))
        }
        for (step, isExcluded) in conjunction.multiples {
            guard let automaton = try NumberAutomata.multiples(of: step) else {
                throw .unsupported("keyword 'multipleOf' with so large a number", at: "schema: \(conjunction.pointer)")
            }
            parts.append(Lexeme.Part(automaton: automaton, isExcluded: isExcluded))
        }
        for (values, isExcluded) in [(conjunction.allowed, false), (conjunction.excluded, true)] {
            guard let numbers = values?.compactMap({ SchemaDecimal($0) }), !(isExcluded && numbers.isEmpty) else {
                continue
            }
            let automaton = try NumberAutomata.comparisons(numbers.map { ($0, .equal) })
            parts.append(Lexeme.Part(automaton: automaton, isExcluded: isExcluded))
        }
        let made = try builder.add(lexeme: Lexeme(parts: parts))
        if isPlain { basics[name] = made }
        return made
    }

    private mutating func string(
        _ conjunction: SchemaConjunction, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        let parts = try stringParts(conjunction)
        let isPlain = parts.isEmpty && conjunction.minimumLength == 0 && conjunction.maximumLength == nil
        if isPlain, let known = basics["string"] { return known }
        let made = try builder.add(lexeme: SchemaCompiler.stringLexeme(conjunction, parts))
        if isPlain { basics["string"] = made }
        return made
    }

    static func stringLexeme(_ conjunction: SchemaConjunction, _ parts: [Lexeme.Part]) -> Lexeme {
        // The length of listed values was checked already.
        let isListed = conjunction.allowed != nil
        return Lexeme(
            frame: .jsonString(
                minimum: isListed ? 0 : min(conjunction.minimumLength, 1 << 30),
                maximum: isListed ? nil : conjunction.maximumLength.map { min($0, 1 << 30) }), parts: parts)
    }

    /// The lexeme parts that the characters of a string must match.
    mutating func stringParts(_ conjunction: SchemaConjunction) throws(GrammarError) -> [Lexeme.Part] {
        var parts: [Lexeme.Part] = []
        if let allowed = conjunction.allowed {
            parts.append(Lexeme.Part(automaton: try NFABuilder.texts(allowed.compactMap(\.stringValue), .jsonString)))
        }
        let excluded = conjunction.excluded.compactMap(\.stringValue)
        if !excluded.isEmpty {
            parts.append(Lexeme.Part(automaton: try NFABuilder.texts(excluded, .jsonString), isExcluded: true))
        }
        for (pattern, isExcluded) in conjunction.patterns {
            parts.append(
                Lexeme.Part(automaton: try automaton(pattern, conjunction.pointer), isExcluded: isExcluded))
        }
        for format in conjunction.formats.sorted() {
            guard let pattern = StringFormats.pattern(format) else { continue }
            parts.append(Lexeme.Part(automaton: try automaton(pattern, conjunction.pointer, scope: .wholeText)))
        }
        return parts
    }

    /// The automaton of a pattern over the characters of a JSON string.
    mutating func automaton(
        _ pattern: String, _ pointer: String, scope: RegexScope = .anywhere
    ) throws(GrammarError) -> NFA {
        let key = (scope == .anywhere ? "~" : "=") + pattern
        if let known = patternAutomata[key] { return known }
        let made = try NFA(
            regex: pattern, scope: scope, encoding: .jsonString, source: "schema: \(pointer)/pattern '\(pattern)'")
        patternAutomata[key] = made
        return made
    }
}
