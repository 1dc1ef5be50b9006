/// What the text of an answer must look like. The engine masks out every token that cannot lead there, and ends the text
/// only where it is complete.
///
///     request.constraint = .jsonSchema(#"{"type": "object", "properties": {"name": {"type": "string"}}}"#)
///
/// docs/grammar.md says what schemas, grammars and regular expressions may hold.
public struct OutputConstraint: Sendable, Hashable {
    /// A language of texts.
    public indirect enum Form: Sendable, Hashable {
        /// JSON that a schema accepts. The schema is JSON text, drafts 7 to 2020-12; `true` and `{}` accept any JSON.
        case jsonSchema(String)
        /// Any JSON object.
        case jsonObject
        /// llama.cpp's GBNF; the text is what the rule `root` derives.
        case grammar(String)
        /// A regular expression that the whole text matches.
        case regex(String)
        /// One of some texts.
        case choices([String])
        /// Several languages one after the other, such as a tag, JSON and the tag that closes it.
        case sequence([Form])
        /// Any one of several languages.
        case alternatives([Form])
        /// One or more texts of a language, with a separator between them.
        case repeated(Form, separator: String)
    }

    /// The language that the constrained text belongs to.
    public var form: Form
    /// The text is free until one of these strings has been written, such as `</think>` or `<tool_call>`, and constrained
    /// right after it. Empty: constrained from its beginning.
    public var startsAfter: [String]
    /// The text may not end before one of `startsAfter` was written.
    public var requiresStart: Bool

    public init(_ form: Form, startsAfter: [String] = [], requiresStart: Bool = false) {
        self.form = form
        self.startsAfter = startsAfter
        self.requiresStart = requiresStart
    }

    /// JSON that a schema accepts; see ``Form``.
    public static func jsonSchema(_ schema: String) -> OutputConstraint { OutputConstraint(.jsonSchema(schema)) }
    /// Any JSON object.
    public static var jsonObject: OutputConstraint { OutputConstraint(.jsonObject) }
    /// Texts that the rule `root` of a grammar in GBNF derives.
    public static func grammar(_ text: String) -> OutputConstraint { OutputConstraint(.grammar(text)) }
    /// Texts that a regular expression matches as a whole.
    public static func regex(_ pattern: String) -> OutputConstraint { OutputConstraint(.regex(pattern)) }
    /// One of some texts.
    public static func choices(_ texts: [String]) -> OutputConstraint { OutputConstraint(.choices(texts)) }
}
