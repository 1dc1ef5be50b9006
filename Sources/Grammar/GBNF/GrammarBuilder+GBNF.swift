extension GrammarBuilder {
    /// The rules of a grammar in GBNF.
    /// - Returns: the rule `root`.
    package mutating func addGBNF(_ text: String) throws(GrammarError) -> Int32 {
        var parser = GBNFParser(text)
        try parser.parse()
        var compiler = try GBNFCompiler(parser.rules)
        return try compiler.compile("root", into: &self)
    }
}

/// Makes nodes of rules. A small rule that does not refer to itself, directly or through others, becomes one lexeme.
struct GBNFCompiler {
    /// The most states of a part that becomes a lexeme. Counting the repetitions of larger parts costs less than
    /// states.
    private static let lexemeSizeLimit = 4_000

    private let rules: [String: GBNFExpression]
    /// Rules that refer to themselves, directly or through others.
    private var recursive: Set<String> = []
    private var nullable: Set<String> = []
    /// An estimate of the states that each rule takes that is not recursive.
    private var sizes: [String: Int] = [:]
    private var expansions: [String: RegexSyntax] = [:]
    private var nodes: [String: Int32] = [:]

    init(_ rules: [String: GBNFExpression]) throws(GrammarError) {
        self.rules = rules
        guard rules["root"] != nil else { throw .undefinedRule(name: "root") }
        let references = rules.mapValues { GBNFCompiler.references(in: $0) }
        let missing = references.values.joined().filter { rules[$0] == nil }
        if let name = missing.min() { throw .undefinedRule(name: name) }
        findNullable(references)
        let order = RuleOrder(references: references)
        recursive = order.recursive
        try checkLeftRecursion()
        for name in order.names where !recursive.contains(name) {
            if let body = rules[name] { sizes[name] = size(of: body) }
        }
    }

    private static func references(in expression: GBNFExpression) -> [String] {
        switch expression {
        case .scalars: []
        case .rule(let name): [name]
        case .sequence(let parts), .alternatives(let parts): parts.flatMap { references(in: $0) }
        case .repetition(let part, _, _): references(in: part)
        }
    }

    // MARK: Properties of rules

    private func isNullable(_ expression: GBNFExpression) -> Bool {
        switch expression {
        case .scalars: false
        case .rule(let name): nullable.contains(name)
        case .sequence(let parts): parts.allSatisfy { isNullable($0) }
        case .alternatives(let parts): parts.contains { isNullable($0) }
        case .repetition(let part, let minimum, _): minimum == 0 || isNullable(part)
        }
    }

    private mutating func findNullable(_ references: [String: [String]]) {
        var users: [String: [String]] = [:]
        for (name, targets) in references {
            for target in Set(targets) { users[target, default: []].append(name) }
        }
        var pending = Array(rules.keys)
        while let name = pending.popLast() {
            guard !nullable.contains(name), let body = rules[name], isNullable(body) else { continue }
            nullable.insert(name)
            pending += users[name] ?? []
        }
    }

    /// The rules that may stand at the beginning of an expression.
    private func firstRules(_ expression: GBNFExpression) -> [String] {
        switch expression {
        case .scalars: return []
        case .rule(let name): return [name]
        case .alternatives(let parts): return parts.flatMap { firstRules($0) }
        case .repetition(let part, _, let maximum): return maximum == 0 ? [] : firstRules(part)
        case .sequence(let parts):
            var names: [String] = []
            for part in parts {
                names += firstRules(part)
                if !isNullable(part) { break }
            }
            return names
        }
    }

    private func checkLeftRecursion() throws(GrammarError) {
        let order = RuleOrder(references: rules.mapValues { firstRules($0) })
        if let name = order.recursive.min() { throw .leftRecursion(rule: name) }
    }

    private func size(of expression: GBNFExpression) -> Int {
        func capped(_ value: (partialValue: Int, overflow: Bool)) -> Int {
            value.overflow ? .max / 2 : value.partialValue
        }
        switch expression {
        case .scalars: return 2
        case .rule(let name): return recursive.contains(name) ? .max / 2 : 1 + (sizes[name] ?? .max / 2)
        case .sequence(let parts), .alternatives(let parts):
            return parts.reduce(1) { capped($0.addingReportingOverflow(size(of: $1))) }
        case .repetition(let part, let minimum, let maximum):
            return capped(size(of: part).multipliedReportingOverflow(by: max(maximum ?? minimum + 1, 1)))
        }
    }

    private func isLexeme(_ expression: GBNFExpression) -> Bool {
        size(of: expression) <= GBNFCompiler.lexemeSizeLimit
    }

    // MARK: Nodes

    mutating func compile(_ name: String, into builder: inout GrammarBuilder) throws(GrammarError) -> Int32 {
        // Rules get their numbers before their nodes are made, so that they can refer to themselves.
        var pending: [String] = []
        let root = try reserve(name, &pending, &builder)
        while let name = pending.popLast() {
            guard let number = nodes[name], let body = rules[name] else { continue }
            builder.nodes[Int(number)] = .sequence([try compile(body, &pending, &builder)])
        }
        return root
    }

    private mutating func reserve(
        _ name: String, _ pending: inout [String], _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        if let known = nodes[name] { return known }
        let new = try builder.add(.never)
        nodes[name] = new
        pending.append(name)
        return new
    }

    private mutating func compile(
        _ expression: GBNFExpression, _ pending: inout [String], _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        if isLexeme(expression) { return try lexeme(expression, &builder) }
        switch expression {
        case .scalars: return try lexeme(expression, &builder)
        case .rule(let name): return try reserve(name, &pending, &builder)
        case .repetition(let part, let minimum, let maximum):
            let inner = try compile(part, &pending, &builder)
            // A repetition of the empty text matches the empty text only.
            let least = isNullable(part) ? 0 : minimum
            return try builder.add(repetition: inner, minimum: least, maximum: maximum)
        case .sequence(let parts):
            return try builder.add(sequence: try compile(parts, joined: { .sequence($0) }, &pending, &builder))
        case .alternatives(let parts):
            return try builder.add(choice: try compile(parts, joined: { .alternatives($0) }, &pending, &builder))
        }
    }

    /// Makes one lexeme of neighbours that are lexemes.
    private mutating func compile(
        _ parts: [GBNFExpression], joined: ([GBNFExpression]) -> GBNFExpression, _ pending: inout [String],
        _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> [Int32] {
        var result: [Int32] = []
        var run: [GBNFExpression] = []
        for part in parts {
            if isLexeme(part), run.isEmpty || isLexeme(joined(run + [part])) {
                run.append(part)
                continue
            }
            if !run.isEmpty { result.append(try lexeme(joined(run), &builder)) }
            run = []
            if isLexeme(part) { run = [part] } else { result.append(try compile(part, &pending, &builder)) }
        }
        if !run.isEmpty { result.append(try lexeme(joined(run), &builder)) }
        return result
    }

    private mutating func lexeme(
        _ expression: GBNFExpression, _ builder: inout GrammarBuilder
    ) throws(GrammarError) -> Int32 {
        try builder.add(lexeme: Lexeme(try NFA(try expand(expression), scope: .wholeText, encoding: .utf8)))
    }

    private mutating func expand(_ expression: GBNFExpression) throws(GrammarError) -> RegexSyntax {
        switch expression {
        case .scalars(let set): return .scalars(set)
        case .rule(let name):
            if let known = expansions[name] { return known }
            guard let body = rules[name] else { throw .undefinedRule(name: name) }
            let made = try expand(body)
            expansions[name] = made
            return made
        case .sequence(let parts): return .sequence(try expand(parts))
        case .alternatives(let parts): return .alternatives(try expand(parts))
        case .repetition(let part, let minimum, let maximum):
            return .repetition(try expand(part), minimum: minimum, maximum: maximum)
        }
    }

    private mutating func expand(_ parts: [GBNFExpression]) throws(GrammarError) -> [RegexSyntax] {
        var result: [RegexSyntax] = []
        for part in parts { result.append(try expand(part)) }
        return result
    }
}

/// The rules, each behind those that it refers to where that is possible.
struct RuleOrder {
    private(set) var names: [String] = []
    /// The rules that refer to themselves, directly or through others.
    private(set) var recursive: Set<String> = []

    /// Tarjan's strongly connected components, without recursion.
    init(references: [String: [String]]) {
        var indices: [String: Int] = [:]
        var lowest: [String: Int] = [:]
        var onStack: Set<String> = []
        var stack: [String] = []
        for root in references.keys.sorted() where indices[root] == nil {
            var calls: [(name: String, next: Int)] = [(root, 0)]
            while let (name, next) = calls.last {
                if next == 0, indices[name] == nil {
                    indices[name] = indices.count
                    lowest[name] = indices[name]
                    stack.append(name)
                    onStack.insert(name)
                }
                let targets = references[name] ?? []
                if next < targets.count {
                    calls[calls.count - 1].next += 1
                    let target = targets[next]
                    if target == name { recursive.insert(name) }
                    if indices[target] == nil {
                        calls.append((target, 0))
                    } else if onStack.contains(target) {
                        lowest[name] = min(lowest[name] ?? 0, indices[target] ?? 0)
                    }
                    continue
                }
                calls.removeLast()
                if let caller = calls.last?.name { lowest[caller] = min(lowest[caller] ?? 0, lowest[name] ?? 0) }
                guard lowest[name] == indices[name] else { continue }
                var component: [String] = []
                while let member = stack.popLast() {
                    onStack.remove(member)
                    component.append(member)
                    if member == name { break }
                }
                if component.count > 1 { recursive.formUnion(component) }
                names += component
            }
        }
    }
}
