internal import JSONCore

/// Collects what schemas demand of one value.
struct SchemaReader {
    typealias ID = SchemaDocument.ID

    var document: SchemaDocument
    /// Notices: what is followed less strictly than it is written.
    var notes: [String] = []
    /// Whether keywords of members other than those that are named are negated too. This takes more nodes.
    let negatesMembers: Bool
    /// Whether one was.
    var hasNegatedMembers = false

    init(_ document: SchemaDocument, negatesMembers: Bool) {
        self.document = document
        self.negatesMembers = negatesMembers
    }

    /// The most alternatives at one place.
    static let alternativeLimit = 256

    // MARK: Conjunctions

    /// - Throws: ``GrammarError`` for what is not supported or malformed.
    mutating func conjunction(of ids: [ID]) throws(GrammarError) -> SchemaConjunction {
        var result = SchemaConjunction()
        if let first = ids.first { result.pointer = document[first].pointer }
        var pending = Array(ids.reversed())
        var visited: Set<ID> = []
        while let id = pending.popLast() {
            guard visited.insert(id).inserted else { continue }
            try read(id, &result, &pending)
        }
        result.settle()
        return result
    }

    mutating func read(
        _ id: ID, _ result: inout SchemaConjunction, _ pending: inout [ID]
    ) throws(GrammarError) {
        let schema = document[id]
        guard let keywords = schema.keywords else {
            if !schema.accepts { result.isNever = true }
            return
        }
        result.leaves.append(document.omitting(.applicators, of: id))
        let isReference = document.isLegacy && keywords["$ref"] != nil
        if !schema.omits.contains(.applicators) {
            try readApplicators(id, isReference ? ["$ref": keywords["$ref"] ?? .null] : keywords, &result, &pending)
        }
        if isReference { return }
        for keyword in keywords.keys where SchemaKeyword.unsupported.contains(keyword) {
            if SchemaReader.unevaluatedKeywords.contains(keyword) { continue }
            throw .unsupported("keyword '\(keyword)'", at: "schema: \(schema.pointer)")
        }
        try readUnevaluated(id, keywords, &result)
        try readGeneral(keywords, schema, &result)
        try readStrings(keywords, schema, &result)
        try readNumbers(keywords, schema, &result)
        try readArrays(id, keywords, schema, &result)
        try readObjects(id, keywords, schema, &result)
    }

    func invalid(_ keyword: String, _ schema: SchemaDocument.Schema, _ expected: String) -> GrammarError {
        .invalidSchema(keyword: keyword, at: schema.pointer, expected: expected)
    }

    private func count(
        _ keyword: String, _ keywords: [String: JSON], _ schema: SchemaDocument.Schema
    ) throws(GrammarError) -> Int? {
        guard let value = keywords[keyword] else { return nil }
        switch value {
        case .int(let number) where number >= 0: return number
        case .double(let number) where number >= 0 && number.rounded() == number: return Int(min(number, 1e15))
        default: throw invalid(keyword, schema, "an integer from 0")
        }
    }

    /// A schema that stands nowhere in the document.
    mutating func made(_ parent: ID, _ name: String, _ keywords: [String: JSON]) throws(GrammarError) -> ID {
        let members = keywords.sorted { $0.key < $1.key }.map { JSON.Member(key: $0.key, value: $0.value) }
        let schema = document[parent]
        return try document.add(.object(members), pointer: "\(schema.pointer)\u{1}\(name)", base: schema.base)
    }

    mutating func notSchema(_ id: ID) throws(GrammarError) -> ID {
        try made(id, "not", [SchemaKeyword.negated: .int(Int(id))])
    }

    // MARK: Keywords

    private func readGeneral(
        _ keywords: [String: JSON], _ schema: SchemaDocument.Schema, _ result: inout SchemaConjunction
    ) throws(GrammarError) {
        if let type = keywords["type"] {
            var types = SchemaTypes()
            for name in type.arrayValue ?? [type] {
                guard let text = name.stringValue, let one = SchemaTypes(name: text) else {
                    throw invalid("type", schema, "the name of a JSON type, or an array of them")
                }
                types.formUnion(one)
            }
            if case .bool(true)? = keywords["nullable"] { types.formUnion(.null) }
            result.types.formIntersection(types)
        }
        if case .int(let bits)? = keywords[SchemaKeyword.types] {
            result.types.formIntersection(SchemaTypes(rawValue: bits))
        }
        if let excluded = keywords[SchemaKeyword.excludedValues]?.arrayValue { result.excluded += excluded }
        guard !schema.omits.contains(.values) else { return }
        if let values = keywords["enum"] {
            guard let list = values.arrayValue else { throw invalid("enum", schema, "an array") }
            result.restrict(to: list)
        }
        if let value = keywords["const"] { result.restrict(to: [value]) }
    }

    private func readStrings(
        _ keywords: [String: JSON], _ schema: SchemaDocument.Schema, _ result: inout SchemaConjunction
    ) throws(GrammarError) {
        if let length = try count("minLength", keywords, schema) {
            result.minimumLength = max(result.minimumLength, length)
        }
        if let length = try count("maxLength", keywords, schema) {
            result.maximumLength = min(result.maximumLength ?? .max, length)
        }
        for (keyword, isExcluded) in [("pattern", false), (SchemaKeyword.excludedPattern, true)] {
            guard let value = keywords[keyword] else { continue }
            guard let pattern = value.stringValue else { throw invalid(keyword, schema, "a regular expression") }
            result.patterns.append((pattern, isExcluded))
        }
        if let format = keywords["format"] {
            guard let name = format.stringValue else { throw invalid("format", schema, "a string") }
            result.formats.insert(name)
        }
    }

    private func readNumbers(
        _ keywords: [String: JSON], _ schema: SchemaDocument.Schema, _ result: inout SchemaConjunction
    ) throws(GrammarError) {
        func decimal(_ keyword: String) throws(GrammarError) -> SchemaDecimal? {
            guard let value = keywords[keyword] else { return nil }
            // In draft 4 a boolean says that the other bound is exclusive.
            if case .bool = value, keyword.hasPrefix("exclusive") { return nil }
            guard let number = SchemaDecimal(value) else { throw invalid(keyword, schema, "a number") }
            return number
        }
        if let value = try decimal("minimum") {
            result.raise(.init(value: value, isExclusive: keywords["exclusiveMinimum"] == .bool(true)))
        }
        if let value = try decimal("maximum") {
            result.lower(.init(value: value, isExclusive: keywords["exclusiveMaximum"] == .bool(true)))
        }
        if let value = try decimal("exclusiveMinimum") { result.raise(.init(value: value, isExclusive: true)) }
        if let value = try decimal("exclusiveMaximum") { result.lower(.init(value: value, isExclusive: true)) }
        for (keyword, isExcluded) in [("multipleOf", false), (SchemaKeyword.excludedMultiple, true)] {
            guard let step = try decimal(keyword) else { continue }
            guard !step.isZero, !step.isNegative else { throw invalid(keyword, schema, "a number over 0") }
            result.multiples.append((step, isExcluded))
        }
    }

    private mutating func readArrays(
        _ id: ID, _ keywords: [String: JSON], _ schema: SchemaDocument.Schema, _ result: inout SchemaConjunction
    ) throws(GrammarError) {
        var part = SchemaConjunction.ArrayPart(pointer: schema.pointer)
        var hasPart = false
        var prefixKeyword = "prefixItems"
        var prefix = document.isLegacy ? nil : keywords["prefixItems"]?.arrayValue
        var restKeyword = "items"
        if let list = keywords["items"]?.arrayValue {
            (prefixKeyword, prefix, restKeyword) = ("items", list, "additionalItems")
        }
        for (index, element) in (prefix ?? []).enumerated() {
            part.prefix.append(try document.child(id, [prefixKeyword, "\(index)"], element))
            hasPart = true
        }
        if let rest = keywords[restKeyword] {
            part.rest = try document.child(id, [restKeyword], rest)
            hasPart = true
        }
        if hasPart { result.arrays.append(part) }
        if let minimum = try count("minItems", keywords, schema) {
            result.minimumItems = max(result.minimumItems, minimum)
        }
        if let maximum = try count("maxItems", keywords, schema) {
            result.maximumItems = min(result.maximumItems ?? .max, maximum)
        }
        if keywords["uniqueItems"] == .bool(true), result.maximumItems ?? .max > 1, result.types.contains(.array) {
            throw .unsupported("keyword 'uniqueItems'", at: "schema: \(schema.pointer)")
        }
        if let contained = keywords["contains"] {
            let minimum = try count("minContains", keywords, schema) ?? 1
            if keywords["maxContains"] != nil {
                throw .unsupported("keyword 'maxContains'", at: "schema: \(schema.pointer)")
            }
            let child = try document.child(id, ["contains"], contained)
            result.hasContains = true
            if minimum > 0 { result.contains.append((child, minimum)) }
        }
    }

    private mutating func readObjects(
        _ id: ID, _ keywords: [String: JSON], _ schema: SchemaDocument.Schema, _ result: inout SchemaConjunction
    ) throws(GrammarError) {
        if keywords["properties"] != nil || keywords["required"] != nil { result.listsMembers = true }
        var part = SchemaConjunction.ObjectPart(pointer: schema.pointer)
        func members(_ keyword: String) throws(GrammarError) -> [JSON.Member] {
            guard let value = keywords[keyword] else { return [] }
            guard case .object(let members) = value else { throw invalid(keyword, schema, "an object") }
            return members
        }
        for member in try members("properties") {
            part.properties.append((member.key, try document.child(id, ["properties", member.key], member.value)))
        }
        for member in try members("patternProperties") {
            part.patterns.append((member.key, try document.child(id, ["patternProperties", member.key], member.value)))
        }
        if let additional = keywords["additionalProperties"] {
            part.additional = try document.child(id, ["additionalProperties"], additional)
        }
        if !part.properties.isEmpty || !part.patterns.isEmpty || part.additional != nil { result.objects.append(part) }
        if let required = keywords["required"], required.arrayValue == nil, case .bool = required {
            // In draft 3 `required` stands in the property's schema, where it means nothing here.
        } else if let required = keywords["required"] {
            guard let names = required.arrayValue?.map(\.stringValue), !names.contains(nil) else {
                throw invalid("required", schema, "an array of strings")
            }
            for case let name? in names where !result.required.contains(name) { result.required.append(name) }
        }
        if let minimum = try count("minProperties", keywords, schema) {
            result.minimumProperties = max(result.minimumProperties, minimum)
        }
        if let maximum = try count("maxProperties", keywords, schema) {
            result.maximumProperties = min(result.maximumProperties ?? .max, maximum)
        }
        if let wanted = keywords[SchemaKeyword.wanted] { result.wanted.append(SchemaReader.wanted(wanted)) }
        if let names = keywords["propertyNames"] {
            result.propertyNames.append(try document.child(id, ["propertyNames"], names))
        }
    }

    /// The schemas that a member of a name must satisfy.
    /// - Parameter isMatch: whether the name matches a pattern; `nil`: this is not known, and what depends on it is
    ///   left out.
    mutating func schemas(
        ofMember name: String, in conjunction: SchemaConjunction, isMatch: (String) throws(GrammarError) -> Bool?
    ) throws(GrammarError) -> [ID] {
        var result: [ID] = []
        for part in conjunction.objects {
            var isNamed = false
            for property in part.properties where property.name == name {
                result.append(property.schema)
                isNamed = true
            }
            for (pattern, schema) in part.patterns {
                guard let matches = try isMatch(pattern) else {
                    isNamed = true
                    continue
                }
                if matches {
                    result.append(schema)
                    isNamed = true
                }
            }
            if !isNamed, let additional = part.additional { result.append(additional) }
        }
        return result
    }
}
