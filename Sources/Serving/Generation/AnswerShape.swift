internal import Inference
internal import JSONCore

/// The form that a request asks of its answer, under the names that the APIs of OpenAI, Anthropic, llama.cpp and vLLM
/// use.
struct AnswerShape: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        /// Any JSON object.
        case object
        case schema(JSON)
        /// A grammar in GBNF, llama.cpp's notation.
        case grammar(String)
        case regex(String)
        case choices([String])
    }

    let kind: Kind
    /// The request's field that asks for the form; errors name it.
    let field: String

    init(_ kind: Kind, field: String) {
        self.kind = kind
        self.field = field
    }

    /// The form as the engine takes it.
    var form: OutputConstraint.Form {
        switch kind {
        case .object: .jsonObject
        case .schema(let schema): .jsonSchema(schema.text)
        case .grammar(let text): .grammar(text)
        case .regex(let pattern): .regex(pattern)
        case .choices(let texts): .choices(texts)
        }
    }

    /// The form that a request of OpenAI's or llama.cpp's APIs asks for; `nil` where it leaves it open.
    static func read(_ fields: RequestFields) throws(APIError) -> AnswerShape? {
        var found: [AnswerShape] = []
        if let format = try fields.object("response_format"), let shape = try responseFormat(format) {
            found.append(shape)
        }
        if let schema = try schema(fields, "json_schema") { found.append(schema) }
        // An empty grammar is what llama.cpp's page sends for none.
        if let text = try fields.string("grammar"), !text.isEmpty {
            found.append(AnswerShape(.grammar(text), field: "grammar"))
        }
        if try fields.bool("grammar_lazy") ?? false {
            throw .unsupported("grammar_lazy", "a grammar holds from the beginning of the answer; leave it out")
        }
        if let options = try fields.object("structured_outputs") { found += try vLLM(options, prefix: "") }
        found += try vLLM(fields, prefix: "guided_")
        return try single(found)
    }

    /// An answer has one form, so a request may give only one of these fields.
    private static func single(_ found: [AnswerShape]) throws(APIError) -> AnswerShape? {
        guard found.count <= 1 else {
            throw .invalid(found[1].field, "\(found[0].field) and \(found[1].field) exclude one another; give one")
        }
        return found.first
    }

    /// `response_format` of chat and text completions.
    private static func responseFormat(_ format: RequestFields) throws(APIError) -> AnswerShape? {
        switch try format.requireString("type") {
        case "text": return nil
        case "json_object":
            // llama.cpp takes a schema here.
            return try schema(format, "schema") ?? AnswerShape(.object, field: format.path)
        case "json_schema":
            if format["schema"] != nil { return try schema(format, "schema") }
            guard let inner = try format.object("json_schema") else {
                throw .invalid(
                    format.name(of: "json_schema"), "\(format.name(of: "json_schema")) is required",
                    code: "missing_required_parameter")
            }
            return try namedSchema(inner, field: format.path)
        default: throw format.mismatch("type", expected: "text, json_object or json_schema")
        }
    }

    /// `text.format` of responses, whose members stand beside the type.
    static func responses(_ fields: RequestFields) throws(APIError) -> AnswerShape? {
        guard let format = try fields.object("text")?.object("format") else { return nil }
        switch try format.requireString("type") {
        case "text": return nil
        case "json_object": return AnswerShape(.object, field: format.path)
        case "json_schema": return try namedSchema(format, field: format.path)
        default: throw format.mismatch("type", expected: "text, json_object or json_schema")
        }
    }

    /// Anthropic's `output_config.format`, which was `output_format` before.
    static func messages(_ fields: RequestFields) throws(APIError) -> AnswerShape? {
        var found: [AnswerShape] = []
        for format in [try fields.object("output_config")?.object("format"), try fields.object("output_format")] {
            guard let format else { continue }
            guard try format.requireString("type") == "json_schema" else {
                throw format.mismatch("type", expected: "json_schema")
            }
            found.append(try namedSchema(format, field: format.path))
        }
        return try single(found)
    }

    /// A JSON schema with a name and the member `strict`. The schema is always followed, whatever `strict` says.
    private static func namedSchema(_ fields: RequestFields, field: String) throws(APIError) -> AnswerShape {
        _ = try fields.string("name")
        _ = try fields.string("description")
        _ = try fields.bool("strict")
        guard let shape = try schema(fields, "schema") else {
            throw .invalid(
                fields.name(of: "schema"), "\(fields.name(of: "schema")) is required",
                code: "missing_required_parameter")
        }
        return AnswerShape(shape.kind, field: field)
    }

    /// A JSON schema: an object, or true for any value.
    private static func schema(_ fields: RequestFields, _ key: String) throws(APIError) -> AnswerShape? {
        guard let value = fields[key] else { return nil }
        guard value.object != nil || value.bool == true else {
            throw fields.mismatch(key, expected: "a JSON schema")
        }
        let field = fields.path.isEmpty ? key : fields.path
        return AnswerShape(.schema(JSON(value)), field: field)
    }

    /// vLLM's members of `structured_outputs`, or its older fields, which begin with `guided_`.
    private static func vLLM(_ fields: RequestFields, prefix: String) throws(APIError) -> [AnswerShape] {
        var found: [AnswerShape] = []
        func add(_ kind: Kind, _ key: String) { found.append(AnswerShape(kind, field: fields.name(of: prefix + key))) }
        if let value = fields[prefix + "json"] {
            add(.schema(try schemaOrText(value, fields, prefix + "json")), "json")
        }
        if try fields.bool(prefix + "json_object") ?? false { add(.object, "json_object") }
        if let text = try fields.string(prefix + "regex") { add(.regex(text), "regex") }
        if let text = try fields.string(prefix + "grammar") { add(.grammar(text), "grammar") }
        if let choices = fields[prefix + "choice"] {
            guard choices.array != nil else {
                throw fields.mismatch(prefix + "choice", expected: "an array of strings")
            }
            let texts = try fields.strings(prefix + "choice", atMost: 1 << 16) ?? []
            guard !texts.isEmpty else {
                let name = fields.name(of: prefix + "choice")
                throw .invalid(name, "\(name) must hold at least one string")
            }
            add(.choices(texts), "choice")
        }
        for key in ["structural_tag", "whitespace_pattern"] where fields[prefix + key] != nil {
            throw .unsupported(fields.name(of: prefix + key), "this version does not do it; leave it out")
        }
        if prefix.isEmpty, found.isEmpty {
            throw .invalid(
                fields.path, "\(fields.path) must have one of json, json_object, regex, choice and grammar")
        }
        return found
    }

    /// A schema as JSON, or as a string that holds JSON.
    private static func schemaOrText(
        _ value: JSONValue, _ fields: RequestFields, _ key: String
    ) throws(APIError) -> JSON {
        guard let text = value.string else {
            guard value.object != nil || value.bool == true else {
                throw fields.mismatch(key, expected: "a JSON schema")
            }
            return JSON(value)
        }
        do {
            return JSON(try JSONDocument(parsing: text, source: fields.name(of: key)).root)
        } catch {
            throw .invalid(fields.name(of: key), error.description)
        }
    }
}

extension GenerationJob {
    /// Applies a form to the whole text of an answer.
    mutating func hold(to shape: AnswerShape?) {
        guard let shape else { return }
        constraint = OutputConstraint(shape.form)
        constraintField = shape.field
    }
}
