internal import JSONCore

/// The schemas of one document by number, those that were derived from them, and the targets of `$ref`.
struct SchemaDocument {
    typealias ID = Int32

    struct Schema {
        /// The schema's object; `nil` for `true` and `false`.
        var keywords: [String: JSON]?
        var accepts: Bool
        /// A JSON pointer from the document's root, for errors.
        var pointer: String
        /// The URI that references are resolved against.
        var base: String
        /// Keywords that are left out, because they were taken into account already.
        var omits: Omission = []
    }

    struct Omission: OptionSet, Hashable {
        let rawValue: Int
        /// `$ref`, `allOf`, `anyOf` and all other keywords that bring in further schemas of the same value.
        static let applicators = Omission(rawValue: 1)
        static let values = Omission(rawValue: 2)
    }

    private struct Resource {
        var value: JSON
        var pointer: String
    }

    private struct Key: Hashable {
        var pointer: String
        var omits: Omission
    }

    static let schemaLimit = 200_000
    private(set) var schemas: [Schema] = []
    private var numbers: [Key: ID] = [:]
    private var resources: [String: Resource] = [:]
    private var anchors: [String: Resource] = [:]
    /// Whether the draft is 7 or older: keywords beside `$ref` are then ignored.
    let isLegacy: Bool
    /// Whether a schema says something of members or elements that are not evaluated.
    private(set) var hasUnevaluated = false
    private let identifierKey: String
    /// Keywords that the declared draft does not have, which are ignored.
    private let unknownKeywords: Set<String>
    private(set) var root: ID = 0

    /// - Throws: ``GrammarError`` for a value that is no schema.
    init(_ value: JSON) throws(GrammarError) {
        let dialect = value["$schema"]?.stringValue ?? ""
        let legacy = ["draft-03", "draft-04", "draft-06", "draft-07"]
        let isUndeclared = dialect.isEmpty && value["definitions"] != nil && value["$defs"] == nil
        isLegacy = legacy.contains { dialect.contains($0) } || isUndeclared
        identifierKey = dialect.contains("draft-04") || dialect.contains("draft-03") ? "id" : "$id"
        unknownKeywords = SchemaKeyword.unknown(in: dialect)
        resources[""] = Resource(value: value, pointer: "#")
        var names = SchemaNames()
        try names.check(value)
        try scan(value, "#", base: "")
        root = try add(value, pointer: "#", base: base(of: value, in: ""))
    }

    subscript(id: ID) -> Schema { schemas[Int(id)] }

    // MARK: Schemas

    /// - Parameter base: the base URI of the surrounding schema.
    mutating func add(_ value: JSON, pointer: String, base: String) throws(GrammarError) -> ID {
        let key = Key(pointer: pointer, omits: [])
        if let known = numbers[key] { return known }
        guard schemas.count < SchemaDocument.schemaLimit else {
            throw .tooComplex(what: "schemas", limit: SchemaDocument.schemaLimit)
        }
        switch value {
        case .bool(let accepts):
            schemas.append(Schema(keywords: nil, accepts: accepts, pointer: pointer, base: base))
        case .object(let members):
            let known = members.filter { !unknownKeywords.contains($0.key) }
            let keywords = Dictionary(known.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
            schemas.append(
                Schema(
                    keywords: keywords, accepts: true, pointer: pointer, base: self.base(of: value, in: base)))
        default:
            throw .invalidSchema(keyword: "", at: pointer, expected: "an object, true or false")
        }
        let id = ID(schemas.count - 1)
        numbers[key] = id
        return id
    }

    /// The schema under a keyword of another schema.
    mutating func child(_ parent: ID, _ steps: [String], _ value: JSON) throws(GrammarError) -> ID {
        let schema = schemas[Int(parent)]
        let pointer = ([schema.pointer] + steps.map(SchemaURI.escaped)).joined(separator: "/")
        return try add(value, pointer: pointer, base: schema.base)
    }

    /// The same schema without the keywords that were taken into account.
    mutating func omitting(_ omission: Omission, of id: ID) -> ID {
        var schema = schemas[Int(id)]
        guard !schema.omits.isSuperset(of: omission) else { return id }
        schema.omits.formUnion(omission)
        let key = Key(pointer: schema.pointer, omits: schema.omits)
        if let known = numbers[key] { return known }
        schemas.append(schema)
        let new = ID(schemas.count - 1)
        numbers[key] = new
        return new
    }

    // MARK: References

    private func base(of value: JSON, in base: String) -> String {
        guard let id = value[identifierKey]?.stringValue, !(isLegacy && value["$ref"] != nil) else { return base }
        let (uri, _) = SchemaURI.split(id)
        return uri.isEmpty ? base : SchemaURI.resolve(uri, against: base)
    }

    private static let maps = [
        "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies",
    ]
    private static let lists = ["allOf", "anyOf", "oneOf", "prefixItems", "items"]
    private static let singles = [
        "items", "additionalItems", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
        "unevaluatedItems", "unevaluatedProperties", "contentSchema",
    ]

    /// Finds identifiers and anchors. The depth is bounded by the JSON reader.
    private mutating func scan(_ value: JSON, _ pointer: String, base: String) throws(GrammarError) {
        guard case .object = value else { return }
        if value["unevaluatedProperties"] != nil || value["unevaluatedItems"] != nil { hasUnevaluated = true }
        let own = self.base(of: value, in: base)
        if own != base { resources[own] = Resource(value: value, pointer: pointer) }
        if let id = value[identifierKey]?.stringValue {
            let (_, fragment) = SchemaURI.split(id)
            if !fragment.isEmpty { anchors[own + "#" + fragment] = Resource(value: value, pointer: pointer) }
        }
        for key in ["$anchor", "$dynamicAnchor"] {
            if let name = value[key]?.stringValue {
                anchors[own + "#" + name] = Resource(value: value, pointer: pointer)
            }
        }
        for key in SchemaDocument.maps {
            guard case .object(let members)? = value[key] else { continue }
            for member in members {
                try scan(member.value, "\(pointer)/\(key)/\(SchemaURI.escaped(member.key))", base: own)
            }
        }
        for key in SchemaDocument.lists {
            for (index, element) in (value[key]?.arrayValue ?? []).enumerated() {
                try scan(element, "\(pointer)/\(key)/\(index)", base: own)
            }
        }
        for key in SchemaDocument.singles {
            if let child = value[key] { try scan(child, "\(pointer)/\(key)", base: own) }
        }
    }

    /// The schema that a reference in another schema points to.
    mutating func target(of reference: String, from id: ID) throws(GrammarError) -> ID {
        let schema = schemas[Int(id)]
        let (uri, fragment) = SchemaURI.split(reference)
        let base = SchemaURI.resolve(uri, against: schema.base)
        func unresolved() -> GrammarError { .unresolvedReference(reference, at: schema.pointer) }
        if let anchor = anchors[base + "#" + fragment], !fragment.isEmpty {
            return try add(anchor.value, pointer: anchor.pointer, base: base)
        }
        guard let resource = resources[base] ?? (base.isEmpty ? resources[""] : nil),
            let steps = SchemaURI.pointerSteps(fragment)
        else { throw unresolved() }
        var (value, pointer, inner) = (resource.value, resource.pointer, base)
        for (index, step) in steps.enumerated() {
            switch value {
            case .object:
                guard let next = value[step] else { throw unresolved() }
                value = next
            case .array(let elements):
                guard let place = Int(step), elements.indices.contains(place) else { throw unresolved() }
                value = elements[place]
            default: throw unresolved()
            }
            pointer += "/" + SchemaURI.escaped(step)
            if index + 1 < steps.count { inner = self.base(of: value, in: inner) }
        }
        return try add(value, pointer: pointer, base: inner)
    }
}
