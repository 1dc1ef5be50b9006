/// The deterministic automaton of a lexeme. States are made when they are first reached.
struct LexemeAutomaton: Sendable {
    /// The most states of a lexeme, and the most that are searched for a way to its end.
    static let stateLimit = 200_000
    static let searchLimit = 60_000
    static let dead: Int32 = -1
    private static let unknown: Int32 = -2

    private enum Life: UInt8 { case unknown, live, dead }

    let lexeme: Lexeme
    private let classes: [UInt8]
    private let representatives: [UInt8]
    private var rows: [Int32] = []
    private var states: [[Int32]] = []
    private var numbers: [[Int32]: Int32] = [:]
    private(set) var isAccepting: [Bool] = []
    /// Whether a byte may follow.
    private(set) var hasMore: [Bool] = []
    /// For each state: how many characters other than the quotation mark, the backslash and controls may follow, where
    /// it does not matter which ones; 0 where that is not known.
    private(set) var plainCapacity: [Int32] = []
    /// For each state: whether it is inside a string in which only excluded parts are undecided, so that most
    /// characters may follow.
    private(set) var isMostlyFree: [Bool] = []
    /// For each state: whether it is inside a string in which any characters without escapes may follow.
    private(set) var takesPlainText: [Bool] = []
    private var life: [Life] = []
    /// The starting state, or ``dead``.
    private(set) var start: Int32 = -1

    /// - Throws: ``GrammarError/tooComplex(what:limit:)``.
    init(_ lexeme: Lexeme) throws(GrammarError) {
        self.lexeme = lexeme
        var boundaries = [Bool](repeating: false, count: 256)
        for part in lexeme.parts { part.automaton.markBoundaries(&boundaries) }
        if case .jsonString = lexeme.frame { JSONStringScanner.markBoundaries(&boundaries) }
        var classes = [UInt8](repeating: 0, count: 256)
        var representatives: [UInt8] = [0]
        for byte in 1..<256 {
            if boundaries[byte] { representatives.append(UInt8(byte)) }
            classes[byte] = UInt8(representatives.count - 1)
        }
        self.classes = classes
        self.representatives = representatives
        let sets = lexeme.parts.map { $0.automaton.closure($0.automaton.start) }
        guard zip(lexeme.parts, sets).allSatisfy({ $0.isExcluded || !$1.isEmpty }) else { return }
        let state: [Int32] =
            switch lexeme.frame {
            case .none: []
            case .jsonString: [JSONStringScanner.start, 0]
            }
        let first = try number(of: state + LexemeAutomaton.packed(sets))
        if try isLive(first) { start = first }
    }

    var stateCount: Int { states.count }

    private static func packed(_ sets: [[Int32]]) -> [Int32] {
        sets.flatMap { [Int32($0.count)] + $0 }
    }

    /// The state after a byte, or ``dead``.
    mutating func step(_ state: Int32, _ byte: UInt8) throws(GrammarError) -> Int32 {
        let next = try rawStep(state, byte)
        guard next >= 0, life[Int(next)] != .live else { return next }
        return try isLive(next) ? next : LexemeAutomaton.dead
    }

    /// The state after a byte. It may have no way to the end.
    private mutating func rawStep(_ state: Int32, _ byte: UInt8) throws(GrammarError) -> Int32 {
        let cell = Int(state) * representatives.count + Int(classes[Int(byte)])
        let known = rows[cell]
        if known != LexemeAutomaton.unknown { return known }
        let next = try makeStep(state, byte)
        rows[cell] = next
        return next
    }

    /// The state that corresponds to one of another automaton of the same lexeme.
    mutating func adopt(_ state: Int32, from other: LexemeAutomaton) throws(GrammarError) -> Int32 {
        let number = try number(of: other.states[Int(state)])
        life[Int(number)] = other.life[Int(state)]
        return number
    }

    // MARK: States

    private mutating func makeStep(_ state: Int32, _ byte: UInt8) throws(GrammarError) -> Int32 {
        let current = states[Int(state)]
        switch lexeme.frame {
        case .none:
            guard !lexeme.endsEarly || !isAccepting[Int(state)] else { return LexemeAutomaton.dead }
            guard let sets = stepSets(current, from: 0, byte) else { return LexemeAutomaton.dead }
            return try number(of: sets)
        case .jsonString(let minimum, let maximum):
            guard let scanner = JSONStringScanner.step(current[0], byte) else { return LexemeAutomaton.dead }
            var count = current[1]
            let limit = Int32(clamping: maximum ?? minimum)
            if current[0] == JSONStringScanner.body {
                if scanner == JSONStringScanner.end {
                    guard count >= minimum, contentMatches(current, from: 2) else { return LexemeAutomaton.dead }
                    return try number(of: [scanner, 0])
                }
                if let maximum, count >= maximum { return LexemeAutomaton.dead }
                count = min(count + 1, limit)
            }
            if current[0] == JSONStringScanner.start { return try number(of: [scanner, 0] + current[2...]) }
            guard let sets = stepSets(current, from: 2, byte) else { return LexemeAutomaton.dead }
            return try number(of: [scanner, count] + sets)
        }
    }

    /// - Returns: nil where a part that must match no longer can.
    private func stepSets(_ state: [Int32], from start: Int, _ byte: UInt8) -> [Int32]? {
        var result: [Int32] = []
        var place = start
        for part in lexeme.parts {
            let count = Int(state[place])
            let next = count == 0 ? [] : part.automaton.step(Array(state[place + 1..<place + 1 + count]), byte)
            if next.isEmpty, !part.isExcluded { return nil }
            result.append(Int32(next.count))
            result += next
            place += 1 + count
        }
        return result
    }

    private func contentMatches(_ state: [Int32], from start: Int) -> Bool {
        var place = start
        for part in lexeme.parts {
            let count = Int(state[place])
            let accepts = count > 0 && part.automaton.accepts(Array(state[place + 1..<place + 1 + count]))
            if accepts == part.isExcluded { return false }
            place += 1 + count
        }
        return true
    }

    private mutating func number(of state: [Int32]) throws(GrammarError) -> Int32 {
        if let known = numbers[state] { return known }
        guard states.count < LexemeAutomaton.stateLimit else {
            throw .tooComplex(what: "states of a regular expression", limit: LexemeAutomaton.stateLimit)
        }
        let new = Int32(states.count)
        numbers[state] = new
        states.append(state)
        rows += repeatElement(LexemeAutomaton.unknown, count: representatives.count)
        switch lexeme.frame {
        case .none:
            let accepts = contentMatches(state, from: 0)
            isAccepting.append(accepts)
            hasMore.append(!(accepts && lexeme.endsEarly) && hasEdges(state))
            plainCapacity.append(0)
            isMostlyFree.append(false)
            takesPlainText.append(false)
        case .jsonString(_, let maximum):
            let isEnd = state[0] == JSONStringScanner.end
            isAccepting.append(isEnd)
            hasMore.append(!isEnd)
            let (isSettled, isMostlyFree, takesPlainText) = openness(of: state)
            self.isMostlyFree.append(isMostlyFree)
            self.takesPlainText.append(takesPlainText && maximum == nil)
            plainCapacity.append(
                isSettled ? Int32(clamping: maximum.map { $0 - Int(state[1]) } ?? Int(Int32.max)) : 0)
        }
        life.append(lexeme.needsSearch && !isPlainlyLive(state) ? .unknown : .live)
        return new
    }

    private func hasEdges(_ state: [Int32]) -> Bool {
        var place = 0
        for part in lexeme.parts {
            let count = Int(state[place])
            if !part.isExcluded {
                let members = state[place + 1..<place + 1 + count]
                if !members.contains(where: { !part.automaton.edges[Int($0)].isEmpty }) { return false }
            }
            place += 1 + count
        }
        return true
    }

    /// Whether what follows inside a string cannot change which parts match, whether it hardly can, and whether the
    /// parts can match whatever follows.
    private func openness(of state: [Int32]) -> (isSettled: Bool, isMostlyFree: Bool, takesPlainText: Bool) {
        guard state[0] == JSONStringScanner.body else { return (false, false, false) }
        var place = 2
        var (isExcludedOpen, isRequiredOpen, isEndless) = (false, false, true)
        for part in lexeme.parts {
            let count = Int(state[place])
            if part.isExcluded {
                if count > 0 { isExcludedOpen = true }
            } else if count != 1 || state[place + 1] != part.automaton.universal {
                isRequiredOpen = true
                let members = state[place + 1..<place + 1 + count]
                if !members.contains(where: { part.automaton.persistent.contains($0) }) { isEndless = false }
            }
            place += 1 + count
        }
        return (!isExcludedOpen && !isRequiredOpen, !isRequiredOpen, isEndless && !isExcludedOpen)
    }

    /// How many characters a decided string needs before it may end.
    func neededCount(_ state: Int32) -> Int32 {
        guard case .jsonString(let minimum, _) = lexeme.frame else { return 0 }
        return max(Int32(clamping: minimum) - states[Int(state)][1], 0)
    }

    // MARK: Ways to the end

    /// Whether some bytes lead from a state to an accepting one. Searched once for each state: first without escapes,
    /// most of which lead nowhere else.
    private mutating func isLive(_ state: Int32) throws(GrammarError) -> Bool {
        if life[Int(state)] == .unknown {
            let isString = if case .jsonString = lexeme.frame { true } else { false }
            if isString, try search(from: state, skipping: 0x5C) { return true }
            return try search(from: state, skipping: nil)
        }
        return life[Int(state)] == .live
    }

    /// An estimate of the bytes that are missing.
    private func distance(_ state: [Int32]) -> Int {
        let isString = if case .jsonString = lexeme.frame { true } else { false }
        var place = isString ? 2 : 0
        var result = 0
        for part in lexeme.parts where place < state.count {
            let members = state[place + 1..<place + 1 + Int(state[place])]
            if !part.isExcluded { result += Int(members.map { part.automaton.distances[Int($0)] }.min() ?? 0) }
            place += 1 + members.count
        }
        if case .jsonString(let minimum, _) = lexeme.frame { result += max(minimum - Int(state[1]), 0) }
        return result
    }

    /// Whether the string has room for the bytes that its only part misses.
    private func isPlainlyLive(_ state: [Int32]) -> Bool {
        guard case .jsonString(let minimum, let maximum) = lexeme.frame else { return false }
        if state[0] == JSONStringScanner.end { return true }
        guard lexeme.parts.count == 1, !lexeme.parts[0].isExcluded, state[0] != JSONStringScanner.start else {
            return false
        }
        return Int(state[1]) >= minimum && distance(state) <= maximum.map { $0 - Int(state[1]) } ?? .max
    }

    /// Marks the states on a way to the end and those that lead to them. If there is no way and no edge was skipped,
    /// marks all that were visited as dead ends. Continues from the states that miss the least.
    /// - Returns: whether there is a way.
    private mutating func search(from state: Int32, skipping skipped: UInt8?) throws(GrammarError) -> Bool {
        var parents: [Int32: Int32] = [state: -1]
        var visited: [Int32] = []
        var buckets: [[Int32]] = [[state]]
        var lowest = 0
        while lowest < buckets.count {
            guard let current = buckets[lowest].popLast() else {
                lowest += 1
                continue
            }
            visited.append(current)
            if isAccepting[Int(current)] || life[Int(current)] == .live {
                markLive(current, parents, visited)
                return true
            }
            guard parents.count < LexemeAutomaton.searchLimit else {
                throw .tooComplex(what: "states of a string's pattern and length", limit: LexemeAutomaton.searchLimit)
            }
            for byte in representatives where byte != skipped {
                let target = try rawStep(current, byte)
                guard target >= 0, life[Int(target)] != .dead, parents[target] == nil else { continue }
                parents[target] = current
                let missing = life[Int(target)] == .live ? 0 : min(distance(states[Int(target)]), 10_000)
                while buckets.count <= missing { buckets.append([]) }
                buckets[missing].append(target)
                lowest = min(lowest, missing)
            }
        }
        if skipped == nil { for place in visited { life[Int(place)] = .dead } }
        return false
    }

    private mutating func markLive(_ end: Int32, _ parents: [Int32: Int32], _ visited: [Int32]) {
        var place = end
        while place >= 0 {
            life[Int(place)] = .live
            place = parents[place] ?? -1
        }
        for state in visited.reversed() where life[Int(state)] == .unknown {
            let row = rows[Int(state) * representatives.count..<(Int(state) + 1) * representatives.count]
            if row.contains(where: { $0 >= 0 && life[Int($0)] == .live }) { life[Int(state)] = .live }
        }
    }
}
