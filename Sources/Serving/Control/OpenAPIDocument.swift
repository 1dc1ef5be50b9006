internal import JSONCore

/// `GET /openapi.json`: the paths and their fields, in OpenAPI 3.1.
enum OpenAPIDocument {
    static func json(version: String) -> JSON {
        var paths: JSON = .object([])
        for operation in operations {
            var entry = paths[operation.path] ?? .object([])
            entry[operation.method] = operation.json
            paths[operation.path] = entry
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "infer", "version": .string(version.isEmpty ? "0" : version),
                "description": "Transformer models over HTTP. Every path also works without /v1.",
            ],
            "paths": paths,
            "components": [
                "schemas": ["Error": errorSchema, "AnthropicError": anthropicErrorSchema],
                "securitySchemes": ["key": ["type": "http", "scheme": "bearer"]],
            ],
        ]
    }

    private struct Operation {
        let method: String
        let path: String
        let summary: String
        var body: JSON?
        var parameters: [JSON] = []
        var answers = "application/json"

        var json: JSON {
            let isAnthropic = path.hasPrefix("/v1/messages")
            let error: JSON = [
                "description": "What is wrong, with the field's name",
                "content": [
                    "application/json": [
                        "schema": [
                            "$ref": .string("#/components/schemas/" + (isAnthropic ? "AnthropicError" : "Error"))
                        ]
                    ]
                ],
            ]
            var content: JSON = .object([])
            content[answers] = .object([])
            if body?["properties"]?["stream"] != nil { content["text/event-stream"] = .object([]) }
            var json: JSON = [
                "summary": .string(summary),
                "responses": ["200": ["description": "The answer", "content": content], "default": error],
            ]
            if !parameters.isEmpty { json["parameters"] = .array(parameters) }
            if let body {
                json["requestBody"] = ["required": true, "content": ["application/json": ["schema": body]]]
            }
            return json
        }
    }

    private static let operations: [Operation] = [
        Operation(method: "post", path: "/v1/chat/completions", summary: "Answers a conversation.", body: chat),
        Operation(method: "post", path: "/v1/completions", summary: "Continues a text.", body: completion),
        Operation(method: "post", path: "/v1/responses", summary: "Answers, keeping the conversation.", body: response),
        Operation(
            method: "get", path: "/v1/responses/{id}", summary: "A kept response.", parameters: [pathParameter("id")]),
        Operation(
            method: "delete", path: "/v1/responses/{id}", summary: "Forgets a response.",
            parameters: [pathParameter("id")]),
        Operation(method: "post", path: "/v1/messages", summary: "Anthropic's messages.", body: message(true)),
        Operation(
            method: "post", path: "/v1/messages/count_tokens", summary: "Tokens of a conversation.",
            body: message(false)),
        Operation(method: "get", path: "/v1/models", summary: "The models."),
        Operation(
            method: "get", path: "/v1/models/{name}", summary: "A model.", parameters: [pathParameter("name")]),
        Operation(method: "post", path: "/v1/search", summary: "Searches a collection of documents.", body: search),
        Operation(method: "get", path: "/v1/collections", summary: "The collections of documents."),
        Operation(
            method: "post", path: "/v1/vector_stores/{id}/search", summary: "The same, as OpenAI's client asks.",
            body: search, parameters: [pathParameter("id")]),
        Operation(method: "post", path: "/completion", summary: "llama.cpp's completion.", body: native),
        Operation(method: "post", path: "/infill", summary: "Fills in between two parts.", body: infill),
        Operation(method: "post", path: "/tokenize", summary: "A text's token ids.", body: tokenize),
        Operation(
            method: "post", path: "/detokenize", summary: "The text of token ids.",
            body: object(["model": string, "tokens": array(integer(0))], required: ["tokens"])),
        Operation(
            method: "post", path: "/apply-template", summary: "A conversation as the model reads it.",
            body: object(
                ["model": string, "messages": messages, "tools": array(["type": "object"])], required: ["messages"])),
        Operation(method: "get", path: "/props", summary: "The server's defaults."),
        Operation(method: "get", path: "/slots", summary: "Places for sequences."),
        Operation(method: "get", path: "/health", summary: "Whether the process works."),
        Operation(method: "get", path: "/ready", summary: "Whether requests are taken."),
        Operation(method: "get", path: "/version", summary: "The version."),
        Operation(method: "get", path: "/metrics", summary: "Prometheus' metrics.", answers: "text/plain"),
    ]

    // MARK: Schemas

    private static let string: JSON = ["type": "string"]
    private static let boolean: JSON = ["type": "boolean"]

    private static func integer(_ minimum: Int, _ maximum: Int? = nil) -> JSON {
        var json: JSON = ["type": "integer", "minimum": .int(minimum)]
        if let maximum { json["maximum"] = .int(maximum) }
        return json
    }

    private static func number(_ minimum: Double, _ maximum: Double) -> JSON {
        ["type": "number", "minimum": .double(minimum), "maximum": .double(maximum)]
    }

    private static func array(_ items: JSON) -> JSON { ["type": "array", "items": items] }

    private static func object(_ properties: JSON, required: [String] = []) -> JSON {
        var json: JSON = ["type": "object", "properties": properties]
        if !required.isEmpty { json["required"] = .array(required.map(JSON.string)) }
        return json
    }

    private static func pathParameter(_ name: String) -> JSON {
        ["name": .string(name), "in": "path", "required": true, "schema": string]
    }

    private static func merge(_ parts: JSON...) -> JSON {
        var result: JSON = .object([])
        for case .object(let members) in parts { for member in members { result[member.key] = member.value } }
        return result
    }

    private static let messages: JSON = [
        "type": "array", "minItems": 1,
        "items": object(
            [
                "role": ["type": "string", "enum": .array(ChatMessages.roles.map(JSON.string))],
                "content": [
                    "anyOf": [
                        string,
                        array(object(["type": ["const": "text"], "text": string], required: ["type", "text"])),
                    ]
                ],
            ], required: ["role", "content"]),
    ]

    private static let sampling: JSON = [
        "model": string, "stream": boolean, "temperature": number(0, 100), "top_p": number(0, 1),
        "top_k": integer(-1), "min_p": number(0, 1), "top_h": number(0, 1), "typical_p": number(0, 1),
        "epsilon_cutoff": number(0, 1), "eta_cutoff": number(0, 1), "presence_penalty": number(-2, 2),
        "frequency_penalty": number(-2, 2), "repetition_penalty": ["type": "number", "exclusiveMinimum": 0],
        "seed": ["type": "integer"], "logit_bias": ["type": "object", "additionalProperties": number(-100, 100)],
        "stop": ["anyOf": [string, array(string)]], "stop_token_ids": array(integer(0)), "ignore_eos": boolean,
        "n": integer(1, 128), "priority": ["type": "integer"], "cache_salt": ["type": "string", "minLength": 1],
        "src_lang": string, "tgt_lang": string,
        "stream_options": object(["include_usage": boolean, "continuous_usage_stats": boolean]),
    ]

    private static let chat = object(
        merge(
            sampling,
            [
                "messages": messages, "max_tokens": integer(1), "max_completion_tokens": integer(1),
                "logprobs": boolean,
                "top_logprobs": integer(0, 20), "tools": array(["type": "object"]),
                "tool_choice": ["enum": ["auto", "none", "required"]], "parallel_tool_calls": boolean,
                "chat_template_kwargs": ["type": "object"],
                "continue_final_message": boolean, "add_generation_prompt": boolean,
            ], form), required: ["messages"])

    /// The fields that fix the form of an answer.
    private static let form: JSON = [
        "response_format": object(
            [
                "type": ["enum": ["text", "json_object", "json_schema"]],
                "json_schema": object(["name": string, "strict": boolean, "schema": anyObject]),
            ], required: ["type"]),
        "grammar": string,
        "structured_outputs": object([
            "json": anyObject, "regex": string, "choice": array(string), "grammar": string, "json_object": boolean,
        ]),
    ]

    private static let anyObject: JSON = ["type": "object"]

    private static let prompt: JSON = [
        "anyOf": [string, array(string), array(integer(0)), array(array(integer(0)))]
    ]

    private static let completion = object(
        merge(
            sampling, ["prompt": prompt, "max_tokens": integer(0), "logprobs": integer(0, 20), "echo": boolean], form),
        required: ["prompt"])

    private static let native = object(
        merge(
            sampling, ["prompt": prompt, "n_predict": integer(-1), "cache_prompt": boolean, "return_tokens": boolean],
            ["grammar": string, "json_schema": anyObject]),
        required: ["prompt"])

    private static let infill = object(
        merge(sampling, ["input_prefix": string, "input_suffix": string, "prompt": string, "n_predict": integer(-1)]),
        required: ["input_prefix", "input_suffix"])

    private static let tokenize = object([
        "model": string, "content": string, "prompt": string, "add_special": boolean, "parse_special": boolean,
        "with_pieces": boolean, "add_special_tokens": boolean,
    ])

    private static let search = object(
        [
            "query": string, "collection": string, "top_k": integer(1, SearchEndpoints.maximumCount),
            "mode": ["enum": ["lexical", "dense", "sparse", "multi-vector", "graph", "hybrid", "auto"]],
            "where": string, "rerank": boolean,
            "scoring": ["enum": ["bm25", "tfidf"]], "k1": number(0, 1000), "b": number(0, 1),
            "fusion": ["enum": ["rrf", "distribution"]], "rrf_k": number(0, 1_000_000),
            "lexical_weight": number(0, 1000), "candidates": integer(1, 100_000), "vectors": string,
            "return_text": boolean,
        ], required: ["query"])

    private static let response = object(
        merge(
            sampling,
            [
                "input": ["anyOf": [string, messages]], "instructions": string, "max_output_tokens": integer(1),
                "previous_response_id": string, "store": boolean,
            ]), required: ["input"])

    private static func message(_ isWhole: Bool) -> JSON {
        var properties: JSON = [
            "model": string, "messages": messages, "system": string, "max_tokens": integer(1), "stream": boolean,
            "temperature": number(0, 1), "top_p": number(0, 1), "top_k": integer(0), "stop_sequences": array(string),
        ]
        if !isWhole { properties = ["model": string, "messages": messages, "system": string] }
        return object(properties, required: isWhole ? ["model", "messages", "max_tokens"] : ["model", "messages"])
    }

    private static let errorSchema = object(
        [
            "error": object(
                [
                    "message": string, "type": string, "param": ["type": ["string", "null"]],
                    "code": ["type": ["string", "null"]],
                ], required: ["message", "type"])
        ], required: ["error"])

    private static let anthropicErrorSchema = object(
        [
            "type": ["const": "error"],
            "error": object(["type": string, "message": string], required: ["type", "message"]),
        ], required: ["type", "error"])
}
