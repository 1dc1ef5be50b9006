extension TemplateParser {
    /// A node whose depth is checked.
    func node(_ kind: Expression.Kind, line: Int, over children: [Expression] = []) throws -> Expression {
        var depth = 0
        for child in children { depth = max(depth, child.depth) }
        guard depth < TemplateParser.maximumExpressionDepth else {
            throw fail("an expression nests deeper than \(TemplateParser.maximumExpressionDepth) levels", line: line)
        }
        return Expression(kind, line: line, depth: depth + 1)
    }

    /// An expression, or several with commas between them: a tuple.
    mutating func parseTuple(
        withConditional: Bool = true, endingAt end: String? = nil, inParentheses: Bool = false
    ) throws -> Expression {
        let line = line
        var items: [Expression] = []
        var isTuple = false
        while true {
            if !items.isEmpty { try expect(operator: ",") }
            if current.kind == .variableEnd || current.kind == .blockEnd || isOperator(")") { break }
            if let end, isName(end) { break }
            items.append(withConditional ? try parseExpression() : try nested { parser in try parser.parseOr() })
            guard isOperator(",") else { break }
            isTuple = true
        }
        if !isTuple {
            if let only = items.first { return only }
            guard inParentheses else { throw fail("Expected an expression, got \(describe(current))") }
        }
        return try node(.tuple(items), line: line, over: items)
    }

    mutating func parseExpression() throws -> Expression {
        try nested { parser in try parser.parseConditional() }
    }

    private mutating func parseConditional() throws -> Expression {
        let line = line
        let unknownCount = unknownNames.count
        var result = try parseOr()
        while skip(name: "if") {
            let test = try parseOr()
            let otherwise = skip(name: "else") ? try parseExpression() : nil
            result = try node(
                .conditional(test, then: result, otherwise: otherwise), line: line,
                over: [test, result] + (otherwise.map { [$0] } ?? []))
            unknownNames.removeLast(unknownNames.count - unknownCount)
        }
        return result
    }

    mutating func parseOr() throws -> Expression {
        var left = try parseAnd()
        while isName("or") {
            let line = next().line
            let right = try parseAnd()
            left = try node(.or(left, right), line: line, over: [left, right])
        }
        return left
    }

    private mutating func parseAnd() throws -> Expression {
        var left = try parseNot()
        while isName("and") {
            let line = next().line
            let right = try parseNot()
            left = try node(.and(left, right), line: line, over: [left, right])
        }
        return left
    }

    private mutating func parseNot() throws -> Expression {
        guard isName("not") else { return try parseComparison() }
        let line = next().line
        let operand = try nested { parser in try parser.parseNot() }
        return try node(.not(operand), line: line, over: [operand])
    }

    private mutating func parseComparison() throws -> Expression {
        let line = line
        let left = try parseSum()
        var operands: [(comparison: ComparisonOperator, operand: Expression)] = []
        while let comparison = skipComparison() { operands.append((comparison, try parseSum())) }
        guard !operands.isEmpty else { return left }
        return try node(.compare(left, operands), line: line, over: [left] + operands.map(\.operand))
    }

    private mutating func skipComparison() -> ComparisonOperator? {
        switch current.kind {
        case .op("=="), .op("!="), .op("<"), .op("<="), .op(">"), .op(">="):
            guard case .op(let text) = next().kind else { return nil }
            return ComparisonOperator(rawValue: text)
        case .name("in"):
            next()
            return .in
        case .name("not") where look().kind == .name("in"):
            next()
            next()
            return .notIn
        default: return nil
        }
    }

    private mutating func parseSum() throws -> Expression {
        var left = try parseConcatenation()
        while isOperator("+") || isOperator("-") {
            let line = line
            let operation: BinaryOperator = next().kind == .op("+") ? .add : .subtract
            let right = try parseConcatenation()
            left = try node(.binary(operation, left, right), line: line, over: [left, right])
        }
        return left
    }

    private mutating func parseConcatenation() throws -> Expression {
        let line = line
        var parts = [try parseProduct()]
        while skip(operator: "~") { parts.append(try parseProduct()) }
        return parts.count == 1 ? parts[0] : try node(.concatenate(parts), line: line, over: parts)
    }

    private mutating func parseProduct() throws -> Expression {
        var left = try parsePower()
        while case .op(let text) = current.kind, ["*", "/", "//", "%"].contains(text),
            let operation = BinaryOperator(rawValue: text)
        {
            let line = next().line
            let right = try parsePower()
            left = try node(.binary(operation, left, right), line: line, over: [left, right])
        }
        return left
    }

    private mutating func parsePower() throws -> Expression {
        var left = try parseUnary()
        while isOperator("**") {
            let line = next().line
            let right = try parseUnary()
            left = try node(.binary(.power, left, right), line: line, over: [left, right])
        }
        return left
    }

    private mutating func parseUnary(withFilter: Bool = true) throws -> Expression {
        let line = line
        var result: Expression
        if isOperator("-") || isOperator("+") {
            let isNegation = next().kind == .op("-")
            let operand = try nested { parser in try parser.parseUnary(withFilter: false) }
            result = try node(isNegation ? .negate(operand) : .plus(operand), line: line, over: [operand])
        } else {
            result = try parsePrimary()
        }
        result = try parsePostfix(result)
        return withFilter ? try parseFiltersAndTests(result) : result
    }

    mutating func parsePrimary() throws -> Expression {
        let token = current
        switch token.kind {
        case .name(let name):
            next()
            switch name {
            case "true", "True": return try node(.bool(true), line: token.line)
            case "false", "False": return try node(.bool(false), line: token.line)
            case "none", "None": return try node(.none, line: token.line)
            default:
                note(special: name)
                return try node(.name(name), line: token.line)
            }
        case .string(var text):
            next()
            while case .string(let more) = current.kind {
                text.scalars += more.scalars
                next()
            }
            return try node(.string(text), line: token.line)
        case .integer(let value):
            next()
            return try node(.int(value), line: token.line)
        case .largeInteger(let digits):
            next()
            return try node(.largeInteger(digits), line: token.line)
        case .float(let value):
            next()
            return try node(.float(value), line: token.line)
        case .op("("):
            next()
            let inner = try nested { parser in try parser.parseTuple(inParentheses: true) }
            try expect(operator: ")")
            return inner
        case .op("["): return try parseList()
        case .op("{"): return try parseDict()
        default: throw fail("unexpected \(describe(token))")
        }
    }

    private mutating func parseList() throws -> Expression {
        let line = next().line
        var items: [Expression] = []
        while !isOperator("]") {
            if !items.isEmpty { try expect(operator: ",") }
            if isOperator("]") { break }
            items.append(try parseExpression())
        }
        try expect(operator: "]")
        return try node(.list(items), line: line, over: items)
    }

    private mutating func parseDict() throws -> Expression {
        let line = next().line
        var members: [(key: Expression, value: Expression)] = []
        while !isOperator("}") {
            if !members.isEmpty { try expect(operator: ",") }
            if isOperator("}") { break }
            let key = try parseExpression()
            try expect(operator: ":")
            members.append((key, try parseExpression()))
        }
        try expect(operator: "}")
        return try node(.dict(members), line: line, over: members.flatMap { [$0.key, $0.value] })
    }
}
