/// Leaves out what a model thinks before it answers: the text between `<think>` and `</think>` at the beginning.
struct ReasoningFilter: Sendable {
    private enum State { case start, inside, answer }

    private var state: State
    private var held = ""

    /// - Parameter isOpen: whether the prompt has opened the thoughts already.
    init(isOpen: Bool) { state = isOpen ? .inside : .start }

    mutating func read(_ text: String) -> String {
        if state == .answer { return text }
        held += text
        if state == .start {
            let begun = held.drop { $0.isWhitespace }
            guard begun.hasPrefix("<think>") else {
                guard !"<think>".hasPrefix(begun) else { return "" }
                state = .answer
                defer { held = "" }
                return String(begun)
            }
            state = .inside
        }
        guard let end = held.firstRange(of: "</think>") else {
            // Keep only what may be the beginning of the closing tag.
            if held.count > 64 { held = String(held.suffix(16)) }
            return ""
        }
        state = .answer
        defer { held = "" }
        return String(held[end.upperBound...].drop { $0.isWhitespace })
    }

    /// What was held back because it might have been the beginning of a tag.
    mutating func finish() -> String {
        defer { held = "" }
        return state == .start ? held : ""
    }
}
