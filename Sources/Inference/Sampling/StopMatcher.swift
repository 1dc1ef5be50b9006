/// Finds stop strings in streamed text, across the borders of its pieces.
///
/// A text ends as soon as any stop string is complete in it, before the one of them that starts first; a longer one that
/// has only begun does not hold up a shorter one inside it. Text that may be the beginning of a stop string is held back
/// until that is clear, so that nothing of a stop string is ever shown.
///
/// Each byte is looked at once for each string, whatever the text. (Knuth, Morris and Pratt, 1977)
package struct StopMatcher: Sendable {
    private struct Search: Sendable {
        let pattern: [UInt8]
        /// For each prefix of the pattern by its length: how long the longest shorter prefix is that ends it.
        let fallbacks: [Int]
        /// How many bytes of the pattern the text so far ends with.
        var matched = 0

        init(_ pattern: [UInt8]) {
            self.pattern = pattern
            var fallbacks = [0, 0]
            var length = 0
            for byte in pattern.dropFirst() {
                while length > 0, byte != pattern[length] { length = fallbacks[length] }
                if byte == pattern[length] { length += 1 }
                fallbacks.append(length)
            }
            self.fallbacks = fallbacks
        }

        /// Takes a byte; whether the pattern is complete with it.
        mutating func advance(_ byte: UInt8) -> Bool {
            while matched > 0, byte != pattern[matched] { matched = fallbacks[matched] }
            if byte == pattern[matched] { matched += 1 }
            return matched == pattern.count
        }
    }

    private var searches: [Search]
    /// The end of the text, which may be the beginning of a stop string.
    private var held: [UInt8] = []
    package private(set) var hasStopped = false

    /// Empty strings are ignored.
    package init(_ stops: [String]) {
        searches = stops.filter { !$0.isEmpty }.map { Search(Array($0.utf8)) }
    }

    /// Takes a piece of text and returns what may be shown. After a stop string was found nothing more comes.
    package mutating func push(_ text: String) -> String {
        guard !searches.isEmpty else { return text }
        guard !hasStopped else { return "" }
        let start = held.count
        held += Array(text.utf8)
        var stop = Int.max
        for index in searches.indices {
            for position in start..<held.count where searches[index].advance(held[position]) {
                stop = min(stop, position + 1 - searches[index].pattern.count)
                break
            }
        }
        if stop < Int.max {
            hasStopped = true
            defer { held = [] }
            return String(decoding: held[..<stop], as: UTF8.self)
        }
        let certain = held.count - (searches.map(\.matched).max() ?? 0)
        defer { held.removeFirst(certain) }
        return String(decoding: held[..<certain], as: UTF8.self)
    }

    /// What was held back when the text ends without a stop string.
    package mutating func finish() -> String {
        defer { held = [] }
        return hasStopped ? "" : String(decoding: held, as: UTF8.self)
    }
}
