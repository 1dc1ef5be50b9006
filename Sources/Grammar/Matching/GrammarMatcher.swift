/// Follows one text through a grammar. A value: a copy continues on its own, as another sample of a request does.
package struct GrammarMatcher: Sendable {
    /// A place in the automaton. It is returned with the last matcher that holds it.
    private final class Place: Sendable {
        let automaton: GrammarAutomaton
        let number: Int

        init(_ automaton: GrammarAutomaton, _ number: Int) {
            self.automaton = automaton
            self.number = number
        }

        deinit { automaton.freePlace(number) }
    }

    private var place: Place
    /// Whether a token that ends a text was accepted.
    package private(set) var hasEnded = false

    package init(_ automaton: GrammarAutomaton) {
        place = Place(automaton, automaton.makePlace())
    }

    /// Whether the text may end here.
    package var isComplete: Bool { hasEnded || place.automaton.isComplete(place.number) }

    /// The tokens that may come next, with those that end a text where it may end.
    /// - Throws: ``GrammarError/tooComplex(what:limit:)`` for a grammar that is too ambiguous to be followed.
    package func mask() throws(GrammarError) -> TokenMask {
        if hasEnded { return TokenMask(tokenCount: place.automaton.vocabulary.tokenCount) }
        return try place.automaton.mask(place.number)
    }

    /// Takes a token.
    /// - Returns: whether it may come; where it may not, the matcher stays where it is.
    /// - Throws: as ``mask()``.
    package mutating func accept(_ token: Int32) throws(GrammarError) -> Bool {
        guard !hasEnded else { return false }
        let vocabulary = place.automaton.vocabulary
        if vocabulary.endTokens.contains(token) {
            hasEnded = isComplete
            return hasEnded
        }
        let bytes = vocabulary.bytes(of: token)
        guard bytes.isEmpty else { return try accept(bytes: bytes) == bytes.count }
        guard let spelling = vocabulary.controlSpelling(of: token), place.automaton.isFree(place.number) else {
            return false
        }
        return try accept(bytes: spelling) == spelling.count
    }

    /// Takes bytes of a text.
    /// - Returns: how many of them may come; where those are not all, the matcher stays where it is.
    /// - Throws: as ``mask()``.
    package mutating func accept(bytes: some Collection<UInt8>) throws(GrammarError) -> Int {
        guard !hasEnded else { return 0 }
        let isAlone = isKnownUniquelyReferenced(&place)
        let (next, count) = try place.automaton.read(bytes, from: place.number, inPlace: isAlone)
        if let next, next != place.number { place = Place(place.automaton, next) }
        return count
    }
}
