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

    package init(name: String, aliases: [String] = [], engine: Engine, created: Int, sequenceCount: Int) {
        self.name = name
        self.aliases = aliases
        self.engine = engine
        self.created = created
        self.sequenceCount = sequenceCount
    }

    var names: [String] { [name] + aliases }

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
    package let models: [ServedModel]
    private let servesAnyName: Bool

    package init(_ models: [ServedModel], servesAnyName: Bool = false) {
        self.models = models
        self.servesAnyName = servesAnyName
    }

    /// The model that a request names; the first where it names none.
    func model(named name: String?) throws(APIError) -> ServedModel {
        guard let first = models.first else { throw .modelNotFound(name ?? "", known: []) }
        guard let name else { return first }
        if let found = models.first(where: { $0.names.contains(name) }) { return found }
        if servesAnyName, models.count == 1 { return first }
        throw .modelNotFound(name, known: models.flatMap(\.names))
    }
}
