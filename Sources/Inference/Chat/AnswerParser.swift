/// Parts an answer, as it is written, into reasoning, text and calls of tools.
///
/// Text goes on as soon as it is certain that it belongs to no mark. A call is given out when it is complete; what looks
/// like one and is none goes on as text. Models mark calls in different ways, all of which are read: `<tool_call>` around
/// JSON (Hermes, Qwen), around `<function=NAME>` and `<parameter=NAME>` (Qwen3-Coder) or `<arg_key>` (GLM),
/// `<function=NAME>` around JSON (Functionary), and JSON that takes the whole answer (Llama 3, Mistral, Granite).
public struct AnswerParser: Sendable {
    /// A part of an answer, or a piece of one that continues.
    public enum Part: Sendable, Equatable {
        case reasoning(String)
        case text(String)
        case call(ToolCall)
    }

    private enum Place: Sendable {
        /// Before the answer, after reasoning, or after a call. White space here belongs to no part.
        case start(mayReason: Bool)
        case reasoning
        case text
        /// Inside a call. The white space before its mark is kept, since it is text if this turns out to be no call.
        case call(AnswerFormat.Marks, space: [UInt8])
        /// The whole answer looks like a call in bare JSON.
        case bareCall
    }

    private let format: AnswerFormat
    private var place: Place
    private var buffer: [UInt8] = []
    /// How many bytes of a call were searched for its closing mark already, so that a long one is not searched again
    /// and again.
    private var searched = 0
    /// Whether a part came before this place, in which case white space here only separates parts.
    private var hasSaidSomething: Bool
    private var hasReasoned = false

    public init(_ format: AnswerFormat) {
        self.format = format
        place = format.beginsInReasoning ? .reasoning : .start(mayReason: true)
        if format.isPlain { place = .text }
        hasSaidSomething = format.beginsInReasoning
    }

    @Sendable static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || (9...13).contains(byte) }

    /// Takes a piece of the answer and returns the parts that it completes or continues.
    public mutating func push(_ text: String) -> [Part] {
        buffer += text.utf8
        var parts: [Part] = []
        while step(&parts) {}
        return parts
    }

    /// Ends the answer and returns what was held back.
    public mutating func finish() -> [Part] {
        var parts: [Part] = []
        defer { buffer.removeAll() }
        switch place {
        case .call(let marks, let space):
            appendCalls(buffer[...], marks, fallback: space + marks.begin + buffer, &parts)
        case .bareCall:
            let calls = ToolCallReader.calls(json: buffer[...], tools: format.tools)
            if calls.isEmpty { append(.text, buffer[...], &parts) }
            parts += calls.map(Part.call)
        case .reasoning: append(.reasoning, trimmedEnd(buffer[...]), &parts)
        case .text: append(.text, buffer[...], &parts)
        case .start:
            let rest = hasSaidSomething ? buffer.drop(while: AnswerParser.isSpace) : buffer[...]
            append(.text, rest, &parts)
        }
        return parts
    }

    /// - Returns: whether there is more to do before more text comes.
    private mutating func step(_ parts: inout [Part]) -> Bool {
        switch place {
        case .start(let mayReason): return begin(mayReason: mayReason)
        case .reasoning:
            guard let marks = format.reasoning else { return false }
            if !hasReasoned { buffer.removeFirst(buffer.prefix(while: AnswerParser.isSpace).count) }
            guard let found = AnswerParser.find(marks.end, in: buffer[...]) else {
                // White space before the closing mark does not belong to the reasoning.
                let held = AnswerParser.partialMatch(of: [marks.end], in: buffer)
                let shown = trimmedEnd(buffer[..<(buffer.count - held)])
                append(.reasoning, shown, &parts)
                buffer.removeFirst(shown.count)
                return false
            }
            append(.reasoning, trimmedEnd(buffer[..<found]), &parts)
            buffer.removeFirst(found + marks.end.count)
            place = .start(mayReason: false)
            hasSaidSomething = true
            return true
        case .text: return readText(&parts)
        case .call(let marks, let space):
            guard !marks.end.isEmpty else { return false }
            guard let end = AnswerParser.find(marks.end, in: buffer[min(searched, buffer.count)...]) else {
                searched = max(buffer.count - marks.end.count + 1, 0)
                return false
            }
            searched = 0
            let inner = buffer[..<end]
            appendCalls(inner, marks, fallback: space + marks.begin + inner + marks.end, &parts)
            buffer.removeFirst(end + marks.end.count)
            if case .call = place { place = .start(mayReason: false) }
            hasSaidSomething = true
            return true
        case .bareCall:
            if ToolCallReader.mayBeCall(buffer[...]) { return false }
            place = .text
            return true
        }
    }

    /// Decides which kind of part begins the answer, or follows reasoning or a call.
    private mutating func begin(mayReason: Bool) -> Bool {
        guard let first = buffer.firstIndex(where: { !AnswerParser.isSpace($0) }) else { return false }
        let rest = buffer[first...]
        let reasoning = mayReason ? format.reasoning : nil
        if let reasoning, rest.starts(with: reasoning.begin) {
            buffer.removeFirst(first + reasoning.begin.count)
            place = .reasoning
            hasSaidSomething = true
            return true
        }
        let marks = (reasoning.map { [$0] } ?? []) + format.calls
        let mayBecomeMark = marks.contains { $0.begin.count > rest.count && $0.begin.starts(with: rest) }
        if mayBecomeMark { return false }
        let isMark = format.calls.contains { rest.starts(with: $0.begin) }
        if hasSaidSomething || isMark { buffer.removeFirst(first) }
        let isBare = !format.tools.isEmpty && !isMark && ToolCallReader.mayBeCall(rest)
        place = isBare ? .bareCall : .text
        return true
    }

    private mutating func readText(_ parts: inout [Part]) -> Bool {
        var found: (place: Int, marks: AnswerFormat.Marks)?
        for marks in format.calls {
            guard let place = AnswerParser.find(marks.begin, in: buffer[...]) else { continue }
            if found.map({ place < $0.place }) ?? true { found = (place, marks) }
        }
        guard let found else {
            let held = AnswerParser.partialMatch(of: format.calls.map(\.begin), in: buffer)
            // White space before a mark does not belong to the text.
            let certain = buffer[..<(buffer.count - held)]
            let shown = format.calls.isEmpty ? certain : trimmedEnd(certain)
            append(.text, shown, &parts)
            buffer.removeFirst(shown.count)
            return false
        }
        let shown = trimmedEnd(buffer[..<found.place])
        append(.text, shown, &parts)
        place = .call(found.marks, space: Array(buffer[shown.count..<found.place]))
        buffer.removeFirst(found.place + found.marks.begin.count)
        return true
    }

    private mutating func appendCalls(
        _ inner: ArraySlice<UInt8>, _ marks: AnswerFormat.Marks, fallback: [UInt8], _ parts: inout [Part]
    ) {
        let calls = ToolCallReader.calls(marked: inner, marks, tools: format.tools)
        if calls.isEmpty {
            append(.text, fallback[...], &parts)
            place = .text
        }
        parts += calls.map(Part.call)
    }

    private enum Kind { case reasoning, text }

    private mutating func append(_ kind: Kind, _ bytes: ArraySlice<UInt8>, _ parts: inout [Part]) {
        guard !bytes.isEmpty else { return }
        hasSaidSomething = true
        if kind == .reasoning { hasReasoned = true }
        let text = String(decoding: bytes, as: UTF8.self)
        parts.append(kind == .reasoning ? .reasoning(text) : .text(text))
    }

    private func trimmedEnd(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes
        while let last = bytes.last, AnswerParser.isSpace(last) { bytes.removeLast() }
        return bytes
    }

    /// Where a mark begins.
    static func find(_ mark: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= mark.count else { return nil }
        return (bytes.startIndex...(bytes.endIndex - mark.count)).first { bytes[$0...].starts(with: mark) }
    }

    /// How many of the last bytes may be the beginning of a mark.
    private static func partialMatch(of marks: [[UInt8]], in bytes: [UInt8]) -> Int {
        let longest = marks.map(\.count).max() ?? 0
        let most = Swift.min(bytes.count, Swift.max(longest - 1, 0))
        return (1...Swift.max(most, 1)).last { count in
            count <= most && marks.contains { $0.count > count && $0.starts(with: bytes[(bytes.count - count)...]) }
        } ?? 0
    }
}
