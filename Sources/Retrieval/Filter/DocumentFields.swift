import JSONCore

/// What a filter may ask about a document.
package struct DocumentFields {
    package enum Value: Equatable {
        case text(String)
        case number(Double)
        case flag(Bool)
    }

    private let known: [String: Value]
    private let metadata: JSONValue

    package init(
        key: String, path: String, time: Double?, metadata: String, headings: String, collection: String
    ) throws {
        var known: [String: Value] = ["id": .text(key), "path": .text(path), "headings": .text(headings)]
        if let time { known["time"] = .number(time) }
        self.known = known
        do {
            self.metadata = try JSONDocument(parsing: metadata, source: collection).root
        } catch {
            throw RetrievalError.notACollection(path: collection, reason: "the fields of document '\(key)' are damaged")
        }
    }

    /// The values of a field: one, or several where it is a list of the user's.
    package func values(_ name: String) -> [Value] {
        if let user = metadata[name] {
            return (user.array.map(Array.init) ?? [user]).compactMap(DocumentFields.value)
        }
        return known[name].map { [$0] } ?? []
    }

    private static func value(_ json: JSONValue) -> Value? {
        if let text = json.string { return .text(text) }
        if let number = json.double { return .number(number) }
        return json.bool.map { .flag($0) }
    }
}
