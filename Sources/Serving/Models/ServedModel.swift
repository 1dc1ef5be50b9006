internal import Models
package import Inference
internal import Tokenization

/// A model that requests can name.
package struct ServedModel: Sendable {
    /// The name that listings show.
    package let name: String
    /// Further names.
    package let aliases: [String]
    package let engine: Engine
    /// Unix time at which it was loaded.
    package let created: Int
    package let sequenceCount: Int
    /// The adapter that answers are computed with; `nil`: none.
    private(set) var adapter: String?
    /// The languages that the request names; `nil`: none.
    private(set) var languages: LanguageTokens?
    /// How conversations become prompts; `nil` where the model's chat template cannot be used.
    let promptTemplate: PromptTemplate?
    /// Why the model's chat template cannot be used.
    let templateFailure: String?

    package init(name: String, aliases: [String] = [], engine: Engine, created: Int, sequenceCount: Int) {
        self.name = name
        self.aliases = aliases.filter { $0 != name }
        self.engine = engine
        self.created = created
        self.sequenceCount = sequenceCount
        do {
            promptTemplate = try engine.package.conversationTemplate()
            templateFailure = nil
        } catch {
            (promptTemplate, templateFailure) = (nil, "\(error)")
        }
    }

    var names: [String] { [name] + aliases + adapterNames }

    /// Adapters, which requests name in the same way as models.
    var adapterNames: [String] { engine.package.adapters.map(\.name) }

    /// The model under one of its names. The name of an adapter gives the model with that adapter.
    func named(_ name: String) -> ServedModel {
        guard !([self.name] + aliases).contains(name), adapterNames.contains(name) else { return self }
        var model = self
        model.adapter = name
        return model
    }

    /// The model as it answers a request that names the languages of the text and of the answer, where it does:
    /// `src_lang` and `tgt_lang` as tokenizers of transformers call them, or `source_lang` and `target_lang`.
    /// - Throws: `APIError` for a language that the model does not know, and for a model that knows none.
    func translating(_ fields: RequestFields) throws(APIError) -> ServedModel {
        func language(_ names: [String]) throws(APIError) -> (field: String, language: String)? {
            for name in names { if let language = try fields.string(name) { return (name, language) } }
            return nil
        }
        let from = try language(["src_lang", "source_lang"])
        let to = try language(["tgt_lang", "target_lang"])
        guard from != nil || to != nil else { return self }
        var model = self
        do {
            model.languages = try LanguageTokens(
                engine.package, from: from?.language, to: to?.language,
                names: .init(from: from?.field ?? "src_lang", to: to?.field ?? "tgt_lang"))
        } catch {
            throw APIError(error)
        }
        return model
    }

    /// - Throws: `APIError` where the request names languages that have to be written into the prompt, which is given as
    ///   ids.
    func requireOwnFrame(_ place: String) throws(APIError) {
        guard languages?.framesSource ?? false else { return }
        throw .invalid(
            place, "\(place) holds token ids, which are read as they are; give a text, or leave the languages out")
    }

    var contextLength: Int { engine.contextLength }

    var vocabularySize: Int { engine.description.vocabularySize }

    func requireTokenizer() throws(APIError) -> Tokenizer {
        guard let tokenizer = engine.tokenizer else {
            throw .invalid("model", "\(name) has no tokenizer; it takes and gives token ids only")
        }
        return tokenizer
    }
}

/// The models of a server, by name.
package struct ModelDirectory: Sendable {
    /// The models that generate text.
    package let models: [ServedModel]
    package let taskModels: [TaskModel]
    private let servesAnyName: Bool

    package init(_ models: [ServedModel], tasks: [TaskModel] = [], servesAnyName: Bool = false) {
        self.models = models
        taskModels = tasks
        self.servesAnyName = servesAnyName
    }

    var names: [String] { models.flatMap(\.names) + taskModels.flatMap(\.names) }

    /// The model that a request names; the first where it names none.
    func model(named name: String?) throws(APIError) -> ServedModel {
        if let name, let found = models.first(where: { $0.names.contains(name) }) { return found.named(name) }
        if let name, let task = taskModels.first(where: { $0.names.contains(name) }) {
            throw .invalid("model", "\(name) \(task.task.summary); it writes no text")
        }
        if let first = models.first, name == nil || (servesAnyName && models.count == 1) { return first }
        if name == nil, let task = taskModels.first {
            throw .invalid("model", "\(task.name) \(task.task.summary); no model here writes text")
        }
        throw .modelNotFound(name ?? "", known: names)
    }

    /// The tokenizer of the model that a request names, whatever the model does; of the first where it names none.
    func tokenizer(named name: String?) throws(APIError) -> (tokenizer: Tokenizer, contextLength: Int?) {
        let unnamed = name == nil && models.isEmpty ? taskModels.first : nil
        guard let task = taskModels.first(where: { name.map($0.names.contains) ?? false }) ?? unnamed else {
            let model = try model(named: name)
            return (try model.requireTokenizer(), model.contextLength)
        }
        guard let tokenizer = task.tokenizer else { throw .invalid("model", "\(task.name) has no tokenizer") }
        return (tokenizer, nil)
    }

    /// The model for a task that a request names; the first that fits where it names none.
    /// - Parameter path: the endpoint, for errors.
    func taskModel(named name: String?, for path: String) throws(APIError) -> TaskModel {
        if let name {
            if let found = taskModels.first(where: { $0.names.contains(name) }) { return found }
            if models.contains(where: { $0.names.contains(name) }) {
                throw .invalid("model", "\(name) writes text; /v1/\(path) needs another model")
            }
            if !servesAnyName { throw .modelNotFound(name, known: names) }
        }
        let fitting = taskModels.first { model in
            switch (model.task, path) {
            case (.embedder, "embeddings"), (.reranker, "rerank"), (.reranker, "score"), (.classifier, "classify"): true
            default: false
            }
        }
        guard let found = fitting ?? taskModels.first else {
            throw .invalid("model", "No model here serves /v1/\(path); start the server with one that does")
        }
        return found
    }
}
