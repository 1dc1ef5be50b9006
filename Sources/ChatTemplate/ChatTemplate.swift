/// A model's chat template: the Jinja program that turns a conversation into the text of a prompt.
///
///     let template = try ChatTemplate(source)
///     let prompt = try template.render([
///         .init("messages", [["role": "user", "content": "Hello"]]), .init("add_generation_prompt", true),
///     ])
///
/// Follows Jinja 3.1 as `transformers` sets it up: `ImmutableSandboxedEnvironment` with `trim_blocks` and
/// `lstrip_blocks`, the `loopcontrols` extension, a `generation` tag, its own `tojson`, `raise_exception` and
/// `strftime_now`. A template sees its variables and the date, nothing else, and is bounded in steps, depth and memory.
/// A parsed template can be rendered by several threads at once.
public struct ChatTemplate: Sendable {
    /// What errors call the template.
    public let name: String
    /// The template's text.
    public let source: String
    private let body: [Statement]

    /// How much one rendering may do. Longer conversations get more of both.
    public struct Limits: Sendable {
        /// Evaluations and visited elements.
        public var steps: Int
        /// Code points of all the text that is made, intermediate text included.
        public var characters: Int

        public init(steps: Int = 4_000_000, characters: Int = 32 << 20) {
            self.steps = steps
            self.characters = characters
        }
    }

    /// Longest template that is parsed, in bytes.
    public static let maximumByteCount = 4 << 20

    /// Parses a template.
    /// - Parameter name: what errors call it, such as a file's path.
    /// - Throws: ``ChatTemplateError/syntax(template:line:message:)``.
    public init(_ source: String, name: String = "chat template") throws(ChatTemplateError) {
        guard source.utf8.count <= ChatTemplate.maximumByteCount else {
            throw .syntax(template: name, line: 1, message: "longer than \(ChatTemplate.maximumByteCount) bytes")
        }
        self.name = name
        self.source = source
        // A thread of its own: whoever calls may have little stack left.
        let outcome: Result<[Statement], any Error> = DeepStack.run {
            Result { try TemplateParser.parse(source) }
        }
        do {
            body = try outcome.get()
        } catch let failure as SyntaxFailure {
            throw .syntax(template: name, line: failure.line, message: failure.message)
        } catch {
            throw .syntax(template: name, line: 1, message: "\(error)")
        }
    }

    /// Renders the template. Blocks; a template that does too much ends in an error after about a second.
    ///
    /// - Parameters:
    ///   - variables: `messages`, `tools`, `add_generation_prompt`, `bos_token` and whatever else the template reads.
    ///     Variables that are left out are undefined in it.
    ///   - date: what `strftime_now` sees; left out, the present local time.
    /// - Throws: ``ChatTemplateError``.
    public func render(
        _ variables: [TemplateValue.Member], date: TemplateDate? = nil, limits: Limits = Limits()
    ) throws(ChatTemplateError) -> String {
        let date = date ?? TemplateDate.now()
        let name = name
        let body = body
        let outcome: Result<String, any Error> = DeepStack.run {
            Result { try ChatTemplate.render(body, variables, date: date, limits: limits, name: name) }
        }
        do {
            return try outcome.get()
        } catch let error as ChatTemplateError {
            throw error
        } catch {
            throw .runtime(template: name, line: 1, kind: "Error", message: "\(error)")
        }
    }

    private static func render(
        _ body: [Statement], _ variables: [TemplateValue.Member], date: TemplateDate, limits: Limits, name: String
    ) throws -> String {
        var inputCount = 0
        var failure: TemplateFailure
        var line = 1
        do {
            let values = try variables.map { ($0.key, try Value($0.value, count: &inputCount)) }
            let interpreter = Interpreter(
                budget: Budget(inputCount: inputCount, limits: limits), date: date, variables: values)
            defer { interpreter.releaseCycles() }
            do {
                return try interpreter.run(body)
            } catch let caught as TemplateFailure {
                failure = caught
                line = interpreter.line
            }
        } catch let caught as TemplateFailure {
            failure = caught
        }
        switch failure {
        case .python(let kind, let message):
            throw ChatTemplateError.runtime(template: name, line: line, kind: kind, message: message)
        case .raised(let message): throw ChatTemplateError.raised(template: name, message: message)
        case .limit(let limit): throw ChatTemplateError.limitExceeded(template: name, line: line, limit: limit)
        }
    }
}

extension Value {
    /// - Parameter count: grows by the code points and values that were read.
    init(_ value: TemplateValue, count: inout Int) throws {
        count += 1
        switch value {
        case .null: self = .none
        case .bool(let bool): self = .bool(bool)
        case .int(let int): self = .int(int)
        case .double(let double): self = .float(double)
        case .largeInteger(let digits): self = .largeInteger(Text(digits))
        case .string(let string):
            let text = Text(string)
            count += text.count
            self = .string(text)
        case .array(let elements):
            self = .list(try ListValue(elements.map { try Value($0, count: &count) }))
        case .object(let members):
            self = .dict(
                try DictValue(members.map { (key: .string($0.key), value: try Value($0.value, count: &count)) }))
        }
    }
}
