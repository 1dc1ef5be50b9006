internal import Tokenization
internal import Hummingbird
internal import Inference
internal import JSONCore
internal import ModelIO

/// `POST /tokenize`, `/detokenize` and `/apply-template`: text to ids and back, as llama.cpp's and vLLM's servers have it.
struct TokenEndpoints: Sendable {
    let state: ServerState

    /// `content` is llama.cpp's name for the text, `prompt` vLLM's, which adds special tokens unless told otherwise.
    func tokenize(_ request: Request) async throws -> Response {
        let fields = try await state.readFields(request)
        let name = try fields.string("model")
        let (tokenizer, contextLength) = try state.directory.tokenizer(named: name)
        let isVLLM = fields["content"] == nil
        let text: String
        if fields["messages"] != nil {
            text = try ChatPrompt(fields).render(for: state.directory.model(named: name))
        } else if isVLLM {
            text = try fields.requireString("prompt")
        } else {
            text = try fields.requireString("content")
        }
        let addsSpecial =
            try fields.bool(isVLLM ? "add_special_tokens" : "add_special")
            ?? (isVLLM && fields["messages"] == nil)
        let parsesSpecial = try fields.bool("parse_special") ?? true
        let ids = try tokenizer.encode(text, addSpecialTokens: addsSpecial, parseSpecialTokens: parsesSpecial)
        var answer: JSON = ["tokens": .array(ids.map(JSON.int)), "count": .int(ids.count)]
        if isVLLM, let contextLength { answer["max_model_len"] = .int(contextLength) }
        if try fields.bool("with_pieces") ?? false {
            answer["tokens"] = .array(
                ids.map { id in
                    let bytes = tokenizer.textBytes(of: id)
                    let piece = String(validating: bytes, as: UTF8.self).map(JSON.string)
                    return ["id": .int(id), "piece": piece ?? .array(bytes.map { .int(Int($0)) })]
                })
        }
        if try fields.bool("return_token_strs") ?? false {
            answer["token_strs"] = .array(ids.map { .string(tokenizer.token(for: $0) ?? "") })
        }
        return Response(answer)
    }

    func detokenize(_ request: Request) async throws -> Response {
        let fields = try await state.readFields(request)
        let tokenizer = try state.directory.tokenizer(named: try fields.string("model")).tokenizer
        _ = try fields.requireMember("tokens")
        let ids = try fields.tokens("tokens", vocabularySize: tokenizer.vocabularySize) ?? []
        let text = try tokenizer.decode(ids, skipSpecialTokens: false)
        return Response(["content": .string(text), "prompt": .string(text)])
    }

    /// `GET /tokenizer_info`, by which vLLM's clients, such as lm-eval, find out that the server tokenizes for them.
    func info(model name: String?) throws -> Response {
        let model = try state.directory.model(named: name)
        let tokenizer = try model.requireTokenizer()
        let generation = model.engine.package.generation
        func spelling(_ role: TokenizerConfiguration.Role, _ id: Int? = nil) -> JSON {
            .optional(tokenizer.configuration.token(for: role) ?? id.flatMap { tokenizer.token(for: $0) })
        }
        return Response([
            "tokenizer_class": .optional(tokenizer.configuration.tokenizerClass),
            "vocab_size": .int(tokenizer.vocabularySize), "model_max_length": .int(model.contextLength),
            "bos_token": spelling(.beginningOfSequence, generation.bosTokenID),
            "eos_token": spelling(.endOfSequence, generation.eosTokenIDs.first),
            "pad_token": spelling(.padding), "unk_token": spelling(.unknown),
            "chat_template": .optional(model.promptTemplate?.source(hasTools: false)),
        ])
    }

    func applyTemplate(_ request: Request) async throws -> Response {
        let fields = try await state.readFields(request)
        let model = try state.directory.model(named: try fields.string("model"))
        return Response(["prompt": .string(try ChatPrompt(fields).render(for: model))])
    }
}
