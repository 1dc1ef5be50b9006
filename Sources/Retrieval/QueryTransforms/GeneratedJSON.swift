internal import JSONCore

/// What a generator wrote as JSON, of which the end may be missing where its tokens ran out.
enum GeneratedJSON {
    /// A member that is a text.
    static func string(_ text: String, _ key: String) -> String? {
        (try? JSONDocument(parsing: text, source: "answer"))?.root[key]?.string
    }

    /// The texts of a member that is an array; of an array that was cut off, those that are whole.
    static func strings(_ text: String, _ key: String) -> [String] {
        if let root = (try? JSONDocument(parsing: text, source: "answer"))?.root {
            return root[key]?.array?.compactMap(\.string) ?? []
        }
        // Closed behind its last whole text.
        var rest = text[...]
        while let quote = rest.lastIndex(of: "\"") {
            let whole = text[...quote] + "]}"
            if let root = (try? JSONDocument(parsing: String(whole), source: "answer"))?.root {
                return root[key]?.array?.compactMap(\.string) ?? []
            }
            rest = rest[..<quote]
        }
        return []
    }
}
