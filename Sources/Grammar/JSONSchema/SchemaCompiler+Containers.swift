internal import JSONCore

extension SchemaCompiler {
    /// The most elements with schemas of their own.
    private static let prefixLimit = 5_000

    // MARK: Arrays

    private func schemas(ofElement index: Int, in conjunction: SchemaConjunction) -> [ID] {
        conjunction.arrays.compactMap { part in
            index < part.prefix.count ? part.prefix[index] : part.rest
        }
    }

    mutating func isNever(_ ids: [ID]) throws(GrammarError) -> Bool {
        try reader.conjunction(of: ids).isNever
    }

    mutating func array(
        _ conjunction: SchemaConjunction, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        var conjunction = conjunction
        conjunction.arrays += try reader.unevaluatedElements(conjunction)
        let prefixCount = conjunction.arrays.reduce(0) { max($0, $1.prefix.count) }
        guard prefixCount <= SchemaCompiler.prefixLimit else {
            throw .tooComplex(what: "elements with schemas of their own", limit: SchemaCompiler.prefixLimit)
        }
        var maximum = conjunction.maximumItems ?? .max
        for index in 0...prefixCount where index < maximum {
            if try isNever(schemas(ofElement: index, in: conjunction)) { maximum = index }
        }
        let minimum = conjunction.minimumItems
        guard minimum <= maximum else { return GrammarBuilder.never }
        let marks = try builder.jsonPunctuation()
        if !conjunction.contains.isEmpty {
            return try containing(conjunction, prefixCount, minimum...maximum, marks, &builder)
        }
        let fixedCount = min(max(prefixCount, 1), maximum)
        // Built from the end: the node of what may come after so many elements.
        var tail = GrammarBuilder.empty
        if maximum > fixedCount {
            let rest = try node(for: schemas(ofElement: fixedCount, in: conjunction), &builder)
            tail = try builder.add(
                repetition: try builder.add(sequence: [marks.comma, rest]), minimum: max(minimum - fixedCount, 0),
                maximum: maximum == .max ? nil : maximum - fixedCount)
        }
        tail = try builder.add(sequence: [tail, marks.listClose])
        for index in (0..<fixedCount).reversed() {
            let element = try node(for: schemas(ofElement: index, in: conjunction), &builder)
            let comma = index == 0 ? [] : [marks.comma]
            let more = try builder.add(sequence: comma + [element, tail])
            tail = index >= minimum ? try builder.add(choice: [marks.listClose, more]) : more
        }
        return try builder.add(sequence: [marks.listOpen, tail])
    }

    /// Arrays with an element that matches a further schema. The first such element may stand anywhere.
    private mutating func containing(
        _ conjunction: SchemaConjunction, _ prefixCount: Int, _ counts: ClosedRange<Int>, _ marks: JSONPunctuation,
        _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        guard conjunction.contains.count == 1, let wanted = conjunction.contains.first, wanted.minimum == 1,
            prefixCount == 0, counts.lowerBound <= 64, counts.upperBound <= 64 || counts.upperBound == .max
        else { throw .unsupported("keyword 'contains' beside such others", at: "schema: \(conjunction.pointer)") }
        let ids = schemas(ofElement: 0, in: conjunction)
        let element = try node(for: ids, &builder)
        let match = try node(for: ids + [wanted.schema], &builder)
        func run(_ part: Int32, _ minimum: Int, _ maximum: Int?, _ builder: inout GrammarBuilder) throws(GrammarError)
            -> Int32
        {
            try builder.add(repetition: part, minimum: max(minimum, 0), maximum: maximum)
        }
        let before = try builder.add(sequence: [element, marks.comma])
        let after = try builder.add(sequence: [marks.comma, element])
        let (least, most) = (counts.lowerBound, counts.upperBound)
        guard most > 0 else { return GrammarBuilder.never }
        var ways: [Int32] = []
        let places = most == .max ? max(least - 1, 0) : most
        for place in 0..<places {
            let rest = most == .max ? nil : most - place - 1
            ways.append(
                try builder.add(sequence: [
                    try run(before, place, place, &builder), match, try run(after, least - place - 1, rest, &builder),
                ]))
        }
        if most == .max {
            ways.append(
                try builder.add(sequence: [
                    try run(before, places, nil, &builder), match, try run(after, 0, nil, &builder),
                ]))
        }
        return try builder.add(sequence: [marks.listOpen, try builder.add(choice: ways), marks.listClose])
    }

    // MARK: Objects

    mutating func object(
        _ conjunction: SchemaConjunction, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        var conjunction = conjunction
        conjunction.objects += try reader.unevaluatedMembers(conjunction)
        guard conjunction.wanted.isEmpty else {
            var ways: [Int32] = []
            for way in try waysToHaveWanted(in: conjunction) {
                ways.append(try object(way.conjunction, way.others, &builder))
            }
            return try builder.add(choice: ways)
        }
        return try object(conjunction, [], &builder)
    }

    /// The names that schemas say something of, in order.
    func names(in conjunction: SchemaConjunction) -> [String] {
        var names: [String] = []
        var known: Set<String> = []
        for part in conjunction.objects {
            for property in part.properties where known.insert(property.name).inserted { names.append(property.name) }
        }
        for name in conjunction.required where known.insert(name).inserted { names.append(name) }
        return names
    }

    /// - Parameter wanted: members of other names that must be there.
    private mutating func object(
        _ conjunction: SchemaConjunction, _ wanted: [SchemaConjunction.Wanted], _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        let names = names(in: conjunction)
        var result = GrammarObject(members: [], others: [])
        result.minimumCount = conjunction.minimumProperties
        result.maximumCount = conjunction.maximumProperties
        let required = Set(conjunction.required)
        let keyParts = try propertyNameParts(conjunction)
        for name in names {
            let pointer = conjunction.pointer
            var compiler = self
            let ids = try reader.schemas(ofMember: name, in: conjunction) { pattern throws(GrammarError) in
                try compiler.matches(name, pattern, pointer)
            }
            patternAutomata.merge(compiler.patternAutomata) { known, _ in known }
            if try isNever(ids) {
                if required.contains(name) { return GrammarBuilder.never }
                continue
            }
            let key = try key([name], isExcluded: false, keyParts, &builder)
            result.members.append(
                .init(key: key, value: try node(for: ids, &builder), isRequired: required.contains(name)))
        }
        for member in wanted {
            guard let made = try other(member, names, conjunction, keyParts, &builder) else {
                return GrammarBuilder.never
            }
            result.members.append(made)
        }
        try addOthers(names, conjunction, keyParts, &result, &builder)
        return try builder.add(object: result)
    }

    mutating func matches(_ name: String, _ pattern: String, _ pointer: String) throws(GrammarError) -> Bool {
        let automaton = try automaton(pattern, pointer)
        var states = automaton.closure(automaton.start)
        // The automaton reads names as JSON writes them.
        let written = Array(JSON.string(name).text.utf8)
        for byte in written.dropFirst().dropLast() { states = automaton.step(states, byte) }
        return automaton.accepts(states)
    }

    /// Members of other names, one kind for each set of the patterns that a name may match.
    private mutating func addOthers(
        _ names: [String], _ conjunction: SchemaConjunction, _ keyParts: KeyParts, _ result: inout GrammarObject,
        _ builder: inout GrammarBuilder
    ) throws(GrammarError) {
        var patterns: [String] = []
        for part in conjunction.objects {
            for (pattern, _) in part.patterns where !patterns.contains(pattern) { patterns.append(pattern) }
        }
        guard patterns.count <= 10 else { throw .tooComplex(what: "patterns of property names", limit: 10) }
        for choice in 0..<1 << patterns.count {
            func isMatched(_ pattern: String) -> Bool {
                patterns.firstIndex(of: pattern).map { choice >> $0 & 1 != 0 } ?? false
            }
            var ids: [ID] = []
            for part in conjunction.objects {
                let matched = part.patterns.filter { isMatched($0.pattern) }
                ids += matched.map(\.schema)
                if matched.isEmpty, let additional = part.additional { ids.append(additional) }
            }
            if try isNever(ids) { continue }
            // A model that may make up names would do so before it writes the required ones.
            let isUnasked = ids.isEmpty && conjunction.listsMembers && result.minimumCount <= result.requiredCount
            if builder.isCompact, isUnasked { continue }
            var parts = keyParts
            for (index, pattern) in patterns.enumerated() {
                parts.parts.append(
                    Lexeme.Part(
                        automaton: try automaton(pattern, conjunction.pointer), isExcluded: choice >> index & 1 == 0))
            }
            let key = try key(names, isExcluded: true, parts, &builder)
            result.others.append(.init(key: key, value: try node(for: ids, &builder), isRequired: false))
        }
    }

    /// The schemas that names of members must satisfy.
    struct KeyParts {
        var parts: [Lexeme.Part] = []
        var minimumLength = 0
        var maximumLength: Int?
        var isNever = false

        var isPlain: Bool { parts.isEmpty && minimumLength == 0 && maximumLength == nil }
    }

    private mutating func propertyNameParts(_ conjunction: SchemaConjunction) throws(GrammarError) -> KeyParts {
        var result = KeyParts()
        guard !conjunction.propertyNames.isEmpty else { return result }
        let names = try reader.conjunction(of: conjunction.propertyNames)
        guard names.disjunctions.isEmpty else {
            throw .unsupported("'anyOf', 'oneOf' or 'not' under 'propertyNames'", at: "schema: \(conjunction.pointer)")
        }
        result.isNever = names.isNever || !names.types.contains(.string)
        result.parts = try stringParts(names)
        if names.allowed == nil {
            (result.minimumLength, result.maximumLength) = (names.minimumLength, names.maximumLength)
        }
        return result
    }

    /// The keys that are one of some names, or those that are none of them.
    func key(
        _ names: [String], isExcluded: Bool, _ keyParts: KeyParts, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        if keyParts.isNever { return GrammarBuilder.never }
        if !isExcluded, keyParts.isPlain {
            return try builder.add(
                lexeme: Lexeme(try NFABuilder.texts(names, .jsonString, prefix: [0x22], suffix: [0x22])))
        }
        var parts = keyParts.parts
        if !names.isEmpty {
            parts.append(Lexeme.Part(automaton: try NFABuilder.texts(names, .jsonString), isExcluded: isExcluded))
        }
        return try builder.add(
            lexeme: Lexeme(
                frame: .jsonString(minimum: keyParts.minimumLength, maximum: keyParts.maximumLength), parts: parts))
    }
}
