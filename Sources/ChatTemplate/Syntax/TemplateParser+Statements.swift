extension TemplateParser {
    mutating func parseFor() throws -> Statement.Kind {
        let target = try parseTarget(endingAt: "in")
        try expect(name: "in")
        let iterable = try parseTuple(withConditional: false, endingAt: "recursive")
        let test = skip(name: "if") ? try parseExpression() : nil
        let isRecursive = skip(name: "recursive")
        loopNesting += 1
        let body = try strict { parser in try parser.parseBlock(until: "endfor", "else") }
        loopNesting -= 1
        var otherwise: [Statement] = []
        if next().kind == .name("else") {
            otherwise = try parseBlock(until: "endfor")
            next()
        }
        return .forLoop(
            ForLoop(
                target: target, iterable: iterable, test: test, isRecursive: isRecursive, body: body,
                otherwise: otherwise))
    }

    mutating func parseIf() throws -> Statement.Kind {
        try lenient { parser in
            var branches: [(test: Expression, body: [Statement])] = []
            while true {
                let test = try parser.parseTuple(withConditional: false)
                let body = try parser.parseBlock(until: "elif", "else", "endif")
                branches.append((test, body))
                switch parser.next().kind {
                case .name("elif"): continue
                case .name("else"):
                    let otherwise = try parser.parseBlock(until: "endif")
                    parser.next()
                    return .ifElse(branches, otherwise: otherwise)
                default: return .ifElse(branches, otherwise: [])
                }
            }
        }
    }

    mutating func parseSet() throws -> Statement.Kind {
        let target = try parseTarget(withNamespace: true)
        if skip(operator: "=") { return .set(target, try parseTuple()) }
        let filter = try parseFilters(nil)
        let body = try strict { parser in try parser.parseBlock(until: "endset") }
        next()
        return .setBlock(target, filter: filter, body)
    }

    mutating func parseWith() throws -> Statement.Kind {
        var assignments: [(AssignmentTarget, Expression)] = []
        while current.kind != .blockEnd, !isOperator(":") {
            if !assignments.isEmpty { try expect(operator: ",") }
            let target = try parseTarget()
            try expect(operator: "=")
            assignments.append((target, try parseExpression()))
        }
        let body = try parseBlock(until: "endwith")
        next()
        return .with(assignments, body)
    }

    private mutating func parseSignature() throws -> Signature {
        var signature = Signature()
        try expect(operator: "(")
        while !isOperator(")") {
            if !signature.names.isEmpty { try expect(operator: ",") }
            signature.names.append(try parseTargetName())
            if skip(operator: "=") {
                signature.defaults.append(try parseExpression())
            } else if !signature.defaults.isEmpty {
                throw fail("non-default argument follows default argument")
            }
        }
        try expect(operator: ")")
        return signature
    }

    mutating func parseMacro() throws -> Macro {
        let name = try parseTargetName()
        var signature = Signature()
        let body = try parseFunctionBody { parser in
            signature = try parser.parseSignature()
            return try parser.strict { parser in try parser.parseBlock(until: "endmacro") }
        }
        next()
        return Macro(name: name, signature: signature, body: body.statements, specials: body.specials)
    }

    mutating func parseCallBlock(line: Int) throws -> Statement.Kind {
        let signature = isOperator("(") ? try parseSignature() : Signature()
        let call = try parseExpression()
        guard case .call = call.kind else { throw fail("expected call", line: line) }
        let body = try parseFunctionBody { parser in try parser.parseBlock(until: "endcall") }
        next()
        return .callBlock(
            Macro(name: "caller", signature: signature, body: body.statements, specials: body.specials), call)
    }

    mutating func parseFilterBlock() throws -> Statement.Kind {
        guard let filter = try parseFilters(nil, startsInline: true) else { throw unexpected("a filter") }
        let body = try strict { parser in try parser.parseBlock(until: "endfilter") }
        next()
        return .filterBlock(filter, body)
    }

    mutating func parsePrint() throws -> [Expression] {
        var expressions: [Expression] = []
        while current.kind != .blockEnd {
            if !expressions.isEmpty { try expect(operator: ",") }
            expressions.append(try parseExpression())
        }
        return expressions
    }

    mutating func parseNamedBlock() throws -> Statement.Kind {
        let name = try expectName()
        guard blockNames.insert(name).inserted else { throw fail("block '\(name)' defined twice") }
        let isScoped = skip(name: "scoped")
        _ = skip(name: "required")
        if isOperator("-") { throw fail("Block names in Jinja may not contain hyphens, use an underscore instead.") }
        let body = try parseFunctionBody { parser in try parser.parseBlock(until: "endblock") }
        next()
        _ = skip(name: name)
        return .scoped(body.statements, startsAtRoot: !isScoped)
    }

    // MARK: Targets of assignments

    private mutating func parseTargetName() throws -> String {
        let name = try expectName()
        if ["true", "false", "none", "True", "False", "None"].contains(name) { throw fail("can't assign to 'const'") }
        return name
    }

    mutating func parseTarget(endingAt end: String? = nil, withNamespace: Bool = false) throws -> AssignmentTarget {
        var targets: [AssignmentTarget] = []
        var isTuple = false
        while true {
            if !targets.isEmpty { try expect(operator: ",") }
            if current.kind == .blockEnd || isOperator(")") || isOperator("=") && isTuple { break }
            if let end, isName(end) { break }
            targets.append(try parseSingleTarget(withNamespace: withNamespace))
            guard isOperator(",") else { break }
            isTuple = true
        }
        guard let first = targets.first else { throw unexpected("an expression") }
        return isTuple ? .tuple(targets) : first
    }

    private mutating func parseSingleTarget(withNamespace: Bool) throws -> AssignmentTarget {
        if skip(operator: "(") {
            let inner = try nested { parser in try parser.parseTarget(withNamespace: withNamespace) }
            try expect(operator: ")")
            return inner
        }
        guard case .name = current.kind else { throw fail("can't assign to \(describe(current))") }
        let name = try parseTargetName()
        if withNamespace, skip(operator: ".") { return .namespace(name, try expectName()) }
        return .name(name)
    }
}
