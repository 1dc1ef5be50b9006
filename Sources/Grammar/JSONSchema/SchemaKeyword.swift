/// Keywords of JSON Schema, and of our own for what negation makes.
enum SchemaKeyword {
    /// The set of types, as a number.
    static let types = "\u{0}types"
    static let excludedValues = "\u{0}excluded"
    static let excludedPattern = "\u{0}notPattern"
    static let excludedMultiple = "\u{0}notMultipleOf"
    /// The number of a schema that must not hold.
    static let negated = "\u{0}not"

    /// What says nothing of which values are valid.
    static let annotations: Set<String> = [
        "title", "description", "default", "examples", "example", "$comment", "deprecated", "readOnly", "writeOnly",
        "$schema", "$id", "id", "$anchor", "$defs", "definitions", "$vocabulary", "contentEncoding",
        "contentMediaType", "contentSchema", "$dynamicAnchor",
    ]

    static let unsupported: Set<String> = [
        "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef", "extends", "disallow",
    ]
}
