/// A nondeterministic automaton over bytes. The final state can be reached from every state, so a set of states that is
/// not empty can always be completed.
package struct NFA: Sendable {
    package struct Edge: Sendable, Hashable {
        package var low: UInt8
        package var high: UInt8
        package var target: Int32
    }

    /// The edges of each state.
    package private(set) var edges: [[Edge]]
    package private(set) var emptyEdges: [[Int32]]
    package private(set) var start: [Int32]
    package private(set) var final: Int32
    /// A final state that every character leads back to: from here on any text matches.
    package private(set) var universal: Int32?
    /// For each state, the fewest bytes to the final one.
    let distances: [Int32]
    /// States from which every character leads to one of them again.
    package private(set) var persistent: Set<Int32>

    init(
        edges: [[Edge]], emptyEdges: [[Int32]], start: Int32, final: Int32, universal: Int32? = nil,
        persistent: Set<Int32> = []
    ) {
        distances = NFA.distances(edges, emptyEdges, to: final)
        let useful = distances.map { $0 != .max }
        self.edges = edges.map { $0.filter { useful[Int($0.target)] } }
        self.emptyEdges = emptyEdges.map { $0.filter { useful[Int($0)] } }
        self.start = useful[Int(start)] ? [start] : []
        self.final = final
        self.universal = universal
        self.persistent = persistent.filter { useful[Int($0)] }
    }

    /// The fewest bytes from each state to the final one; `.max` where it cannot be reached.
    private static func distances(_ edges: [[Edge]], _ emptyEdges: [[Int32]], to final: Int32) -> [Int32] {
        var sources = [[Int32]](repeating: [], count: edges.count)
        var emptySources = sources
        for state in edges.indices {
            for edge in edges[state] where sources[Int(edge.target)].last != Int32(state) {
                sources[Int(edge.target)].append(Int32(state))
            }
            for target in emptyEdges[state] { emptySources[Int(target)].append(Int32(state)) }
        }
        var result = [Int32](repeating: .max, count: edges.count)
        var level = [final]
        var distance: Int32 = 0
        while !level.isEmpty {
            var next: [Int32] = []
            while let state = level.popLast() {
                guard result[Int(state)] == .max else { continue }
                result[Int(state)] = distance
                level += emptySources[Int(state)]
                next += sources[Int(state)]
            }
            level = next
            distance += 1
        }
        return result
    }

    /// The states that are reached without a byte, sorted. If a state from which any text matches is among them, that
    /// state alone.
    func closure(_ states: [Int32]) -> [Int32] {
        // A few states are searched one by one, many are hashed.
        var members: [Int32] = []
        var seen: Set<Int32> = []
        func isNew(_ state: Int32) -> Bool {
            if members.count < 16 { return !members.contains(state) }
            if seen.isEmpty { seen.formUnion(members) }
            return seen.insert(state).inserted
        }
        for state in states where isNew(state) { members.append(state) }
        var next = 0
        while next < members.count {
            let state = members[next]
            next += 1
            if state == universal { return [state] }
            for target in emptyEdges[Int(state)] where isNew(target) { members.append(target) }
        }
        members.removeAll { edges[Int($0)].isEmpty && $0 != final }
        members.sort()
        return members
    }

    func step(_ states: [Int32], _ byte: UInt8) -> [Int32] {
        var targets: [Int32] = []
        for state in states {
            for edge in edges[Int(state)] where edge.low <= byte && byte <= edge.high { targets.append(edge.target) }
        }
        return targets.isEmpty ? [] : closure(targets)
    }

    /// Whether a set that `closure` made contains the final state.
    func accepts(_ states: [Int32]) -> Bool { states.contains(final) || universal.map(states.contains) ?? false }

    /// Marks the bytes at which ranges of edges begin.
    func markBoundaries(_ boundaries: inout [Bool]) {
        for list in edges {
            for edge in list {
                boundaries[Int(edge.low)] = true
                if edge.high < 255 { boundaries[Int(edge.high) + 1] = true }
            }
        }
    }
}

/// How characters are encoded as bytes.
package enum CharacterEncoding: Sendable, Hashable {
    case utf8
    /// As in a JSON string: unescaped where that is allowed, or as any escape sequence.
    case jsonString
}
