/// What a property of a pattern (`\p{Greek}`, `[:punct:]`, `\w`) holds, as PCRE2 is told it: its own class of the name,
/// which may follow another version of Unicode, and the code points that the reference library has besides or has not.
struct UnicodeProperty: Sendable {
    /// What stands inside brackets: a PCRE2 class and ranges.
    let items: String
    /// Ranges that `items` has too many; empty for nearly all.
    let excluded: String

    /// The property of this name, however it is cased and spaced; `nil` where the table has none.
    init?(named name: some StringProtocol) {
        var key = name.lowercased()
        key.removeAll { $0 == "_" || $0 == " " || $0 == "-" }
        guard let found = UnicodeProperty.all[UnicodeProperty.aliases[key] ?? key] else { return nil }
        self = found
    }

    private init(items: String, excluded: String) {
        self.items = items
        self.excluded = excluded
    }

    /// `\w` inside of brackets and outside: there it has the Latin-1 numbers that are no digits as well.
    static let word = all["\\w]"] ?? UnicodeProperty(items: #"\w"#, excluded: "")
    static let wordOutsideClass = all["\\w"] ?? UnicodeProperty(items: #"\w"#, excluded: "")
    static let digit = all["nd"] ?? UnicodeProperty(items: #"\d"#, excluded: "")

    /// `[:name:]`.
    static func posix(_ name: String) -> UnicodeProperty? {
        let names = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
            "upper", "word", "xdigit",
        ]
        guard names.contains(name) else { return nil }
        return all["[" + name] ?? all[name]
    }

    /// What can stand among other items in brackets; `nil` where that cannot say it.
    func itemsInClass(isNegated: Bool) -> String? {
        excluded.isEmpty && !isNegated ? items : nil
    }

    /// A group that matches one character that has the property, or has it not.
    func text(isNegated: Bool) -> String {
        if excluded.isEmpty { return isNegated ? "[^\(items)]" : "[\(items)]" }
        return isNegated ? "(?:[\(excluded)]|[^\(items)])" : "(?:(?![\(excluded)])[\(items)])"
    }

    private static let all: [String: UnicodeProperty] = {
        var properties: [String: UnicodeProperty] = [:]
        for line in UnicodePropertyTable.text.split(separator: "\n") {
            let fields = line.split(separator: "|", omittingEmptySubsequences: false)
            guard fields.count == 4 else { continue }
            properties[String(fields[0])] = UnicodeProperty(
                items: fields[1] + classItems(fields[2]), excluded: classItems(fields[3]))
        }
        return properties
    }()

    private static let aliases: [String: String] = Dictionary(
        UnicodePropertyTable.aliases.split(separator: " ").compactMap { pair in
            let parts = pair.split(separator: "=").map(String.init)
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }, uniquingKeysWith: { first, _ in first })

    /// `1C89-1C8A A7CB` as `\x{1C89}-\x{1C8A}\x{A7CB}`.
    private static func classItems(_ ranges: Substring) -> String {
        ranges.split(separator: " ").map { range in
            range.split(separator: "-").map { "\\x{\($0)}" }.joined(separator: "-")
        }.joined()
    }
}
