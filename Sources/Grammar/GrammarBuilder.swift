/// Builds a grammar from parts. Each `add` returns the number of a node that later parts may refer to.
package struct GrammarBuilder {
    static let nodeLimit = 400_000
    var nodes: [GrammarNode] = [.empty, .never]
    var lexemes: [Lexeme] = []
    var objects: [GrammarObject] = []
    var punctuation: JSONPunctuation?
    var notes: [String] = []
    /// Whether JSON has at most one blank beside a bracket, comma or colon, and short numbers. Set for texts that a
    /// model writes, which might otherwise add white space or digits without end; not set for texts that are only
    /// checked.
    package var isCompact = false

    static let empty: Int32 = 0
    static let never: Int32 = 1

    package init() {}

    mutating func add(_ node: GrammarNode) throws(GrammarError) -> Int32 {
        guard nodes.count < GrammarBuilder.nodeLimit else {
            throw .tooComplex(what: "rules", limit: GrammarBuilder.nodeLimit)
        }
        nodes.append(node)
        return Int32(nodes.count - 1)
    }

    mutating func add(lexeme: Lexeme) throws(GrammarError) -> Int32 {
        lexemes.append(lexeme)
        return try add(.lexeme(Int32(lexemes.count - 1)))
    }

    mutating func add(object: GrammarObject) throws(GrammarError) -> Int32 {
        guard object.members.count <= GrammarObject.memberLimit else {
            throw .tooComplex(what: "properties of an object", limit: GrammarObject.memberLimit)
        }
        objects.append(object)
        return try add(.object(Int32(objects.count - 1)))
    }

    mutating func add(sequence parts: [Int32]) throws(GrammarError) -> Int32 {
        let parts = parts.filter { $0 != GrammarBuilder.empty }
        if parts.isEmpty { return GrammarBuilder.empty }
        return parts.count == 1 ? parts[0] : try add(.sequence(parts))
    }

    mutating func add(choice parts: [Int32]) throws(GrammarError) -> Int32 {
        let parts = parts.filter { $0 != GrammarBuilder.never }
        if parts.isEmpty { return GrammarBuilder.never }
        return parts.count == 1 ? parts[0] : try add(.choice(parts))
    }

    mutating func add(
        repetition part: Int32, minimum: Int, maximum: Int?
    ) throws(GrammarError) -> Int32 {
        if maximum == 0 { return GrammarBuilder.empty }
        if minimum == 1, maximum == 1 { return part }
        func bounded(_ count: Int) throws(GrammarError) -> Int32 {
            guard count <= 1 << 30 else { throw .tooComplex(what: "repetitions", limit: 1 << 30) }
            return Int32(count)
        }
        let highest: Int32? = if let maximum { try bounded(min(maximum, 1 << 30)) } else { nil }
        return try add(.repetition(part, minimum: try bounded(minimum), maximum: highest))
    }

    // MARK: Front ends

    /// A fixed text.
    package mutating func addText(_ text: String) throws(GrammarError) -> Int32 {
        text.isEmpty ? GrammarBuilder.empty : try addChoices([text])
    }

    package mutating func addChoices(_ texts: [String]) throws(GrammarError) -> Int32 {
        guard !texts.isEmpty else { throw .unsatisfiable(at: "choices") }
        return try add(lexeme: Lexeme(try NFABuilder.texts(texts, .utf8)))
    }

    package mutating func addRegex(_ pattern: String) throws(GrammarError) -> Int32 {
        try add(lexeme: Lexeme(try NFA(regex: pattern, scope: .wholeText, encoding: .utf8)))
    }

    package mutating func addSequence(_ parts: [Int32]) throws(GrammarError) -> Int32 { try add(sequence: parts) }
    package mutating func addChoice(_ parts: [Int32]) throws(GrammarError) -> Int32 { try add(choice: parts) }

    /// One or more texts of a node, with a separator between them.
    package mutating func addRepeated(_ part: Int32, separator: Int32) throws(GrammarError) -> Int32 {
        let more = try add(repetition: try add(sequence: [separator, part]), minimum: 0, maximum: nil)
        return try add(sequence: [part, more])
    }

    /// Free text up to the first of some triggers, the trigger, and then `part`. With `mayEnd` also free text without a
    /// trigger.
    package mutating func addAfter(
        _ triggers: [String], _ part: Int32, mayEnd: Bool
    ) throws(GrammarError) -> Int32 {
        let triggers = triggers.filter { !$0.isEmpty }
        guard !triggers.isEmpty else { return part }
        let alternatives = RegexSyntax.alternatives(triggers.map { .literal($0) })
        let anything = RegexSyntax.repetition(.scalars(.any), minimum: 0, maximum: nil)
        let until = try NFA(.sequence([anything, alternatives]), scope: .wholeText, encoding: .utf8)
        let begun = try add(
            sequence: [
                try add(lexeme: Lexeme(parts: [Lexeme.Part(automaton: until)], endsEarly: true, isFree: true)), part,
            ])
        guard mayEnd else { return begun }
        let free = Lexeme(
            parts: [
                Lexeme.Part(automaton: try NFA(anything, scope: .wholeText, encoding: .utf8)),
                Lexeme.Part(automaton: try NFA(alternatives, scope: .anywhere, encoding: .utf8), isExcluded: true),
            ], isFree: true)
        return try add(choice: [begun, try add(lexeme: free)])
    }

    /// The most white space in a row that JSON may have between its tokens.
    static let whiteSpaceLimit = 160

    mutating func jsonPunctuation() throws(GrammarError) -> JSONPunctuation {
        if let punctuation { return punctuation }
        func lexeme(_ byte: UInt8, before: Bool, after: Bool) throws(GrammarError) -> Int32 {
            var builder = NFABuilder()
            let (start, middle, final) = (try builder.state(), try builder.state(), try builder.state())
            let limit = isCompact ? 1 : GrammarBuilder.whiteSpaceLimit
            let spaces: [UInt8] = isCompact ? [0x20] : [0x20, 0x09, 0x0A, 0x0D]
            try builder.whiteSpace(spaces, from: start, then: byte, to: middle, limit: before ? limit : 0)
            try builder.whiteSpace(spaces, from: middle, then: nil, to: final, limit: after ? limit : 0)
            return try add(lexeme: Lexeme(builder.finished(start: start, final: final)))
        }
        let made = JSONPunctuation(
            open: try lexeme(0x7B, before: false, after: true), colon: try lexeme(0x3A, before: true, after: true),
            comma: try lexeme(0x2C, before: true, after: true), close: try lexeme(0x7D, before: true, after: false),
            listOpen: try lexeme(0x5B, before: false, after: true),
            listClose: try lexeme(0x5D, before: true, after: false))
        punctuation = made
        return made
    }

    // MARK: The end

    package func finished(root: Int32, at place: String) throws(GrammarError) -> Grammar {
        var automata: [LexemeAutomaton] = []
        for lexeme in lexemes { automata.append(try LexemeAutomaton(lexeme)) }
        let productive = productiveNodes(automata)
        guard productive[Int(root)] else { throw .unsatisfiable(at: place) }
        return Grammar(
            nodes: nodes, automata: automata, objects: objects, punctuation: punctuation, root: root,
            isProductive: productive, notes: notes)
    }

    /// Which nodes match some text, found from the nodes' parts until nothing changes.
    private func productiveNodes(_ automata: [LexemeAutomaton]) -> [Bool] {
        var users = [[Int32]](repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() {
            for part in parts(of: node) { users[Int(part)].append(Int32(index)) }
        }
        var productive = [Bool](repeating: false, count: nodes.count)
        var pending = nodes.indices.map { Int32($0) }
        while let index = pending.popLast() {
            guard !productive[Int(index)], isProductive(nodes[Int(index)], productive, automata) else { continue }
            productive[Int(index)] = true
            pending += users[Int(index)]
        }
        return productive
    }

    private func parts(of node: GrammarNode) -> [Int32] {
        switch node {
        case .lexeme, .empty, .never: []
        case .sequence(let parts), .choice(let parts): parts
        case .repetition(let part, _, _): [part]
        case .object(let index):
            (objects[Int(index)].members + objects[Int(index)].others).flatMap { [$0.key, $0.value] }
        }
    }

    private func isProductive(
        _ node: GrammarNode, _ productive: [Bool], _ automata: [LexemeAutomaton]
    ) -> Bool {
        switch node {
        case .lexeme(let index): return automata[Int(index)].start >= 0
        case .sequence(let parts): return parts.allSatisfy { productive[Int($0)] }
        case .choice(let parts): return parts.contains { productive[Int($0)] }
        case .repetition(let part, let minimum, _): return minimum == 0 || productive[Int(part)]
        case .empty: return true
        case .never: return false
        case .object(let index):
            let object = objects[Int(index)]
            func isPossible(_ member: GrammarObject.Member) -> Bool {
                productive[Int(member.value)] && productive[Int(member.key)]
            }
            guard object.members.allSatisfy({ !$0.isRequired || isPossible($0) }) else { return false }
            if let maximum = object.maximumCount, object.requiredCount > maximum { return false }
            return object.others.contains(where: isPossible)
                || object.members.count(where: isPossible) >= object.minimumCount
        }
    }
}

extension NFABuilder {
    /// At most `limit` characters of white space, followed by one of some bytes or by nothing.
    mutating func whiteSpace(
        _ spaces: [UInt8], from: Int32, then byte: UInt8?, to: Int32, limit: Int
    ) throws(GrammarError) {
        var current = from
        for count in 0...limit {
            if let byte { add(current, byte, to) } else { link(current, to) }
            guard count < limit else { break }
            let next = try state()
            for space in spaces { add(current, space, next) }
            current = next
        }
    }
}
