/// The states of a matcher, made as they are reached. A configuration is a set of stacks; the configuration that a byte
/// leads to is computed once.
struct Configurations: Sendable {
    static let dead: Int32 = -1
    private static let unknown: Int32 = -2
    static let stackLimit = 20_000
    static let configurationLimit = 200_000

    let grammar: Grammar
    /// For each node its lexeme, or -1.
    let lexemeNumbers: [Int32]
    private(set) var lexemes: [LexemeAutomaton]
    var stacks = StackArena()
    /// The sorted stacks of each configuration. If 0 is among them, the text may end.
    private(set) var tops: [[Int32]] = []
    private var numbers: [[Int32]: Int32] = [:]
    /// 256 entries for each configuration: the one after each byte.
    private var rows: [Int32] = []
    private(set) var start: Int32 = -1

    /// A step without a byte: into a node above a frame, or out of a frame (with node -1).
    struct Step: Hashable {
        var node: Int32
        var frame: Int32

        static func enter(node: Int32, parent: Int32) -> Step { Step(node: node, frame: parent) }
        static func leave(frame: Int32) -> Step { Step(node: -1, frame: frame) }
    }

    // The closure that is being computed.
    private var pending: [Step] = []
    /// Most closures are short, so their steps are searched one by one; only those of long ones are hashed.
    private var steps: [Step] = []
    private var visited: Set<Step> = []
    private var found: [Int32] = []

    init(_ grammar: Grammar, _ automata: [LexemeAutomaton]) throws(GrammarError) {
        self.grammar = grammar
        lexemeNumbers = grammar.nodes.map { if case .lexeme(let lexeme) = $0 { lexeme } else { -1 } }
        lexemes = automata
        schedule(.enter(node: grammar.root, parent: 0))
        start = try closed()
    }

    var count: Int { tops.count }
    var frameCount: Int { stacks.frames.count }
    func isComplete(_ configuration: Int32) -> Bool { tops[Int(configuration)].first == 0 }

    /// The configuration after a byte, or ``dead``.
    mutating func step(_ configuration: Int32, _ byte: UInt8) throws(GrammarError) -> Int32 {
        let cell = Int(configuration) << 8 | Int(byte)
        let known = rows[cell]
        if known != Configurations.unknown { return known }
        for index in tops[Int(configuration)].indices {
            let top = tops[Int(configuration)][index]
            guard top != 0 else { continue }
            let frame = stacks.frames[Int(top)]
            let lexeme = Int(lexemeNumbers[Int(frame.node)])
            let next = try lexemes[lexeme].step(frame.state, byte)
            if next >= 0 { reach(frame.node, lexeme, next, frame.parent) }
        }
        let next = found.isEmpty && pending.isEmpty ? Configurations.dead : try closed()
        rows[cell] = next
        return next
    }

    // MARK: Closures

    mutating func schedule(_ step: Step) {
        if steps.count < 24 {
            guard !steps.contains(step) else { return }
        } else {
            if visited.isEmpty { visited.formUnion(steps) }
            guard visited.insert(step).inserted else { return }
        }
        steps.append(step)
        pending.append(step)
    }

    /// A lexeme has reached a state. More of it may follow, or what comes after it.
    private mutating func reach(_ node: Int32, _ lexeme: Int, _ state: Int32, _ parent: Int32) {
        if lexemes[lexeme].hasMore[Int(state)] { found.append(stacks.push(node, state, parent)) }
        if lexemes[lexeme].isAccepting[Int(state)] { schedule(.leave(frame: parent)) }
    }

    /// Follows all steps that need no byte, and makes a configuration of the stacks that need one.
    mutating func closed() throws(GrammarError) -> Int32 {
        defer {
            pending.removeAll(keepingCapacity: true)
            steps.removeAll(keepingCapacity: true)
            if !visited.isEmpty { visited.removeAll(keepingCapacity: true) }
            found.removeAll(keepingCapacity: true)
        }
        while let step = pending.popLast() {
            if step.node >= 0 { enter(step.node, step.frame) } else { leave(step.frame) }
            guard steps.count < 8 * Configurations.stackLimit, found.count < Configurations.stackLimit else {
                throw .tooComplex(what: "ways to read one text", limit: Configurations.stackLimit)
            }
        }
        if found.isEmpty { return Configurations.dead }
        found.sort()
        var key: [Int32] = []
        for top in found where key.last != top { key.append(top) }
        if let known = numbers[key] { return known }
        guard tops.count < Configurations.configurationLimit else {
            throw .tooComplex(what: "states of a text", limit: Configurations.configurationLimit)
        }
        let new = Int32(tops.count)
        numbers[key] = new
        tops.append(key)
        rows += repeatElement(Configurations.unknown, count: 256)
        return new
    }

    private mutating func enter(_ node: Int32, _ parent: Int32) {
        guard grammar.isProductive[Int(node)] else { return }
        switch grammar.nodes[Int(node)] {
        case .empty: schedule(.leave(frame: parent))
        case .never: break
        case .lexeme(let lexeme):
            let state = lexemes[Int(lexeme)].start
            if state >= 0 { reach(node, Int(lexeme), state, parent) }
        case .sequence(let parts): enterPart(0, of: parts, node, parent)
        case .choice(let parts): for part in parts { schedule(.enter(node: part, parent: parent)) }
        case .repetition(let part, let minimum, let maximum):
            repeatPart(part, node, parent, count: 0, minimum, maximum)
        case .object:
            guard let punctuation = grammar.punctuation else { break }
            let state = StackArena.ObjectState(phase: .opened, member: 0, seen: [], otherCount: 0)
            let frame = stacks.push(node, stacks.number(of: state), parent)
            schedule(.enter(node: punctuation.open, parent: frame))
        }
    }

    /// The last part needs no frame, so that rules which end with themselves take no more memory with each repetition.
    private mutating func enterPart(_ index: Int, of parts: [Int32], _ node: Int32, _ parent: Int32) {
        let next = index + 1 == parts.count ? parent : stacks.push(node, Int32(index), parent)
        schedule(.enter(node: parts[index], parent: next))
    }

    private mutating func repeatPart(
        _ part: Int32, _ node: Int32, _ parent: Int32, count: Int32, _ minimum: Int32, _ maximum: Int32?
    ) {
        if count >= minimum { schedule(.leave(frame: parent)) }
        guard count < maximum ?? .max else { return }
        // The count does not grow beyond the limit, since nothing depends on it there.
        let limit = maximum ?? minimum
        schedule(.enter(node: part, parent: stacks.push(node, min(count, limit), parent)))
    }

    private mutating func leave(_ top: Int32) {
        guard top != 0 else { return found.append(0) }
        let frame = stacks.frames[Int(top)]
        switch grammar.nodes[Int(frame.node)] {
        case .sequence(let parts): enterPart(Int(frame.state) + 1, of: parts, frame.node, frame.parent)
        case .repetition(let part, let minimum, let maximum):
            let count = min(frame.state, .max - 1) + 1
            repeatPart(part, frame.node, frame.parent, count: count, minimum, maximum)
        case .object(let index): leaveObject(grammar.objects[Int(index)], frame)
        case .lexeme, .choice, .empty, .never: break
        }
    }
}

extension Configurations {
    /// A copy that has only some of the configurations, and their new numbers.
    func keeping(_ kept: Set<Int32>, _ automata: [LexemeAutomaton]) throws(GrammarError) -> (
        Configurations, [Int32: Int32]
    ) {
        var fresh = try Configurations(grammar, automata)
        var frames: [Int32: Int32] = [0: 0]
        var result: [Int32: Int32] = [:]
        for configuration in kept.sorted() {
            var key: [Int32] = []
            for top in tops[Int(configuration)] { key.append(try fresh.copy(top, from: self, &frames)) }
            fresh.found = key
            result[configuration] = try fresh.closed()
        }
        return (fresh, result)
    }

    private mutating func copy(
        _ top: Int32, from old: Configurations, _ frames: inout [Int32: Int32]
    ) throws(GrammarError) -> Int32 {
        var path: [Int32] = []
        var place = top
        while frames[place] == nil {
            path.append(place)
            place = old.stacks.frames[Int(place)].parent
        }
        var parent = frames[place] ?? 0
        for place in path.reversed() {
            let frame = old.stacks.frames[Int(place)]
            var state = frame.state
            switch grammar.nodes[Int(frame.node)] {
            case .lexeme(let lexeme):
                state = try lexemes[Int(lexeme)].adopt(frame.state, from: old.lexemes[Int(lexeme)])
            case .object: state = stacks.number(of: old.stacks.objectStates[Int(frame.state)])
            default: break
            }
            parent = stacks.push(frame.node, state, parent)
            frames[place] = parent
        }
        return parent
    }

    var lexemeStateCount: Int { lexemes.reduce(0) { $0 + $1.stateCount } }
}
