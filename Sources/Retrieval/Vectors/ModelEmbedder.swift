public import Inference
internal import ModelIO
internal import TensorCore
import Synchronization

/// An embedding model of the engine, as a collection uses it. Queries and documents get the prompts that the model's
/// files define for them.
public final class ModelEmbedder: TextEmbedder {
    public let name: String
    public let fingerprint: String
    private let embedder: Embedder
    private let queryPrompt: String
    private let documentPrompt: String
    /// Serialises passes, since a model runs one at a time.
    private let turn = Mutex(())

    public let dimensionCount: Int?
    public let givesTermWeights: Bool
    public let tokenVectorSize: Int?

    /// - Parameters:
    ///   - embedder: loaded from `package`.
    public init(_ embedder: Embedder, from package: ModelPackage) {
        self.embedder = embedder
        dimensionCount = embedder.outputs.contains(.dense) ? embedder.dimensions : nil
        givesTermWeights = embedder.outputs.contains(.sparse)
        tokenVectorSize = embedder.outputs.contains(.colbert) ? embedder.tokenVectorSize : nil
        name = package.name
        fingerprint = ModelEmbedder.fingerprint(of: package.checkpoint)
        let prompts = embedder.prompts
        queryPrompt = prompts["query"] ?? ""
        documentPrompt = prompts["document"] ?? prompts["passage"] ?? ""
    }

    public var maximumTokenCount: Int { embedder.maximumTokenCount }

    public func tokenCount(of text: String) throws -> Int { try embedder.tokenCount(of: text) }

    public func embed(_ texts: [String], isQuery: Bool) async throws -> [[Float]] {
        try await encode(texts, isQuery: isQuery).map(\.vector)
    }

    public func encode(_ texts: [String], isQuery: Bool) async throws -> [EncodedText] {
        let prompt = isQuery ? queryPrompt : documentPrompt
        return try turn.withLock { _ in
            try embedder.run(texts.map { prompt + $0 }, as: isQuery ? .query : .document).map {
                EncodedText(vector: $0.dense, termWeights: $0.sparse, tokenVectors: $0.colbert.flatMap { $0 })
            }
        }
    }

    /// A digest of the names, shapes and first bytes of all tensors. Another model, or the same one after more
    /// training, has another digest.
    private static func fingerprint(of checkpoint: Checkpoint) -> String {
        var bytes: [UInt8] = []
        for name in checkpoint.tensors.keys.sorted() {
            guard let tensor = checkpoint.tensors[name] else { continue }
            bytes += Array(name.utf8) + Array("\(tensor.shape)".utf8) + tensor.bytes.pointer.prefix(64)
        }
        return String(bytes.withUnsafeBytes(ContentHash.hash), radix: 16)
    }
}

/// A cross-encoder of the engine, as a search uses it.
public final class ModelReranker: TextReranker {
    private let reranker: Reranker
    private let turn = Mutex(())

    public init(_ reranker: Reranker) { self.reranker = reranker }

    public func score(query: String, texts: [String]) async throws -> [Double] {
        try turn.withLock { _ in try reranker.run(texts.map { TextPair(query, pair: $0) }) }
    }
}
