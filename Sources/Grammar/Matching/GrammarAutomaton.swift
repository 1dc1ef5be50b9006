internal import Synchronization

/// A grammar compiled for the tokens of a model. All matchers of it share what they compute: the configurations that
/// texts lead to, and the tokens that may follow.
package final class GrammarAutomaton: Sendable {
    /// Above this many states, those that no matcher holds are removed.
    private static let configurationLimit = 12_000
    private static let frameLimit = 400_000
    private static let lexemeStateLimit = 150_000
    private static let maskLimit = 512

    private struct State: Sendable {
        var configurations: Configurations
        var masks: [Int32: TokenMask] = [:]
        /// The configuration of each matcher.
        var places: [Int32] = []
        var freePlaces: [Int] = []
        /// For the walk over the tokens, the configuration at each depth.
        var path: [Int32] = []

        mutating func begin(_ trie: TokenTrie, _ configuration: Int32) {
            if path.count < trie.maximumDepth + 1 {
                path = Array(repeating: configuration, count: trie.maximumDepth + 1)
            }
            path[0] = configuration
        }

        /// The configuration at a node whose parent was visited before.
        @inline(__always)
        mutating func step(_ node: TokenTrie.Node) throws(GrammarError) -> Int32 {
            let next = try configurations.step(path[Int(node.depth)], node.byte)
            if next >= 0 { path[Int(node.depth) + 1] = next }
            return next
        }
    }

    package let grammar: Grammar
    package let vocabulary: TokenVocabulary
    private let automata: [LexemeAutomaton]
    private let state: Mutex<State>

    /// - Throws: ``GrammarError/tooComplex(what:limit:)``, or `.unsatisfiable` where no text matches.
    package init(_ grammar: Grammar, _ vocabulary: TokenVocabulary) throws(GrammarError) {
        self.grammar = grammar
        self.vocabulary = vocabulary
        automata = grammar.automata
        let configurations = try Configurations(grammar, grammar.automata)
        guard configurations.start >= 0 else { throw .unsatisfiable(at: "grammar") }
        state = Mutex(State(configurations: configurations))
    }

    /// The number of states that are kept now.
    package var stateCount: Int {
        state.withLock { $0.configurations.count + $0.configurations.lexemeStateCount }
    }

    // MARK: Matchers' places

    func makePlace() -> Int {
        state.withLock { GrammarAutomaton.place($0.configurations.start, &$0) }
    }

    private static func place(_ configuration: Int32, _ state: inout State) -> Int {
        if let place = state.freePlaces.popLast() {
            state.places[place] = configuration
            return place
        }
        state.places.append(configuration)
        return state.places.count - 1
    }

    func freePlace(_ place: Int) {
        state.withLock { state in
            state.places[place] = Configurations.dead
            state.freePlaces.append(place)
        }
    }

    func isComplete(_ place: Int) -> Bool {
        state.withLock { $0.configurations.isComplete($0.places[place]) }
    }

    func isFree(_ place: Int) -> Bool {
        state.withLock { $0.configurations.isFree($0.places[place]) }
    }

    /// Reads bytes from a place.
    /// - Parameter inPlace: whether the place itself moves; else another one is made.
    /// - Returns: the place after them, and how many bytes could be read.
    func read(
        _ bytes: some Collection<UInt8>, from place: Int, inPlace: Bool
    ) throws(GrammarError) -> (place: Int?, count: Int) {
        let outcome = state.withLock { state -> Result<(Int?, Int), GrammarError> in
            do throws(GrammarError) {
                try collect(&state)
                var configuration = state.places[place]
                var count = 0
                for byte in bytes {
                    let next = try state.configurations.step(configuration, byte)
                    guard next >= 0 else { return .success((nil, count)) }
                    configuration = next
                    count += 1
                }
                guard inPlace else { return .success((GrammarAutomaton.place(configuration, &state), count)) }
                state.places[place] = configuration
                return .success((place, count))
            } catch {
                return .failure(error)
            }
        }
        let (place, count) = try outcome.get()
        return (place, count)
    }

    /// Removes what no matcher holds, where there is much of it.
    private func collect(_ state: inout State) throws(GrammarError) {
        guard
            state.configurations.count > GrammarAutomaton.configurationLimit
                || state.configurations.frameCount > GrammarAutomaton.frameLimit
                || state.configurations.lexemeStateCount > GrammarAutomaton.lexemeStateLimit
        else { return }
        let (fresh, numbers) = try state.configurations.keeping(Set(state.places.filter { $0 >= 0 }), automata)
        state.configurations = fresh
        state.masks = [:]
        state.places = state.places.map { $0 >= 0 ? numbers[$0] ?? Configurations.dead : $0 }
    }

    // MARK: Masks

    /// The tokens that may come next, with those that end the text where it may end.
    func mask(_ place: Int) throws(GrammarError) -> TokenMask {
        let outcome = state.withLock { state -> Result<TokenMask, GrammarError> in
            do throws(GrammarError) {
                try collect(&state)
                return .success(try keptMask(state.places[place], &state))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    private func keptMask(_ configuration: Int32, _ state: inout State) throws(GrammarError) -> TokenMask {
        if let known = state.masks[configuration] { return known }
        let made = try makeMask(configuration, &state)
        if state.masks.count >= GrammarAutomaton.maskLimit { state.masks.removeAll(keepingCapacity: true) }
        state.masks[configuration] = made
        return made
    }

    private func makeMask(_ configuration: Int32, _ state: inout State) throws(GrammarError) -> TokenMask {
        var mask: TokenMask
        if let place = state.configurations.stringPlace(configuration) {
            mask = vocabulary.stringTokens.mask(capacity: place.capacity, needed: place.needed)
            try insertClosing(configuration, place, &mask, &state)
        } else if state.configurations.isMostlyFree(configuration),
            let free = try state.configurations.freeString(after: configuration)
        {
            mask = try keptMask(free, &state)
            try correct(configuration, free, &mask, &state)
        } else if state.configurations.takesPlainText(configuration) {
            mask = vocabulary.plainMask
            try removePlain(configuration, &mask, &state)
            try insert(vocabulary.specialTrie, configuration, &mask, &state)
        } else {
            mask = TokenMask(tokenCount: vocabulary.tokenCount)
            try insert(vocabulary.trie, configuration, &mask, &state)
        }
        if state.configurations.isComplete(configuration) {
            for token in vocabulary.endTokens { mask.insert(token) }
        }
        if state.configurations.isFree(configuration) { mask.formUnion(vocabulary.controlMask) }
        return mask
    }

    /// Adds the tokens of a tree that may come.
    private func insert(
        _ trie: TokenTrie, _ configuration: Int32, _ mask: inout TokenMask, _ state: inout State
    ) throws(GrammarError) {
        try walk(trie, from: configuration, &state) { place, next, _ in
            guard next >= 0 else { return false }
            for token in trie.tokens(at: place) { mask.insert(token) }
            return true
        }
    }

    /// Adds the tokens that close a string and continue behind it.
    private func insertClosing(
        _ configuration: Int32, _ string: Configurations.StringPlace, _ mask: inout TokenMask, _ state: inout State
    ) throws(GrammarError) {
        let after = try state.configurations.afterString(configuration)
        guard after >= 0 else { return }
        let tokens = vocabulary.stringTokens
        try walk(tokens.suffixes, from: after, &state) { place, next, _ in
            guard next >= 0 else { return false }
            for token in tokens.suffixes.tokens(at: place)
            where tokens.closes(token, capacity: string.capacity, needed: string.needed) {
                mask.insert(token)
            }
            return true
        }
    }

    /// Derives the mask of a place from which most characters lead into a free string from the mask there.
    private func correct(
        _ configuration: Int32, _ free: Int32, _ mask: inout TokenMask, _ state: inout State
    ) throws(GrammarError) {
        let trie = vocabulary.trie
        try walk(trie, from: configuration, &state) { place, next, _ in
            if next == free { return false }
            guard next >= 0 else {
                for token in trie.tokens(below: place) { mask.remove(token) }
                return false
            }
            for token in trie.tokens(at: place) { mask.insert(token) }
            return true
        }
    }

    /// Removes the tokens without escapes that may not come. Looks no further where any of them may.
    private func removePlain(
        _ configuration: Int32, _ mask: inout TokenMask, _ state: inout State
    ) throws(GrammarError) {
        let trie = vocabulary.plainTrie
        try walk(trie, from: configuration, &state) { place, next, state in
            guard next >= 0 else {
                for token in trie.tokens(below: place) { mask.remove(token) }
                return false
            }
            return !state.configurations.takesPlainText(next)
        }
    }

    /// Goes through a tree of tokens with the configurations that their bytes lead to.
    /// - Parameter visit: takes the index of a node and the configuration there, or ``Configurations/dead``; says whether
    ///   the nodes below it are visited too. Not called below a node without a configuration.
    @inline(__always)
    private func walk(
        _ trie: TokenTrie, from configuration: Int32, _ state: inout State,
        visit: (_ place: Int, _ next: Int32, _ state: inout State) -> Bool
    ) throws(GrammarError) {
        state.begin(trie, configuration)
        var place = 0
        while place < trie.nodes.count {
            let node = trie.nodes[place]
            let next = try state.step(node)
            let goesOn = visit(place, next, &state) && next >= 0
            place = goesOn ? place + 1 : Int(node.end)
        }
    }
}
