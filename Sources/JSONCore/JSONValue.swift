/// A value of a ``JSONDocument``: a reference to the shared document and a place on its tape. Copying is cheap.
public struct JSONValue: Sendable {
    let storage: JSONStorage
    let index: Int

    var node: JSONNode { storage.nodes[index] }

    /// What kind of value this is.
    public var kind: JSONKind { node.kind }

    /// Whether this is `null`.
    public var isNull: Bool { kind == .null }

    /// The boolean, or nil where this is none.
    public var bool: Bool? {
        switch kind {
        case .true: true
        case .false: false
        default: nil
        }
    }

    /// The exact integer, or nil where this is none or does not fit `Int`. `1.0` and `1e3` are not integers.
    public var int: Int? {
        guard kind == .integer else { return nil }
        return Int(numberText)
    }

    /// The number rounded to the nearest double, or nil where this is none or overflows one.
    ///
    /// The words `NaN` and `Infinity`, where the reading options let them through, give those values.
    public var double: Double? {
        guard kind == .integer || kind == .real else { return nil }
        switch numberText {
        case "NaN": return .nan
        case "Infinity": return .infinity
        case "-Infinity": return -.infinity
        case let text:
            guard let value = Double(text), value.isFinite else { return nil }
            return value
        }
    }

    /// The decoded string, or nil where this is none.
    public var string: String? {
        guard kind == .string else { return nil }
        return withTextBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// The elements, or nil where this is no array.
    public var array: JSONArray? {
        kind == .array ? JSONArray(value: self) : nil
    }

    /// The members in the order of the text, or nil where this is no object.
    public var object: JSONObject? {
        kind == .object ? JSONObject(value: self) : nil
    }

    /// The member named `key` (the last of several), or nil where this is no object or has no such member.
    ///
    /// A scan of the keys: where many members of one object are needed, iterate ``object`` instead.
    public subscript(key: String) -> JSONValue? {
        guard kind == .object else { return nil }
        var key = key
        return key.withUTF8 { wanted in
            var found: JSONValue?
            var child = index + 1
            for _ in 0..<node.length {
                let keyValue = JSONValue(storage: storage, index: child)
                let valueIndex = child + 1
                if keyValue.withTextBytes({ $0.elementsEqual(wanted) }) {
                    found = JSONValue(storage: storage, index: valueIndex)
                }
                child = Int(storage.nodes[valueIndex].next)
            }
            return found
        }
    }

    /// The source text of this scalar number.
    var numberText: String {
        let node = node
        return storage.bytes.withUnsafeBufferPointer { bytes in
            let start = Int(node.offset)
            return String(decoding: bytes[start..<start + Int(node.length)], as: UTF8.self)
        }
    }

    /// Calls `body` with the decoded UTF-8 of this string.
    func withTextBytes<R>(_ body: (UnsafeBufferPointer<UInt8>) throws -> R) rethrows -> R {
        try withCursor { cursor in try cursor.withString(body) }
    }

    /// Calls `body` with a cursor at this value, for walks over hundreds of thousands of values.
    package func withCursor<R>(_ body: (JSONCursor) throws -> R) rethrows -> R {
        try storage.bytes.withUnsafeBufferPointer { bytes in
            try storage.nodes.withUnsafeBufferPointer { nodes in
                try body(JSONCursor(bytes: bytes, nodes: nodes, index: index))
            }
        }
    }
}

/// The elements of an array.
public struct JSONArray: Sequence, Sendable {
    let value: JSONValue

    /// The number of elements.
    public var count: Int { Int(value.node.length) }

    public func makeIterator() -> Iterator {
        Iterator(storage: value.storage, position: value.index + 1, remaining: count)
    }

    public struct Iterator: IteratorProtocol {
        let storage: JSONStorage
        var position: Int
        var remaining: Int

        public mutating func next() -> JSONValue? {
            guard remaining > 0 else { return nil }
            remaining -= 1
            defer { position = Int(storage.nodes[position].next) }
            return JSONValue(storage: storage, index: position)
        }
    }
}

/// The members of an object in the order of the text, duplicates included: a later one overrides an earlier one.
public struct JSONObject: Sequence, Sendable {
    let value: JSONValue

    /// The number of members, duplicates included.
    public var count: Int { Int(value.node.length) }

    public func makeIterator() -> Iterator {
        Iterator(storage: value.storage, position: value.index + 1, remaining: count)
    }

    public struct Iterator: IteratorProtocol {
        let storage: JSONStorage
        var position: Int
        var remaining: Int

        public mutating func next() -> (key: String, value: JSONValue)? {
            guard remaining > 0 else { return nil }
            remaining -= 1
            let key = JSONValue(storage: storage, index: position).string ?? ""
            let value = JSONValue(storage: storage, index: position + 1)
            position = Int(storage.nodes[position + 1].next)
            return (key, value)
        }
    }
}
