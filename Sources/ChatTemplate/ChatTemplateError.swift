/// What can go wrong with a chat template. Every description is one line.
public enum ChatTemplateError: Error, Equatable, Sendable {
    /// The template is not Jinja: the line where it stops being so, and why.
    case syntax(template: String, line: Int, message: String)
    /// The template called `raise_exception(message)`: the conversation is not one that the model was made for.
    case raised(template: String, message: String)
    /// An expression failed, as it would in Python: `kind` is the name of the exception there.
    case runtime(template: String, line: Int, kind: String, message: String)
    /// The template did more than a template may: steps, depth, or memory.
    case limitExceeded(template: String, line: Int, limit: String)
}

extension ChatTemplateError: CustomStringConvertible {
    public var description: String {
        let text =
            switch self {
            case .syntax(let template, let line, let message):
                "\(template), line \(line): invalid template: \(message)"
            case .raised(let template, let message):
                "\(template) refuses the conversation: \(message)"
            case .runtime(let template, let line, let kind, let message):
                "\(template), line \(line): \(kind): \(message)"
            case .limitExceeded(let template, let line, let limit):
                "\(template), line \(line): the template exceeds \(limit)"
            }
        return text.unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: true) : String(scalar)
        }.joined()
    }
}

/// A failure inside, before the line is known.
enum TemplateFailure: Error {
    case python(kind: String, message: String)
    case raised(String)
    case limit(String)

    static func type(_ message: String) -> TemplateFailure { .python(kind: "TypeError", message: message) }
    static func value(_ message: String) -> TemplateFailure { .python(kind: "ValueError", message: message) }
    static func undefined(_ message: String) -> TemplateFailure { .python(kind: "UndefinedError", message: message) }
    static func security(_ message: String) -> TemplateFailure { .python(kind: "SecurityError", message: message) }
    static func runtime(_ message: String) -> TemplateFailure {
        .python(kind: "TemplateRuntimeError", message: message)
    }
    static func argument(_ message: String) -> TemplateFailure {
        .python(kind: "FilterArgumentError", message: message)
    }
}
