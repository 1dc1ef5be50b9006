/// Finds stop strings in streamed text, across the borders of its pieces.
///
/// Text that may be the beginning of a stop string is held back until it is clear, so that nothing of a stop string is ever
/// emitted.
package struct StopMatcher: Sendable {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []
    package private(set) var hasStopped = false

    /// Empty strings are ignored.
    package init(_ stops: [String]) {
        self.stops = stops.filter { !$0.isEmpty }.map { Array($0.utf8) }
    }

    /// Takes a piece of text and returns what may be shown. After a stop string was found nothing more comes.
    package mutating func push(_ text: String) -> String {
        guard !stops.isEmpty else { return text }
        guard !hasStopped else { return "" }
        held += Array(text.utf8)
        for start in held.indices {
            let rest = held[start...]
            if stops.contains(where: { rest.starts(with: $0) }) {
                hasStopped = true
                defer { held = [] }
                return String(decoding: held[..<start], as: UTF8.self)
            }
            if stops.contains(where: { $0.starts(with: rest) }) {
                defer { held = Array(rest) }
                return String(decoding: held[..<start], as: UTF8.self)
            }
        }
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }

    /// What was held back when the text ends without a stop string.
    package mutating func finish() -> String {
        defer { held = [] }
        return hasStopped ? "" : String(decoding: held, as: UTF8.self)
    }
}
