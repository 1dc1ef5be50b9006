/// A condition on documents, as `--where` takes it: `time > 2025-01-01 and (path ~ "guide" or not draft = true)`.
///
/// Fields are `path`, `id`, `time` (of the file's last change), `headings`, and what a JSON line had beside its text.
/// Operators: `=` `!=` `<` `<=` `>` `>=`, and `~` and `!~` for text that contains another, whatever the case. A field that
/// is a list matches where one of its values does; a field that is missing matches nothing.
public struct DocumentFilter: Sendable {
    package indirect enum Node: Sendable {
        case comparison(field: String, FilterOperator, FilterLiteral)
        case and(Node, Node)
        case or(Node, Node)
        case not(Node)
    }

    private let root: Node

    /// - Throws: ``RetrievalError/invalidFilter(filter:offset:reason:)`` naming the place.
    public init(_ text: String) throws {
        var parser = FilterParser(text)
        root = try parser.parse()
    }

    package func matches(_ fields: DocumentFields) -> Bool { matches(root, fields) }

    private func matches(_ node: Node, _ fields: DocumentFields) -> Bool {
        switch node {
        case .comparison(let field, let operation, let literal):
            fields.values(field).contains { operation.holds($0, literal) }
        case .and(let left, let right): matches(left, fields) && matches(right, fields)
        case .or(let left, let right): matches(left, fields) || matches(right, fields)
        case .not(let inner): !matches(inner, fields)
        }
    }
}

/// A value in a filter, with the kinds that it may be read as.
package struct FilterLiteral: Sendable {
    package let text: String
    package let number: Double?
    /// Seconds since 1970 where it is a date.
    package let time: Double?
    package let flag: Bool?

    package init(_ text: String, isQuoted: Bool) {
        self.text = text
        number = isQuoted ? nil : Double(text)
        time = ISODate.seconds(text)
        flag = isQuoted ? nil : ["true": true, "false": false][text]
    }
}

package enum FilterOperator: String, Sendable, CaseIterable {
    case lessOrEqual = "<="
    case greaterOrEqual = ">="
    case notEqual = "!="
    case notContains = "!~"
    case doubleEqual = "=="
    case equal = "="
    case less = "<"
    case greater = ">"
    case contains = "~"

    package func holds(_ value: DocumentFields.Value, _ literal: FilterLiteral) -> Bool {
        switch self {
        case .contains: contains(value, literal)
        case .notContains: !contains(value, literal)
        case .equal, .doubleEqual: order(value, literal) == 0
        case .notEqual: order(value, literal) != 0
        case .less: order(value, literal).map { $0 < 0 } ?? false
        case .lessOrEqual: order(value, literal).map { $0 <= 0 } ?? false
        case .greater: order(value, literal).map { $0 > 0 } ?? false
        case .greaterOrEqual: order(value, literal).map { $0 >= 0 } ?? false
        }
    }

    private func contains(_ value: DocumentFields.Value, _ literal: FilterLiteral) -> Bool {
        guard case .text(let text) = value else { return false }
        return text.lowercased().contains(literal.text.lowercased())
    }

    /// Below, at or above 0 as the value comes before, with or behind the literal; `nil` where they do not compare.
    private func order(_ value: DocumentFields.Value, _ literal: FilterLiteral) -> Int? {
        switch value {
        case .text(let text): return text == literal.text ? 0 : text < literal.text ? -1 : 1
        case .number(let number):
            guard let other = literal.time ?? literal.number else { return nil }
            return number == other ? 0 : number < other ? -1 : 1
        case .flag(let flag): return literal.flag.map { $0 == flag ? 0 : flag ? 1 : -1 }
        }
    }
}

/// Dates of ISO 8601 in UTC.
package enum ISODate {
    /// Seconds since 1970 of `2025-01-31` or `2025-01-31T12:30[:45][Z]`; `nil` where the text is no date.
    package static func seconds(_ text: String) -> Double? {
        let halves = text.split(separator: "T", maxSplits: 1, omittingEmptySubsequences: false)
        let date = halves[0].split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard date.count == 3, halves[0].count == 10, let year = date[0], let month = date[1], let day = date[2],
            (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        var seconds = Double(days(year: year, month: month, day: day)) * 86_400
        guard halves.count == 2 else { return seconds }
        let time = (halves[1].hasSuffix("Z") ? halves[1].dropLast() : halves[1]).split(
            separator: ":", omittingEmptySubsequences: false
        ).map { Double($0) }
        guard (2...3).contains(time.count), let hour = time[0], let minute = time[1] else { return nil }
        guard let second = time.count == 3 ? time[2] : 0 else { return nil }
        seconds += hour * 3600 + minute * 60 + second
        return seconds
    }

    /// Days since 1970 of a date of the Gregorian calendar. (Hinnant, "chrono-compatible low-level date algorithms")
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
