/// Typed access that throws an error naming the document, the path of the value and what stood there.
extension JSONValue {
    /// Where this value stands, such as `model.vocab[3]`; `the document` for the root.
    ///
    /// Found by descending from the root, so only errors pay for it.
    public var path: String {
        var path = ""
        var current = 0
        while current != index {
            let container = storage.nodes[current]
            var child = current + 1
            var position = 0
            let isObject = container.kind == .object
            while true {
                let valueIndex = isObject ? child + 1 : child
                let next = Int(storage.nodes[valueIndex].next)
                if index < next {
                    let key = isObject ? JSONValue(storage: storage, index: child).string ?? "" : ""
                    path += isObject ? (path.isEmpty ? key : ".\(key)") : "[\(position)]"
                    current = isObject && index == child ? index : valueIndex
                    break
                }
                child = next
                position += 1
            }
        }
        return path.isEmpty ? "the document" : path
    }

    /// The error that says this value should have been `expected`.
    public func mismatch(expected: String) -> JSONError {
        let found: String =
            switch kind {
            case .true: "true"
            case .false: "false"
            case .integer, .real: numberText.count <= 40 ? numberText : kind.name
            case .string: (string ?? "").utf8.count <= 60 ? "\"\(string ?? "")\"" : kind.name
            default: kind.name
            }
        return .typeMismatch(source: storage.source, path: path, expected: expected, found: found)
    }

    /// The member named `key`. - Throws: ``JSONError`` where this is no object or lacks it.
    public func require(_ key: String) throws(JSONError) -> JSONValue {
        guard kind == .object else { throw mismatch(expected: "an object") }
        guard let value = self[key] else {
            let path = path
            throw .missingKey(source: storage.source, path: index == 0 ? key : "\(path).\(key)")
        }
        return value
    }

    /// The member named `key`, or nil where it is absent or null. - Throws: ``JSONError`` where this is no object.
    public func optional(_ key: String) throws(JSONError) -> JSONValue? {
        guard kind == .object else { throw mismatch(expected: "an object") }
        guard let value = self[key], !value.isNull else { return nil }
        return value
    }

    /// This string. - Throws: ``JSONError`` where it is none.
    public func requireString() throws(JSONError) -> String {
        guard let string else { throw mismatch(expected: "a string") }
        return string
    }

    /// This integer. - Throws: ``JSONError`` where it is none or does not fit `Int`.
    public func requireInt() throws(JSONError) -> Int {
        if let int { return int }
        guard kind == .integer else { throw mismatch(expected: "an integer") }
        throw .numberOutOfRange(source: storage.source, path: path, text: shortNumberText, type: "64 bits")
    }

    /// This number, integers included. - Throws: ``JSONError`` where it is none or overflows a double.
    public func requireDouble() throws(JSONError) -> Double {
        if let double { return double }
        guard kind == .integer || kind == .real else { throw mismatch(expected: "a number") }
        throw .numberOutOfRange(source: storage.source, path: path, text: shortNumberText, type: "a double")
    }

    /// This boolean. - Throws: ``JSONError`` where it is none.
    public func requireBool() throws(JSONError) -> Bool {
        guard let bool else { throw mismatch(expected: "true or false") }
        return bool
    }

    /// These elements. - Throws: ``JSONError`` where this is no array.
    public func requireArray() throws(JSONError) -> JSONArray {
        guard let array else { throw mismatch(expected: "an array") }
        return array
    }

    /// These members. - Throws: ``JSONError`` where this is no object.
    public func requireObject() throws(JSONError) -> JSONObject {
        guard let object else { throw mismatch(expected: "an object") }
        return object
    }

    private var shortNumberText: String {
        let text = numberText
        return text.count <= 40 ? text : text.prefix(40) + "…"
    }
}

extension JSONValue {
    /// The string member named `key`. - Throws: ``JSONError`` where it is absent or none.
    public func requireString(_ key: String) throws(JSONError) -> String { try require(key).requireString() }
    /// The integer member named `key`. - Throws: ``JSONError`` where it is absent or none.
    public func requireInt(_ key: String) throws(JSONError) -> Int { try require(key).requireInt() }
    /// The number member named `key`. - Throws: ``JSONError`` where it is absent or none.
    public func requireDouble(_ key: String) throws(JSONError) -> Double { try require(key).requireDouble() }
    /// The boolean member named `key`. - Throws: ``JSONError`` where it is absent or none.
    public func requireBool(_ key: String) throws(JSONError) -> Bool { try require(key).requireBool() }
    /// The array member named `key`. - Throws: ``JSONError`` where it is absent or none.
    public func requireArray(_ key: String) throws(JSONError) -> JSONArray { try require(key).requireArray() }
    /// The object member named `key`. - Throws: ``JSONError`` where it is absent or none.
    public func requireObject(_ key: String) throws(JSONError) -> JSONObject { try require(key).requireObject() }

    /// The string member named `key`; nil where absent or null. - Throws: ``JSONError`` where it is another kind.
    public func optionalString(_ key: String) throws(JSONError) -> String? { try optional(key)?.requireString() }
    /// The integer member named `key`; nil where absent or null. - Throws: ``JSONError`` where it is another kind.
    public func optionalInt(_ key: String) throws(JSONError) -> Int? { try optional(key)?.requireInt() }
    /// The number member named `key`; nil where absent or null. - Throws: ``JSONError`` where it is another kind.
    public func optionalDouble(_ key: String) throws(JSONError) -> Double? { try optional(key)?.requireDouble() }
    /// The boolean member named `key`; nil where absent or null. - Throws: ``JSONError`` where it is another kind.
    public func optionalBool(_ key: String) throws(JSONError) -> Bool? { try optional(key)?.requireBool() }
    /// The array member named `key`; nil where absent or null. - Throws: ``JSONError`` where it is another kind.
    public func optionalArray(_ key: String) throws(JSONError) -> JSONArray? { try optional(key)?.requireArray() }
}
