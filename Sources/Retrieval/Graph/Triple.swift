internal import JSONCore

/// A statement of a knowledge graph: a relation from one entity to another.
public struct Triple: Sendable, Hashable {
    public var subject: String
    public var relation: String
    public var object: String
    /// The key or path of the document that states it; `nil`: whichever names both entities.
    public var document: String?

    public init(subject: String, relation: String, object: String, document: String? = nil) {
        self.subject = subject
        self.relation = relation
        self.object = object
        self.document = document
    }

    /// Longer names are no names.
    private static let nameByteLimit = 1024

    /// - Returns: `nil` for a blank line.
    /// - Throws: ``RetrievalError/invalidLine(path:line:reason:)`` for a line that is no object with `subject`, `relation`
    ///   (or `predicate`) and `object`.
    init?(_ line: [UInt8], path: String, number: Int) throws {
        guard line.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { return nil }
        func failure(_ reason: String) -> RetrievalError { .invalidLine(path: path, line: number, reason: reason) }
        let root: JSONValue
        do {
            root = try JSONDocument(parsing: line, source: path).root
        } catch {
            throw failure("not JSON (\(error))")
        }
        guard root.object != nil else {
            throw failure("expected an object with \"subject\", \"relation\" and \"object\"")
        }
        func name(_ keys: String...) throws -> String {
            guard let value = keys.lazy.compactMap({ root[$0]?.string }).first else {
                throw failure("\"\(keys[0])\" is missing or no string")
            }
            guard value.utf8.count <= Triple.nameByteLimit else {
                throw failure("\"\(keys[0])\" is longer than \(Triple.nameByteLimit) bytes")
            }
            return value
        }
        self.init(
            subject: try name("subject", "head"), relation: try name("relation", "predicate"),
            object: try name("object", "tail"),
            document: root["document"]?.string ?? root["document"]?.int.map(String.init))
        guard !EntityName.key(subject).isEmpty, !EntityName.key(object).isEmpty else {
            throw failure("an entity's name has neither letters nor digits")
        }
    }

    /// The triples of a JSON array; of one that was cut off, those that are whole.
    static func parse(answer text: String) -> [Triple] {
        for candidate in [text, whole(text)] {
            guard let root = try? JSONDocument(parsing: Array(candidate.utf8), source: "triples").root,
                let elements = root.array
            else { continue }
            return elements.compactMap { element in
                guard let subject = element["subject"]?.string, let relation = element["relation"]?.string,
                    let object = element["object"]?.string
                else { return nil }
                return Triple(subject: subject, relation: relation, object: object)
            }
        }
        return []
    }

    private static func whole(_ text: String) -> String {
        guard let end = text.lastIndex(of: "}") else { return "[]" }
        return text[...end] + "]"
    }
}

/// How names of entities are compared: by their words in lower case, without a possessive ending.
enum EntityName {
    static func terms(_ text: String) -> [String] {
        Analyzer.unicode.terms(in: text).map { term in
            for ending in ["'s", "\u{2019}s"] where term.hasSuffix(ending) && term.count > 2 {
                return String(term.dropLast(2))
            }
            return term
        }
    }

    static func key(_ name: String) -> String { terms(name).joined(separator: " ") }

    /// Whether the words of a name stand in a text one behind the other.
    static func stands(_ name: [String], in text: [String]) -> Bool {
        guard let first = name.first, text.count >= name.count else { return false }
        return (0...text.count - name.count).contains { start in
            text[start] == first && text[start..<start + name.count].elementsEqual(name)
        }
    }
}
