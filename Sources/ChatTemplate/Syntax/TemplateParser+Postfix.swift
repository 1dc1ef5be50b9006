/// What follows a value: members, calls, filters and tests.
extension TemplateParser {
    mutating func parsePostfix(_ start: Expression) throws -> Expression {
        var result = start
        while true {
            if isOperator(".") || isOperator("[") {
                result = try parseSubscript(result)
            } else if isOperator("(") {
                result = try parseCall(result)
            } else {
                return result
            }
        }
    }

    mutating func parseFiltersAndTests(_ start: Expression) throws -> Expression {
        var result = start
        while true {
            if isOperator("|") {
                result = try parseFilters(result) ?? result
            } else if isName("is") {
                result = try parseTest(result)
            } else if isOperator("(") {
                result = try parseCall(result)
            } else {
                return result
            }
        }
    }

    private mutating func parseSubscript(_ object: Expression) throws -> Expression {
        let token = next()
        if token.kind == .op(".") {
            let name = next()
            switch name.kind {
            case .name(let name): return try node(.attribute(object, name), line: token.line, over: [object])
            case .integer(let index):
                let item = try node(.int(index), line: name.line)
                return try node(.item(object, item), line: token.line, over: [object, item])
            default: throw fail("expected name or number", line: name.line)
            }
        }
        var arguments: [Expression] = []
        while !isOperator("]") {
            if !arguments.isEmpty { try expect(operator: ",") }
            arguments.append(try parseSubscriptArgument())
        }
        try expect(operator: "]")
        let index =
            arguments.count == 1
            ? arguments[0] : try node(.tuple(arguments), line: token.line, over: arguments)
        return try node(.item(object, index), line: token.line, over: [object, index])
    }

    private mutating func parseSubscriptArgument() throws -> Expression {
        let line = line
        var start: Expression?
        if !isOperator(":") {
            start = try parseExpression()
            if !isOperator(":"), let start { return start }
        }
        try expect(operator: ":")
        var stop: Expression?
        if !isOperator(":"), !isOperator("]"), !isOperator(",") { stop = try parseExpression() }
        var step: Expression?
        if skip(operator: ":"), !isOperator("]"), !isOperator(",") { step = try parseExpression() }
        return try node(.slice(start, stop, step), line: line, over: [start, stop, step].compactMap { $0 })
    }

    private mutating func parseCall(_ function: Expression) throws -> Expression {
        let line = line
        let arguments = try parseArguments()
        return try node(.call(function, arguments), line: line, over: [function] + arguments.all)
    }

    mutating func parseArguments() throws -> CallArguments {
        let line = line
        try expect(operator: "(")
        var arguments = CallArguments()
        var needsComma = false
        func ensure(_ condition: Bool) throws {
            guard condition else {
                throw SyntaxFailure(line: line, message: "invalid syntax for function call expression")
            }
        }
        while !isOperator(")") {
            if needsComma {
                try expect(operator: ",")
                if isOperator(")") { break }
            }
            if skip(operator: "*") {
                try ensure(arguments.starred == nil && arguments.doubleStarred == nil)
                arguments.starred = try parseExpression()
            } else if skip(operator: "**") {
                try ensure(arguments.doubleStarred == nil)
                arguments.doubleStarred = try parseExpression()
            } else if case .name(let name) = current.kind, look().kind == .op("=") {
                try ensure(arguments.doubleStarred == nil)
                next()
                next()
                if arguments.keyword.contains(where: { $0.name == name }) {
                    throw fail("keyword argument repeated: \(name)")
                }
                arguments.keyword.append((name, try parseExpression()))
            } else {
                try ensure(
                    arguments.starred == nil && arguments.doubleStarred == nil && arguments.keyword.isEmpty)
                arguments.positional.append(try parseExpression())
            }
            needsComma = true
        }
        try expect(operator: ")")
        return arguments
    }

    private mutating func parseDottedName() throws -> String {
        var name = try expectName()
        while skip(operator: ".") { name += "." + (try expectName()) }
        return name
    }

    mutating func parseFilters(_ input: Expression?, startsInline: Bool = false) throws -> Expression? {
        var result = input
        var startsInline = startsInline
        while startsInline || isOperator("|") {
            if !startsInline { next() }
            startsInline = false
            let line = line
            let name = try parseDottedName()
            if !Filters.names.contains(name) { unknownNames.append((line, "No filter named '\(name)'.")) }
            let arguments = isOperator("(") ? try parseArguments() : CallArguments()
            result = try node(
                .filter(result, name: name, arguments), line: line,
                over: (result.map { [$0] } ?? []) + arguments.all)
        }
        return result
    }

    private mutating func parseTest(_ value: Expression) throws -> Expression {
        let line = next().line
        let isNegated = skip(name: "not")
        let name = try parseDottedName()
        if !Tests.names.contains(name) { unknownNames.append((line, "No test named '\(name)'.")) }
        var arguments = CallArguments()
        if isOperator("(") {
            arguments = try parseArguments()
        } else if startsTestArgument {
            if isName("is") { throw fail("You cannot chain multiple tests with is") }
            arguments.positional = [try nested { parser in try parser.parsePostfix(parser.parsePrimary()) }]
        }
        let test = try node(.test(value, name: name, arguments), line: line, over: [value] + arguments.all)
        return isNegated ? try node(.not(test), line: line, over: [test]) : test
    }

    /// Whether what follows a test's name is its argument, without parentheses.
    private var startsTestArgument: Bool {
        switch current.kind {
        case .name(let name): !["else", "or", "and"].contains(name)
        case .string, .integer, .largeInteger, .float, .op("["), .op("{"): true
        default: false
        }
    }
}
