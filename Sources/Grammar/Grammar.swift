/// A node of a grammar: what must come at one place of a text.
enum GrammarNode: Sendable {
    case lexeme(Int32)
    case sequence([Int32])
    case choice([Int32])
    /// A `maximum` of `nil` means any number.
    case repetition(Int32, minimum: Int32, maximum: Int32?)
    case object(Int32)
    case empty
    /// Matches no text.
    case never
}

/// The members of a JSON object. Named members may come in any order, each at most once.
struct GrammarObject: Sendable {
    struct Member: Sendable {
        /// The key with its quotation marks.
        var key: Int32
        var value: Int32
        var isRequired: Bool
    }

    /// The most named members of an object; a set of those that were read has room for so many.
    static let memberLimit = 4096
    var members: [Member]
    /// Members of other names, any number of them.
    var others: [Member]
    var minimumCount = 0
    var maximumCount: Int?

    /// How many members are required.
    var requiredCount: Int { members.count { $0.isRequired } }
}

/// The punctuation of JSON with the white space around it, as lexemes.
struct JSONPunctuation: Sendable {
    var open: Int32
    var colon: Int32
    var comma: Int32
    var close: Int32
    var listOpen: Int32
    var listClose: Int32
}

/// A language of texts, ready to be matched: a context-free grammar whose terminals are regular languages over bytes.
///
/// Made by ``init(gbnf:)``, ``init(regex:)``, ``init(choices:)``, ``init(jsonSchema:)``, or of several parts by
/// ``GrammarBuilder``.
package struct Grammar: Sendable {
    let nodes: [GrammarNode]
    /// For each lexeme, its automaton with the first state.
    let automata: [LexemeAutomaton]
    let objects: [GrammarObject]
    let punctuation: JSONPunctuation?
    let root: Int32
    /// For each node, whether some text matches it.
    let isProductive: [Bool]
    /// Notices, a line each: what is followed less strictly than it is written, and why.
    package let notes: [String]
}

extension Grammar {
    /// llama.cpp's GBNF. The texts are those that the rule `root` derives.
    package init(gbnf text: String) throws(GrammarError) {
        var builder = GrammarBuilder()
        let root = try builder.addGBNF(text)
        self = try builder.finished(root: root, at: "grammar")
    }

    /// Texts that a regular expression matches as a whole.
    package init(regex pattern: String) throws(GrammarError) {
        var builder = GrammarBuilder()
        let root = try builder.addRegex(pattern)
        self = try builder.finished(root: root, at: "regex")
    }

    /// One of several texts.
    package init(choices: [String]) throws(GrammarError) {
        var builder = GrammarBuilder()
        let root = try builder.addChoices(choices)
        self = try builder.finished(root: root, at: "choices")
    }

    /// JSON that a schema accepts.
    package init(jsonSchema text: String) throws {
        var builder = GrammarBuilder()
        let root = try builder.addJSONSchema(text)
        self = try builder.finished(root: root, at: "#")
    }
}
