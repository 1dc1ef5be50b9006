/// Parses tokens as `jinja2.parser` does, with the extensions that transformers adds: `break`, `continue` and
/// `generation`. Nesting is bounded.
struct TemplateParser {
    private let tokens: [Token]
    private var index = 0
    /// Nesting of statements and of expressions that the parser itself recurses through.
    var nesting = 0
    private var openTags: [String] = []
    var loopNesting = 0
    var blockNames: Set<String> = []
    /// Names of filters and tests that nobody knows; an error unless they stand in a branch that may not run.
    var unknownNames: [(line: Int, message: String)] = []
    /// Special names that macros being parsed have read, innermost last.
    private var specials: [Set<String>] = []

    static let maximumNesting = 100
    static let maximumExpressionDepth = 400

    init(_ text: String) throws {
        tokens = try TemplateLexer.tokens(of: text)
    }

    static func parse(_ text: String) throws -> [Statement] {
        var parser = try TemplateParser(text)
        let body = try parser.parseBody(until: [])
        if let unknown = parser.unknownNames.first {
            throw SyntaxFailure(line: unknown.line, message: unknown.message)
        }
        return body
    }

    // MARK: Tokens

    var current: Token { tokens[index] }
    var line: Int { current.line }

    func look() -> Token { tokens[min(index + 1, tokens.count - 1)] }

    @discardableResult
    mutating func next() -> Token {
        let token = tokens[index]
        if index + 1 < tokens.count { index += 1 }
        return token
    }

    func isName(_ name: String) -> Bool { current.kind == .name(name) }
    func isOperator(_ text: String) -> Bool { current.kind == .op(text) }

    mutating func skip(name: String) -> Bool {
        guard isName(name) else { return false }
        next()
        return true
    }

    mutating func skip(operator text: String) -> Bool {
        guard isOperator(text) else { return false }
        next()
        return true
    }

    mutating func expect(name: String) throws {
        guard skip(name: name) else { throw unexpected("'\(name)'") }
    }

    mutating func expect(operator text: String) throws {
        guard skip(operator: text) else { throw unexpected("'\(text)'") }
    }

    mutating func expect(_ kind: Token.Kind, _ description: String) throws {
        guard current.kind == kind else { throw unexpected(description) }
        next()
    }

    mutating func expectName() throws -> String {
        guard case .name(let name) = current.kind else { throw unexpected("a name") }
        next()
        return name
    }

    func fail(_ message: String, line: Int? = nil) -> SyntaxFailure {
        SyntaxFailure(line: line ?? self.line, message: message)
    }

    func unexpected(_ expected: String) -> SyntaxFailure {
        fail("expected \(expected), got \(describe(current))")
    }

    func describe(_ token: Token) -> String {
        switch token.kind {
        case .data: "template text"
        case .variableBegin: "'{{'"
        case .variableEnd: "'}}'"
        case .blockBegin: "'{%'"
        case .blockEnd: "'%}'"
        case .name(let name): "'\(name)'"
        case .string: "a string"
        case .integer, .largeInteger, .float: "a number"
        case .op(let text): "'\(text)'"
        case .end: "the end of the template"
        }
    }

    mutating func nested<R>(_ body: (inout TemplateParser) throws -> R) throws -> R {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= TemplateParser.maximumNesting else {
            throw fail("nests deeper than \(TemplateParser.maximumNesting) levels")
        }
        return try body(&self)
    }

    // MARK: Bodies

    /// Statements up to a tag named in `ends`, which stays; `{%` before it is consumed.
    mutating func parseBody(until ends: [String]) throws -> [Statement] {
        try nested { parser in try parser.parseStatements(until: ends) }
    }

    private mutating func parseStatements(until ends: [String]) throws -> [Statement] {
        var body: [Statement] = []
        while true {
            let line = line
            switch current.kind {
            case .end:
                guard ends.isEmpty else { throw endOfTemplate(ends) }
                return body
            case .data(let text):
                next()
                body.append(Statement(kind: .text(text), line: line))
            case .variableBegin:
                next()
                let expression = try parseTuple()
                try expect(.variableEnd, "'}}'")
                body.append(Statement(kind: .output([expression]), line: line))
            case .blockBegin:
                next()
                if case .name(let name) = current.kind, ends.contains(name) { return body }
                body.append(try parseStatement())
                try expect(.blockEnd, "'%}'")
            default:
                throw unexpected("text or a tag")
            }
        }
    }

    private func endOfTemplate(_ ends: [String]) -> SyntaxFailure {
        let wanted = ends.map { "'\($0)'" }.joined(separator: " or ")
        let innermost = openTags.last.map { " The innermost block that needs to be closed is '\($0)'." } ?? ""
        return fail("Unexpected end of template. Jinja was looking for the following tags: \(wanted).\(innermost)")
    }

    /// The body of a statement: after `%}`, up to one of `ends`.
    mutating func parseBlock(until ends: String...) throws -> [Statement] {
        _ = skip(operator: ":")
        try expect(.blockEnd, "'%}'")
        return try parseBody(until: ends)
    }

    // MARK: Statements

    private mutating func parseStatement() throws -> Statement {
        let line = line
        guard case .name(let tag) = current.kind else { throw fail("tag name expected") }
        openTags.append(tag)
        defer { openTags.removeLast() }
        next()
        return Statement(kind: try parseStatement(tag, line: line), line: line)
    }

    private mutating func parseStatement(_ tag: String, line: Int) throws -> Statement.Kind {
        switch tag {
        case "for": return try parseFor()
        case "if": return try parseIf()
        case "set": return try parseSet()
        case "with": return try parseWith()
        case "macro": return .macro(try parseMacro())
        case "call": return try parseCallBlock(line: line)
        case "filter": return try parseFilterBlock()
        case "print": return .output(try parsePrint())
        case "block": return try parseNamedBlock()
        case "generation":
            let body = try parseFunctionBody { parser in try parser.parseBlock(until: "endgeneration") }
            next()
            return .scoped(body.statements, startsAtRoot: false)
        case "autoescape":
            let value = try parseExpression()
            let body = try strict { parser in try parser.parseBlock(until: "endautoescape") }
            next()
            return .autoescape(value, body)
        case "break", "continue":
            guard loopNesting > 0 else { throw fail("'\(tag)' outside loop", line: line) }
            return tag == "break" ? .breakLoop : .continueLoop
        case "include", "import", "from", "extends":
            try skipOtherTemplate()
            return .otherTemplate(tag)
        default:
            throw fail("Encountered unknown tag '\(tag)'.", line: line)
        }
    }

    /// Reads the rest of a tag that loads another template; running it is what fails.
    private mutating func skipOtherTemplate() throws {
        _ = try parseExpression()
        while current.kind != .blockEnd, current.kind != .end { next() }
    }

    /// Runs `body` where names of filters must be known, as anywhere but in the branches of an `if`.
    mutating func strict<R>(_ body: (inout TemplateParser) throws -> R) throws -> R { try body(&self) }

    /// Runs `body` where an unknown filter is an error only when it is reached.
    mutating func lenient<R>(_ body: (inout TemplateParser) throws -> R) throws -> R {
        let count = unknownNames.count
        let result = try body(&self)
        unknownNames.removeLast(unknownNames.count - count)
        return result
    }

    /// A body that Python would compile into a function: `break` does not leave it, special names are noted.
    mutating func parseFunctionBody(
        _ parse: (inout TemplateParser) throws -> [Statement]
    ) throws -> (statements: [Statement], specials: Set<String>) {
        let outerLoops = loopNesting
        loopNesting = 0
        specials.append([])
        let statements = try parse(&self)
        let read = specials.removeLast()
        for name in read { note(special: name) }
        loopNesting = outerLoops
        return (statements, read)
    }

    mutating func note(special name: String) {
        guard ["caller", "kwargs", "varargs"].contains(name), !specials.isEmpty else { return }
        specials[specials.count - 1].insert(name)
    }
}
