/// Keywords of JSON Schema, and internal ones for the results of negation.
enum SchemaKeyword {
    /// The internal keyword of a set of kinds, as a number.
    static let types = "\u{0}types"
    static let excludedValues = "\u{0}excluded"
    static let excludedPattern = "\u{0}notPattern"
    static let excludedMultiple = "\u{0}notMultipleOf"
    /// The internal keyword of a member that must be there, of a name that is not listed: ``SchemaConjunction/Wanted``.
    static let wanted = "\u{0}wanted"
    /// The internal keyword of a schema that must not hold, by its number.
    static let negated = "\u{0}not"

    /// Keywords that do not affect which values are valid.
    static let annotations: Set<String> = [
        "title", "description", "default", "examples", "example", "$comment", "deprecated", "readOnly", "writeOnly",
        "$schema", "$id", "id", "$anchor", "$defs", "definitions", "$vocabulary", "contentEncoding",
        "contentMediaType", "contentSchema", "$dynamicAnchor",
    ]

    static let unsupported: Set<String> = [
        "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef",
    ]

    /// Keywords that a draft named by `$schema` does not have, and therefore ignores.
    static func unknown(in dialect: String) -> Set<String> {
        let since2019: Set<String> = [
            "dependentRequired", "dependentSchemas", "unevaluatedProperties", "unevaluatedItems", "minContains",
            "maxContains", "$recursiveRef", "$dynamicRef", "prefixItems",
        ]
        if dialect.contains("draft-07") { return since2019 }
        let since7: Set<String> = ["if", "then", "else"]
        if dialect.contains("draft-06") { return since2019.union(since7) }
        guard dialect.contains("draft-04") || dialect.contains("draft-03") else { return [] }
        return since2019.union(since7).union(["const", "contains", "propertyNames", "examples", "$id"])
    }
}
