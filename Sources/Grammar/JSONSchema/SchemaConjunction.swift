internal import JSONCore

/// The kinds of JSON values, integers apart from other numbers.
struct SchemaTypes: OptionSet, Hashable {
    let rawValue: Int
    static let null = SchemaTypes(rawValue: 1)
    static let boolean = SchemaTypes(rawValue: 2)
    static let integer = SchemaTypes(rawValue: 4)
    static let fraction = SchemaTypes(rawValue: 8)
    static let string = SchemaTypes(rawValue: 16)
    static let array = SchemaTypes(rawValue: 32)
    static let object = SchemaTypes(rawValue: 64)
    static let number: SchemaTypes = [.integer, .fraction]
    static let any: SchemaTypes = [.null, .boolean, .number, .string, .array, .object]

    init(rawValue: Int) { self.rawValue = rawValue }

    init?(name: String) {
        switch name {
        case "null": self = .null
        case "boolean": self = .boolean
        case "integer": self = .integer
        case "number": self = .number
        case "string": self = .string
        case "array": self = .array
        case "object": self = .object
        case "any": self = .any
        default: return nil
        }
    }

    init(of value: JSON) {
        switch value {
        case .null: self = .null
        case .bool: self = .boolean
        case .int: self = .integer
        case .double(let number): self = number.rounded() == number ? .integer : .fraction
        case .string: self = .string
        case .array: self = .array
        case .object: self = .object
        }
    }
}

/// All that several schemas together demand of one value.
struct SchemaConjunction {
    typealias ID = SchemaDocument.ID

    struct Bound {
        var value: SchemaDecimal
        var isExclusive: Bool
    }

    /// What one schema demands of the elements of an array.
    struct ArrayPart {
        var prefix: [ID] = []
        var rest: ID?
        /// The place of the schema.
        var pointer = ""
    }

    /// What one schema demands of the members of an object.
    struct ObjectPart {
        var properties: [(name: String, schema: ID)] = []
        var patterns: [(pattern: String, schema: ID)] = []
        var additional: ID?
        /// The place of the schema.
        var pointer = ""
    }

    /// A member that must be there, whose name is none of some and matches some patterns and others not.
    struct Wanted {
        var names: [String] = []
        var patterns: [(pattern: String, isExcluded: Bool)] = []
        /// What its value must satisfy.
        var schemas: [ID] = []
    }

    var types = SchemaTypes.any
    /// No value can satisfy it.
    var isNever = false
    /// The only values that are allowed; `nil`: any.
    var allowed: [JSON]?
    var excluded: [JSON] = []

    var minimumLength = 0
    var maximumLength: Int?
    var patterns: [(pattern: String, isExcluded: Bool)] = []
    var formats: Set<String> = []

    var lower: Bound?
    var upper: Bound?
    var multiples: [(step: SchemaDecimal, isExcluded: Bool)] = []

    var arrays: [ArrayPart] = []
    var minimumItems = 0
    var maximumItems: Int?
    /// Schemas of which each must match so many elements.
    var contains: [(schema: ID, minimum: Int)] = []
    /// Whether `contains` is given, even for no element at all.
    var hasContains = false

    var objects: [ObjectPart] = []
    var required: [String] = []
    var minimumProperties = 0
    var maximumProperties: Int?
    var propertyNames: [ID] = []
    var wanted: [Wanted] = []
    /// Whether `properties` or `required` is given, even if empty.
    var listsMembers = false

    /// What schemas demand of members and elements that nothing else is said of; the schemas that say so.
    var unevaluated: [(keyword: String, scope: ID, schema: ID)] = []

    /// Lists of alternatives. Of each list one alternative must hold, with all of its schemas.
    var disjunctions: [[[ID]]] = []
    /// The schemas without their applicators, which bring in further schemas of the same value.
    var leaves: [ID] = []
    /// The place of the first schema, for errors.
    var pointer = "#"

    mutating func raise(_ bound: Bound) {
        guard let lower else { return self.lower = bound }
        let order = bound.value.compare(lower.value)
        if order > 0 || (order == 0 && bound.isExclusive) { self.lower = bound }
    }

    mutating func lower(_ bound: Bound) {
        guard let upper else { return self.upper = bound }
        let order = bound.value.compare(upper.value)
        if order < 0 || (order == 0 && bound.isExclusive) { self.upper = bound }
    }

    mutating func restrict(to values: [JSON]) {
        guard let allowed else {
            var seen: Set<SchemaValue> = []
            return self.allowed = values.filter { seen.insert(SchemaValue($0)).inserted }
        }
        let listed = Set(values.map { SchemaValue($0) })
        self.allowed = allowed.filter { listed.contains(SchemaValue($0)) }
    }

    /// What is excluded, to be looked up.
    var excludedValues: Set<SchemaValue> { Set(excluded.map { SchemaValue($0) }) }

    /// Removes listed values that something else excludes, and kinds of values that are not listed.
    mutating func settle() {
        if let values = allowed {
            let excluded = excludedValues
            let kept = values.filter { allows($0) && !excluded.contains(SchemaValue($0)) }
            allowed = kept
            types.formIntersection(kept.reduce(into: SchemaTypes()) { $0.formUnion(SchemaTypes(of: $1)) })
        }
        if let maximumLength, maximumLength < minimumLength { types.remove(.string) }
        if let maximumItems, maximumItems < minimumItems { types.remove(.array) }
        if let maximumProperties, maximumProperties < max(minimumProperties, required.count) { types.remove(.object) }
        if let lower, let upper {
            let order = lower.value.compare(upper.value)
            if order > 0 || (order == 0 && (lower.isExclusive || upper.isExclusive)) { types.subtract(.number) }
        }
        if types.isEmpty { isNever = true }
    }

    /// Whether a listed value passes the checks that need no automaton.
    private func allows(_ value: JSON) -> Bool {
        guard types.isSuperset(of: SchemaTypes(of: value)) else { return false }
        if let text = value.stringValue {
            let count = text.unicodeScalars.count
            return count >= minimumLength && count <= maximumLength ?? .max
        }
        guard let number = SchemaDecimal(value) else { return true }
        if let lower {
            let order = number.compare(lower.value)
            if order < 0 || (order == 0 && lower.isExclusive) { return false }
        }
        if let upper {
            let order = number.compare(upper.value)
            if order > 0 || (order == 0 && upper.isExclusive) { return false }
        }
        return true
    }
}
