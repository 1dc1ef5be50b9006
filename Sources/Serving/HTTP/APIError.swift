internal import Hummingbird
package import HTTPTypes
internal import Inference
package import JSONCore
internal import NIOCore
internal import Tokenization

/// An error that a request is answered with: a status, and a body in the form of OpenAI's or Anthropic's API.
package struct APIError: Error, Sendable {
    package var status: HTTPResponse.Status
    /// One line that names the culprit and what to do.
    package var message: String
    /// The error's `type` in OpenAI's API.
    package var type: String
    /// The request's field that caused the error.
    package var parameter: String?
    package var code: String?
    /// Further members of the error object.
    package var details: [JSON.Member] = []
    /// Seconds after which the request may be tried again.
    package var retryAfterSeconds: Int?

    package init(
        _ status: HTTPResponse.Status, _ message: String, type: String = "invalid_request_error",
        parameter: String? = nil, code: String? = nil
    ) {
        self.status = status
        self.message = JSONError.singleLine(message)
        self.type = type
        self.parameter = parameter
        self.code = code
    }

    static func invalid(_ parameter: String?, _ message: String, code: String? = nil) -> APIError {
        APIError(.badRequest, message, parameter: parameter, code: code)
    }

    /// The error for a field that this server knows and does not support.
    static func unsupported(_ parameter: String, _ reason: String) -> APIError {
        invalid(parameter, "\(parameter): \(reason)", code: "unsupported_parameter")
    }

    static func contextExceeded(promptTokens: Int, contextLength: Int) -> APIError {
        var error = invalid(
            "messages",
            "This model's maximum context length is \(contextLength) tokens. However, the prompt has \(promptTokens) "
                + "tokens and needs room for one more; shorten it, or start the server with a larger --ctx",
            code: "context_length_exceeded")
        error.parameter = nil
        error.details = [
            JSON.Member(key: "n_prompt_tokens", value: .int(promptTokens)),
            JSON.Member(key: "n_ctx", value: .int(contextLength)),
        ]
        return error
    }

    static func textTooLong(_ field: String, start: String, tokenCount: Int, maximum: Int) -> APIError {
        var error = invalid(
            field,
            "\(field): text '\(start)…' has \(tokenCount) tokens, but the model takes at most \(maximum); shorten it, or "
                + "give truncate_prompt_tokens (-1: the model's limit)",
            code: "context_length_exceeded")
        error.details = [
            JSON.Member(key: "n_prompt_tokens", value: .int(tokenCount)),
            JSON.Member(key: "n_ctx", value: .int(maximum)),
        ]
        return error
    }

    static func modelNotFound(_ name: String, known: [String]) -> APIError {
        let shown = known.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
        return APIError(
            .notFound, "The model '\(name.prefix(200))' does not exist; this server has \(shown)",
            parameter: "model", code: "model_not_found")
    }

    static let draining: APIError = {
        var error = APIError(
            .serviceUnavailable, "The server is shutting down; send the request to another one", type: "server_error",
            code: "shutting_down")
        error.retryAfterSeconds = 5
        return error
    }()
}

extension APIError {
    /// As the initialiser below; names `constraintField` where the form that this field asks for cannot be compiled.
    init(_ error: any Error, constraintField: String?) {
        self.init(error)
        guard let constraintField, case .invalidConstraint(let reason)? = error as? InferenceError else { return }
        self = .invalid(constraintField, "\(constraintField): \(reason)", code: "invalid_constraint")
    }

    /// What an error of the layers below means to a client: its status and body.
    init(_ error: any Error) {
        switch error {
        case let error as APIError: self = error
        case let error as InferenceError: self = APIError(inference: error)
        case let error as SearchFailure: self = APIError(search: error)
        case let error as JSONError: self = .invalid(nil, error.description)
        case let error as TokenizationError: self = .invalid(nil, error.description)
        case let error as HTTPError:
            self = APIError(error.status, error.body ?? error.status.reasonPhrase)
            if status == .contentTooLarge { code = "request_too_large" }
        default:
            self = APIError(.internalServerError, "\(error)", type: "server_error", code: "internal_error")
        }
    }

    private init(inference error: InferenceError) {
        switch error {
        case .contextLengthExceeded(let count, let context):
            self = .contextExceeded(promptTokens: count, contextLength: context)
        case .invalidParameter(let name, _, _):
            self = .invalid(name.replacing("-", with: "_"), error.description)
        case .emptyPrompt: self = .invalid("prompt", error.description)
        case .requestTooLarge: self = .invalid("n", error.description, code: "too_many_samples")
        case .queueFull(_, let seconds):
            self = APIError(.serviceUnavailable, error.description, type: "server_error", code: "queue_full")
            retryAfterSeconds = seconds
        case .tokenOutOfRange: self = .invalid("prompt", error.description)
        case .tokenizerMissing: self = .invalid("model", error.description)
        case .nonFiniteLogits, .engineStopped:
            self = APIError(.internalServerError, error.description, type: "server_error", code: "engine_error")
        default: self = .invalid(nil, error.description)
        }
    }

    /// The body in the shape that clients of the path expect.
    func body(_ dialect: Dialect, requestID: String?) -> JSON {
        switch dialect {
        case .openAI:
            var error: JSON = [
                "message": .string(message), "type": .string(type), "param": .optional(parameter),
                "code": .optional(code),
            ]
            for detail in details { error[detail.key] = detail.value }
            return ["error": error]
        case .anthropic:
            var error: JSON = ["type": .string(anthropicType), "message": .string(message)]
            for detail in details { error[detail.key] = detail.value }
            return ["type": "error", "error": error, "request_id": .optional(requestID)]
        }
    }

    private var anthropicType: String {
        switch status.code {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413: "request_too_large"
        case 429: "rate_limit_error"
        case 400..<500: "invalid_request_error"
        case 503: "overloaded_error"
        default: "api_error"
        }
    }
}

/// The API whose forms a path follows.
enum Dialect: Sendable {
    case openAI
    case anthropic

    init(path: String) {
        self =
            path == "/messages" || path == "/v1/messages" || path.hasSuffix("/messages/count_tokens")
            ? .anthropic : .openAI
    }
}
