internal import JSONCore

/// A value by what it equals in JSON Schema: numbers by value, members in any order, texts code point by code point.
enum SchemaValue: Hashable {
    case null
    case bool(Bool)
    case number(SchemaDecimal)
    /// A number too large or too small to be counted exactly.
    case extreme(Double)
    case string([UInt8])
    case array([SchemaValue])
    case object([[UInt8]: SchemaValue])

    init(_ value: JSON) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .int: self = .number(SchemaDecimal(value) ?? .zero)
        case .double(let number): self = SchemaDecimal(value).map(SchemaValue.number) ?? .extreme(number)
        case .string(let text): self = .string(Array(text.utf8))
        case .array(let elements): self = .array(elements.map { SchemaValue($0) })
        case .object(let members):
            self = .object(
                Dictionary(
                    members.map { (Array($0.key.utf8), SchemaValue($0.value)) }, uniquingKeysWith: { $1 }))
        }
    }
}

/// Finds names of members that look alike and are not: "é" of one code point, and as an e with an accent. Swift's strings
/// are equal then, so such a schema could not be followed.
struct SchemaNames {
    private var known: [String: String] = [:]
    /// Keywords whose texts are values, which are told apart.
    private static let valueKeywords: Set<String> = ["enum", "const", "default", "examples"]

    /// - Throws: ``GrammarError/unsupported(_:at:)``.
    mutating func check(_ value: JSON, isValue: Bool = false) throws(GrammarError) {
        switch value {
        case .object(let members):
            for member in members {
                try add(member.key)
                try check(member.value, isValue: SchemaNames.valueKeywords.contains(member.key))
            }
        case .array(let elements):
            for element in elements {
                if let text = element.stringValue, !isValue { try add(text) }
                try check(element, isValue: isValue)
            }
        default: break
        }
    }

    private mutating func add(_ name: String) throws(GrammarError) {
        guard let same = known.updateValue(name, forKey: name) else { return }
        guard same.utf8.elementsEqual(name.utf8) else {
            throw .unsupported("the name '\(name)' in two spellings that look alike", at: "schema")
        }
    }
}
