import JSONCore

/// The members of one object of a request, read strictly: a member of another kind or out of its range is refused with
/// the field's name. Members that nobody reads are ignored, since clients send more than they need.
struct RequestFields {
    private let members: [String: JSONValue]
    private let value: JSONValue
    /// The path of the object within the request, for errors; empty for the request itself.
    let path: String

    init(_ value: JSONValue, path: String = "") throws(APIError) {
        guard let object = value.object else {
            throw .invalid(
                path.isEmpty ? nil : path,
                "\(path.isEmpty ? "The request" : path) must be a JSON object, found \(value.kind.name)")
        }
        self.path = path
        self.value = value
        var members: [String: JSONValue] = [:]
        for (key, member) in object where !member.isNull { members[key] = member }
        self.members = members
    }

    /// Reads the body of a request.
    init(parsing bytes: [UInt8]) throws(APIError) {
        guard !bytes.isEmpty else { throw .invalid(nil, "The request has no body; send a JSON object") }
        let document: JSONDocument
        do {
            document = try JSONDocument(parsing: bytes, source: "request body")
        } catch {
            throw .invalid(nil, error.description, code: "invalid_json")
        }
        try self.init(document.root)
    }

    func name(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The member; `nil` where it is absent or null.
    subscript(key: String) -> JSONValue? { members[key] }

    /// The object as it was sent.
    var json: JSON { JSON(value) }

    func mismatch(_ key: String, expected: String) -> APIError {
        let found = members[key].map { RequestFields.shown($0) } ?? "nothing"
        return .invalid(name(of: key), "\(name(of: key)) must be \(expected), found \(found)")
    }

    static func shown(_ value: JSONValue) -> String {
        switch value.kind {
        case .integer, .real: value.double.map { value.int.map(String.init) ?? String($0) } ?? value.kind.name
        case .string:
            value.string.map { $0.utf8.count <= 40 ? "'\($0)'" : "a string of \($0.utf8.count) bytes" } ?? "a string"
        case .true: "true"
        case .false: "false"
        default: value.kind.name
        }
    }

    func requireMember(_ key: String) throws(APIError) -> JSONValue {
        guard let value = members[key] else {
            throw .invalid(name(of: key), "\(name(of: key)) is required", code: "missing_required_parameter")
        }
        return value
    }

    func string(_ key: String) throws(APIError) -> String? {
        guard let value = members[key] else { return nil }
        guard let string = value.string else { throw mismatch(key, expected: "a string") }
        return string
    }

    func requireString(_ key: String) throws(APIError) -> String {
        _ = try requireMember(key)
        return try string(key) ?? ""
    }

    func bool(_ key: String) throws(APIError) -> Bool? {
        guard let value = members[key] else { return nil }
        guard let bool = value.bool else { throw mismatch(key, expected: "true or false") }
        return bool
    }

    /// An integer, which clients also write as `16.0`.
    func int(_ key: String, in range: ClosedRange<Int> = Int.min...Int.max) throws(APIError) -> Int? {
        guard let value = members[key] else { return nil }
        let expected =
            range.upperBound == Int.max
            ? (range.lowerBound == Int.min ? "an integer" : "an integer from \(range.lowerBound)")
            : "an integer from \(range.lowerBound) to \(range.upperBound)"
        guard let number = value.int ?? value.double.flatMap(Int.init(exactly:)), range.contains(number) else {
            throw mismatch(key, expected: expected)
        }
        return number
    }

    /// The first of several names for one field that is present.
    func int(_ keys: [String], in range: ClosedRange<Int>) throws(APIError) -> Int? {
        for key in keys { if let number = try int(key, in: range) { return number } }
        return nil
    }

    func double(_ key: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let value = members[key] else { return nil }
        guard let number = value.double, range.contains(number) else {
            let upper = range.upperBound.isFinite ? " to \(range.upperBound)" : ""
            throw mismatch(key, expected: "a number from \(range.lowerBound)\(upper)")
        }
        return number
    }

    func array(_ key: String, atMost limit: Int = 1 << 20) throws(APIError) -> [JSONValue]? {
        guard let value = members[key] else { return nil }
        guard let array = value.array else { throw mismatch(key, expected: "an array") }
        guard array.count <= limit else {
            throw .invalid(name(of: key), "\(name(of: key)) has \(array.count) elements, at most \(limit) are taken")
        }
        return Array(array)
    }

    func object(_ key: String) throws(APIError) -> RequestFields? {
        guard let value = members[key] else { return nil }
        guard value.object != nil else { throw mismatch(key, expected: "an object") }
        return try RequestFields(value, path: name(of: key))
    }

    /// Objects of an array.
    func objects(_ key: String, atMost limit: Int) throws(APIError) -> [RequestFields]? {
        guard let elements = try array(key, atMost: limit) else { return nil }
        var result: [RequestFields] = []
        for (index, element) in elements.enumerated() {
            result.append(try RequestFields(element, path: "\(name(of: key))[\(index)]"))
        }
        return result
    }

    /// A string, or an array of them.
    func strings(_ key: String, atMost limit: Int) throws(APIError) -> [String]? {
        guard let value = members[key] else { return nil }
        if let string = value.string { return [string] }
        guard value.array != nil else { throw mismatch(key, expected: "a string or an array of strings") }
        var result: [String] = []
        for (index, element) in try (array(key, atMost: limit) ?? []).enumerated() {
            guard let string = element.string else {
                let place = "\(name(of: key))[\(index)]"
                throw .invalid(place, "\(place) must be a string, found \(RequestFields.shown(element))")
            }
            result.append(string)
        }
        return result
    }

    /// Token ids.
    func tokens(_ key: String, vocabularySize: Int) throws(APIError) -> [Int]? {
        guard let elements = try array(key) else { return nil }
        return try RequestFields.tokens(elements, place: name(of: key), vocabularySize: vocabularySize)
    }

    static func tokens(_ elements: [JSONValue], place: String, vocabularySize: Int) throws(APIError) -> [Int] {
        var result: [Int] = []
        result.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            guard let id = element.int, (0..<vocabularySize).contains(id) else {
                throw .invalid(
                    place, "\(place)[\(index)] must be a token id below \(vocabularySize), found \(shown(element))")
            }
            result.append(id)
        }
        return result
    }

    /// Refuses fields that ask for what this server does not do, instead of ignoring them.
    func refuse(_ keys: [String], because reason: String) throws(APIError) {
        for key in keys where members[key] != nil { throw .unsupported(name(of: key), reason) }
    }
}
