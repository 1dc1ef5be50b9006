/// Why documents could not be indexed or searched. Each description is one line that names the culprit.
public enum RetrievalError: Error, CustomStringConvertible, Equatable {
    /// The collection's file does not exist.
    case collectionMissing(path: String)
    /// The file is no collection, or is damaged.
    case notACollection(path: String, reason: String)
    /// Another process holds the collection.
    case collectionBusy(path: String)
    /// The disk or the file's permissions refuse to write.
    case collectionUnwritable(path: String, reason: String)
    /// The collection was made by a newer version.
    case unknownVersion(path: String, version: Int)
    /// The collection was made with other settings than the ones asked for.
    case settingDiffers(path: String, name: String, stored: String, requested: String)
    /// The collection has no vectors, and a search asks for them.
    case noVectors(path: String)
    /// The collection's embedder gives chunks no vector, and a search asks for it.
    case noDenseVectors(path: String)
    /// The collection has no weights of terms, and a search asks for them.
    case noTermWeights(path: String)
    /// The collection has no vectors of tokens, and a search asks for them.
    case noTokenVectors(path: String)
    /// The collection has no knowledge graph, and a search asks for it.
    case noGraph(path: String)
    /// The collection has no approximate index, or its vectors have changed since it was built.
    case noApproximateIndex(path: String, kind: String)
    case unreadable(path: String, reason: String)
    case invalidLine(path: String, line: Int, reason: String)
    case invalidQuery(query: String, reason: String)
    case invalidFilter(filter: String, offset: Int, reason: String)
    case invalidParameter(name: String, value: String, expected: String)
    /// Snowball's library is not installed.
    case stemmersMissing(language: String, reason: String)
    /// A classifier does not say whether one text follows from another.
    case noEntailment(path: String, labels: [String])
    /// A generator's context has no room for a source beside the question and the answer.
    case contextTooSmall(contextLength: Int)

    public var description: String {
        switch self {
        case .collectionMissing(let path):
            "\(path): no collection here; make one with `infer index PATH… --collection \(path)`"
        case .notACollection(let path, let reason):
            "\(path): not a collection of documents (\(reason)); name another file or index anew"
        case .collectionBusy(let path):
            "\(path): another process is writing to this collection; try again when it has finished"
        case .collectionUnwritable(let path, let reason):
            "\(path): cannot write (\(reason)); what was committed before is kept"
        case .unknownVersion(let path, let version):
            "\(path): collection of version \(version), which this program does not know; use a newer infer"
        case .settingDiffers(let path, let name, let stored, let requested):
            "\(path): was made with \(name) \(stored), not \(requested); use \(stored) or another --collection"
        case .noVectors(let path):
            "\(path): has no vectors (it was indexed with --lexical-only); use --mode lexical or index with --model"
        case .noDenseVectors(let path):
            "\(path): its embedder gives weights of terms or vectors of tokens only; use another --mode"
        case .noTermWeights(let path):
            "\(path): has no sparse weights; use another --mode or index with --sparse and a model that gives them"
        case .noTokenVectors(let path):
            "\(path): has no token vectors; use another --mode or index with --multi-vector and a model that gives them"
        case .noGraph(let path):
            "\(path): has no knowledge graph; use another --mode or index with --triples or --extract-triples"
        case .noApproximateIndex(let path, let kind):
            "\(path): has no \(kind) index over its present vectors; build it with `infer index … --approximate \(kind)`"
        case .stemmersMissing(let language, let reason):
            "stemmer \(language): \(reason); install Debian's libstemmer0d"
        case .noEntailment(let path, let labels):
            "\(path): chooses among \(labels.prefix(8).joined(separator: ", ")), of which none is entailment; name a model of "
                + "natural language inference or a cross-encoder"
        case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
        case .invalidLine(let path, let line, let reason): "\(path), line \(line): \(reason)"
        case .invalidQuery(let query, let reason): "query '\(query)': \(reason)"
        case .invalidFilter(let filter, let offset, let reason):
            "--where '\(filter)', at character \(offset + 1): \(reason)"
        case .contextTooSmall(let contextLength):
            "the generator's context of \(contextLength) tokens has no room for the question and a source; "
                + "shorten the question, lower --max-tokens, or name a --model with more"
        case .invalidParameter(let name, let value, let expected): "\(name) is \(value), expected \(expected)"
        }
    }
}
