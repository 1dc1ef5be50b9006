internal import JSONCore

/// What is wrong with a grammar, a schema or a regular expression. Each description is one line.
package enum GrammarError: Error, Equatable, Sendable {
    /// The text of a grammar or a regular expression is malformed.
    case syntax(kind: String, line: Int, column: Int, expected: String)
    case undefinedRule(name: String)
    /// A rule can begin with itself. The matcher cannot follow left recursion, nor can llama.cpp's.
    case leftRecursion(rule: String)
    /// A keyword, or a part of a regular expression, that is not supported.
    case unsupported(String, at: String)
    /// A keyword's value is of the wrong kind.
    case invalidSchema(keyword: String, at: String, expected: String)
    /// A `$ref` that leads nowhere in this document.
    case unresolvedReference(String, at: String)
    /// No text satisfies the grammar.
    case unsatisfiable(at: String)
    /// The grammar needs more states, rules or alternatives than the limit.
    case tooComplex(what: String, limit: Int)

    /// Whether something else that was asked for might be followed.
    var isLimit: Bool {
        switch self {
        case .tooComplex, .unsupported: true
        default: false
        }
    }
}

extension GrammarError: CustomStringConvertible {
    package var description: String { JSONError.singleLine(text) }

    private var text: String {
        switch self {
        case .syntax(let kind, let line, let column, let expected):
            "\(kind): line \(line), column \(column): expected \(expected)"
        case .undefinedRule(let name): "grammar: rule '\(name)' is not defined; define it with '\(name) ::= …'"
        case .leftRecursion(let rule):
            "grammar: rule '\(rule)' begins with itself (left recursion); write it as a repetition, such as x (\",\" x)*"
        case .unsupported(let what, let at): "\(at): \(what) is not supported; leave it out or write it another way"
        case .invalidSchema(let keyword, let at, let expected): "schema: \(at)/\(keyword) must be \(expected)"
        case .unresolvedReference(let reference, let at):
            "schema: \(at): $ref '\(reference)' leads to nothing in this document; nothing is fetched, put it under $defs"
        case .unsatisfiable(let at): "schema: \(at) accepts no value at all"
        case .tooComplex(let what, let limit): "grammar is too complex: more than \(limit) \(what); simplify it"
        }
    }
}
