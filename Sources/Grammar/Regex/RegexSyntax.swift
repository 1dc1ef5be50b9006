/// A regular expression over Unicode characters.
indirect enum RegexSyntax: Hashable, Sendable {
    case empty
    case scalars(ScalarSet)
    case sequence([RegexSyntax])
    case alternatives([RegexSyntax])
    /// A `maximum` of `nil` means any number.
    case repetition(RegexSyntax, minimum: Int, maximum: Int?)
    case textStart
    case textEnd

    static func literal(_ text: some StringProtocol) -> RegexSyntax {
        .sequence(text.unicodeScalars.map { .scalars(ScalarSet($0.value)) })
    }

    var hasAnchors: Bool {
        switch self {
        case .textStart, .textEnd: true
        case .empty, .scalars: false
        case .sequence(let parts), .alternatives(let parts): parts.contains { $0.hasAnchors }
        case .repetition(let part, _, _): part.hasAnchors
        }
    }
}

/// The part of a text that a regular expression must match.
package enum RegexScope: Hashable, Sendable {
    /// The whole text, as in vLLM's `regex`.
    case wholeText
    /// Anywhere in the text, as JSON Schema's `pattern`.
    case anywhere
}

extension NFA {
    /// - Throws: ``GrammarError``.
    init(
        regex pattern: String, scope: RegexScope, encoding: CharacterEncoding, source: String = "regex"
    ) throws(GrammarError) {
        var parser = RegexParser(pattern, source: source)
        try self.init(try parser.parse(), scope: scope, encoding: encoding)
    }

    init(_ syntax: RegexSyntax, scope: RegexScope, encoding: CharacterEncoding) throws(GrammarError) {
        var compiler = RegexCompiler(encoding: encoding)
        self = try compiler.compile(syntax, scope)
    }
}

/// Makes a byte automaton of a regular expression. First comes one over characters, whose edges may be anchors; then
/// one whose states know whether a character has come before and whether one may still come.
struct RegexCompiler {
    private enum Edge {
        case empty(Int)
        case scalars(ScalarSet, Int)
        case textStart(Int)
        case textEnd(Int)
    }

    let encoding: CharacterEncoding
    private var edges: [[Edge]] = []

    init(encoding: CharacterEncoding) { self.encoding = encoding }

    mutating func compile(_ syntax: RegexSyntax, _ scope: RegexScope) throws(GrammarError) -> NFA {
        let (start, final) = (try state(), try state())
        switch scope {
        case .wholeText: try add(start, syntax, final)
        case .anywhere:
            edges[start].append(.scalars(.any, start))
            edges[final].append(.scalars(.any, final))
            let (first, last) = (try state(), try state())
            edges[start].append(.empty(first))
            try add(first, syntax, last)
            edges[last].append(.empty(final))
        }
        return try assemble(start, final, tracksPlaces: syntax.hasAnchors, isOpen: scope == .anywhere)
    }

    private mutating func state() throws(GrammarError) -> Int {
        guard edges.count < NFABuilder.stateLimit else {
            throw .tooComplex(what: "states of a regular expression", limit: NFABuilder.stateLimit)
        }
        edges.append([])
        return edges.count - 1
    }

    private mutating func add(_ from: Int, _ syntax: RegexSyntax, _ to: Int) throws(GrammarError) {
        switch syntax {
        case .empty: edges[from].append(.empty(to))
        case .scalars(let set): edges[from].append(.scalars(set, to))
        case .textStart: edges[from].append(.textStart(to))
        case .textEnd: edges[from].append(.textEnd(to))
        case .alternatives(let parts): for part in parts { try add(from, part, to) }
        case .sequence(let parts):
            var current = from
            for (index, part) in parts.enumerated() {
                let next = index + 1 == parts.count ? to : try state()
                try add(current, part, next)
                current = next
            }
            if parts.isEmpty { edges[from].append(.empty(to)) }
        case .repetition(let part, let minimum, let maximum):
            try addRepetition(from, part, minimum, maximum, to)
        }
    }

    private mutating func addRepetition(
        _ from: Int, _ part: RegexSyntax, _ minimum: Int, _ maximum: Int?, _ to: Int
    ) throws(GrammarError) {
        var current = from
        for _ in 0..<minimum {
            let next = try state()
            try add(current, part, next)
            current = next
        }
        guard let maximum else {
            let loop = try state()
            edges[current].append(.empty(loop))
            let end = try state()
            try add(loop, part, end)
            edges[end].append(.empty(loop))
            edges[loop].append(.empty(to))
            return
        }
        for _ in minimum..<max(maximum, minimum) {
            edges[current].append(.empty(to))
            let next = try state()
            try add(current, part, next)
            current = next
        }
        edges[current].append(.empty(to))
    }

    // MARK: Bytes

    /// The two bits of a place. Bit 0: a character has come before it. Bit 1: none may come after it.
    private func assemble(
        _ start: Int, _ final: Int, tracksPlaces: Bool, isOpen: Bool
    ) throws(GrammarError) -> NFA {
        var builder = NFABuilder()
        var numbers: [Int: Int32] = [:]
        var pending: [Int] = []
        func number(_ state: Int, _ place: Int, _ builder: inout NFABuilder) throws(GrammarError) -> Int32 {
            let key = state << 2 | place
            if let known = numbers[key] { return known }
            let new = try builder.state()
            numbers[key] = new
            pending.append(key)
            return new
        }
        let end = try builder.state()
        let first = try number(start, 0, &builder)
        while let key = pending.popLast() {
            let (state, place) = (key >> 2, key & 3)
            let from = try number(state, place, &builder)
            if state == final { builder.link(from, end) }
            for edge in edges[state] {
                switch edge {
                case .empty(let target): builder.link(from, try number(target, place, &builder))
                case .scalars(let set, let target):
                    guard place & 2 == 0 else { continue }
                    let next = try number(target, tracksPlaces ? 1 : 0, &builder)
                    try builder.scalars(from, set, next, encoding)
                case .textStart(let target):
                    if place & 1 == 0 { builder.link(from, try number(target, place, &builder)) }
                case .textEnd(let target): builder.link(from, try number(target, place | 2, &builder))
                }
            }
        }
        let universal = isOpen ? numbers[final << 2 | (tracksPlaces ? 1 : 0)] : nil
        let looping = isOpen ? [start, final].flatMap { [numbers[$0 << 2], numbers[$0 << 2 | 1]] } : []
        return builder.finished(
            start: first, final: end, universal: universal, persistent: Set(looping.compactMap { $0 }))
    }
}
