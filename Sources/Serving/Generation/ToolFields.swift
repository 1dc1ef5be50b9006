internal import Inference
internal import JSONCore

/// Whether the model may, must or must not call tools.
enum ToolChoice: Sendable, Equatable {
    case auto
    /// The tools are not shown to the model.
    case none
    /// The answer is a call of any of the tools.
    case required
    /// The answer is a call of this tool.
    case named(String)

    /// Whether the answer must be a call.
    var isForced: Bool {
        switch self {
        case .auto, .none: false
        case .required, .named: true
        }
    }
}

/// The tools of a request, in the form that templates take, with the choice among them.
struct ToolFields: Sendable, Equatable {
    private(set) var tools: [JSON] = []
    private(set) var choice = ToolChoice.auto
    /// The one among the tools that the server runs itself.
    private(set) var search: SearchTool?

    init() {}

    /// - Throws: where a call is forced and there is nothing to call.
    private init(_ tools: [JSON], _ choice: ToolChoice, allowed: [String]? = nil) throws(APIError) {
        self.tools = tools
        self.choice = choice
        let names = tools.compactMap { $0["function"]?["name"]?.stringValue }
        guard !tools.isEmpty || !choice.isForced else {
            throw .invalid("tool_choice", "tool_choice is only allowed where the request has tools")
        }
        var wanted = allowed ?? []
        if case .named(let name) = choice { wanted.append(name) }
        if let unknown = wanted.first(where: { !names.contains($0) }) {
            throw .invalid("tool_choice", "tool_choice names '\(unknown.prefix(80))', which is no tool of the request")
        }
        if let allowed {
            self.tools = tools.filter { allowed.contains($0["function"]?["name"]?.stringValue ?? "") }
        }
    }

    /// The tools as templates take them; `nil` where none is shown.
    var shown: JSON? { tools.isEmpty || choice == .none ? nil : .array(tools) }

    /// The tools that the answer may call.
    var offered: [OfferedTool] { choice == .none ? [] : tools.compactMap { OfferedTool($0) } }

    /// The tools among which a forced call chooses.
    var callable: [OfferedTool] {
        guard case .named(let name) = choice else { return offered }
        return offered.filter { $0.name == name }
    }

    // MARK: OpenAI's chat

    static func chat(_ fields: RequestFields) throws(APIError) -> ToolFields {
        var tools: [JSON] = []
        var search: SearchTool?
        for tool in try fields.objects("tools", atMost: 1024) ?? [] {
            let type = try tool.string("type") ?? "function"
            if SearchTool.types.contains(type), search == nil {
                let own = try SearchTool(tool)
                tools.append(own.function)
                search = own
                continue
            }
            guard type == "function" else {
                throw .unsupported(tool.name(of: "type"), "tools are of type function, and one may be of type search")
            }
            guard let function = try tool.object("function") else {
                throw .invalid(tool.name(of: "function"), "\(tool.name(of: "function")) is required")
            }
            _ = try function.requireString("name")
            _ = try function.string("description")
            _ = try function.object("parameters")
            tools.append(["type": "function", "function": function.json])
        }
        let names = tools.compactMap { $0["function"]?["name"]?.stringValue }
        guard search == nil || names.filter({ $0 == SearchTool.name }).count == 1 else {
            throw .invalid("tools", "tools: the server's tool is named search; name your own one otherwise")
        }
        let (choice, allowed) = try openAIChoice(fields, nameKey: "function")
        var result = try ToolFields(tools, choice, allowed: allowed)
        if choice != ToolChoice.none, result.offered.contains(where: { $0.name == SearchTool.name }) {
            result.search = search
        }
        return result
    }

    /// After the model has heard what a search found, it may answer.
    mutating func goOn(offersSearch: Bool) {
        choice = .auto
        if !offersSearch { tools.removeAll { $0["function"]?["name"]?.stringValue == SearchTool.name } }
    }

    // MARK: OpenAI's responses

    static func responses(_ fields: RequestFields) throws(APIError) -> ToolFields {
        var tools: [JSON] = []
        for tool in try fields.objects("tools", atMost: 1024) ?? [] {
            guard try tool.requireString("type") == "function" else {
                throw .unsupported(tool.name(of: "type"), "only tools of type function are known")
            }
            var function: JSON = ["name": .string(try tool.requireString("name"))]
            if let text = try tool.string("description") { function["description"] = .string(text) }
            if let parameters = try tool.object("parameters") { function["parameters"] = parameters.json }
            tools.append(["type": "function", "function": function])
        }
        let (choice, allowed) = try openAIChoice(fields, nameKey: nil)
        return try ToolFields(tools, choice, allowed: allowed)
    }

    /// - Parameter nameKey: the member that holds a tool's name; `nil`: the name stands beside the type.
    private static func openAIChoice(
        _ fields: RequestFields, nameKey: String?
    ) throws(APIError) -> (ToolChoice, allowed: [String]?) {
        guard let value = fields["tool_choice"] else { return (.auto, nil) }
        if let text = value.string {
            guard let choice = named(text) else {
                throw fields.mismatch("tool_choice", expected: "auto, none, required or a tool")
            }
            return (choice, nil)
        }
        guard value.object != nil, let object = try fields.object("tool_choice") else {
            throw fields.mismatch("tool_choice", expected: "a string or an object")
        }
        func name(_ tool: RequestFields) throws(APIError) -> String {
            guard let nameKey, tool[nameKey] != nil else { return try tool.requireString("name") }
            return try tool.object(nameKey)?.requireString("name") ?? ""
        }
        switch try object.string("type") ?? "function" {
        case "function": return (.named(try name(object)), nil)
        case let type where SearchTool.types.contains(type) && nameKey != nil: return (.named(SearchTool.name), nil)
        case "allowed_tools":
            // The chat API keeps the list of tools in a member of its own, the responses API beside the type.
            let list = try object.object("allowed_tools") ?? object
            var names: [String] = []
            for tool in try list.objects("tools", atMost: 1024) ?? [] { names.append(try name(tool)) }
            guard let choice = named(try list.requireString("mode")), !names.isEmpty else {
                throw .invalid(list.name(of: "tools"), "\(list.name(of: "tools")) must name at least one tool")
            }
            return (choice, names)
        default: throw object.mismatch("type", expected: "function or allowed_tools")
        }
    }

    private static func named(_ text: String) -> ToolChoice? {
        switch text {
        case "auto": .auto
        case "none": ToolChoice.none
        case "required": .required
        default: nil
        }
    }

    // MARK: Anthropic's messages

    /// How the types of tools begin that Anthropic's servers run themselves.
    private static let serverTools = ["web_search_", "web_fetch_", "code_execution_", "tool_search_"]

    static func messages(_ fields: RequestFields) throws(APIError) -> ToolFields {
        var tools: [JSON] = []
        for tool in try fields.objects("tools", atMost: 1024) ?? [] {
            if let type = try tool.string("type"), serverTools.contains(where: type.hasPrefix) {
                throw .unsupported(tool.name(of: "type"), "this server runs no '\(type)'; leave it out")
            }
            var function: JSON = ["name": .string(try tool.requireString("name"))]
            if let text = try tool.string("description") { function["description"] = .string(text) }
            if let schema = try tool.object("input_schema") { function["parameters"] = schema.json }
            tools.append(["type": "function", "function": function])
        }
        guard let choice = try fields.object("tool_choice") else { return try ToolFields(tools, .auto) }
        switch try choice.requireString("type") {
        case "auto": return try ToolFields(tools, .auto)
        case "none": return try ToolFields(tools, ToolChoice.none)
        case "any": return try ToolFields(tools, .required)
        case "tool": return try ToolFields(tools, .named(try choice.requireString("name")))
        default: throw choice.mismatch("type", expected: "auto, any, tool or none")
        }
    }
}

extension OfferedTool {
    /// - Parameter tool: as templates take tools.
    init?(_ tool: JSON) {
        guard let function = tool["function"], let name = function["name"]?.stringValue else { return nil }
        var strings = Set<String>()
        if case .object(let members)? = function["parameters"]?["properties"] {
            for member in members where member.value["type"]?.stringValue == "string" { strings.insert(member.key) }
        }
        self.init(
            name: name, stringParameters: strings,
            parameters: (function["parameters"] ?? ["type": "object"]).text)
    }
}
