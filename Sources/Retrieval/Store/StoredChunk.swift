/// A piece of a document as it is indexed: what a search finds.
public struct Chunk: Sendable, Hashable {
    /// Bytes of the document's file from which the text comes.
    public var byteRange: Range<Int>
    /// The headings above it, outermost first.
    public var headings: [String]
    public var text: String

    public init(byteRange: Range<Int>, headings: [String] = [], text: String) {
        self.byteRange = byteRange
        self.headings = headings
        self.text = text
    }
}

/// A document with its chunks, ready to be written to a collection.
public struct IndexedDocument: Sendable {
    /// The document's key: the `id` of a JSON line, or the path of a file. There is one document for each key.
    public var key: String
    public var path: String
    /// The file or folder that the document was indexed from, as it was named. A document that is gone from there is
    /// removed from the collection.
    public var source: String
    public var state: DocumentState
    /// User fields, as one JSON object.
    public var metadata: String
    public var chunks: [Chunk]
    /// One vector for each chunk, with `dimensionCount` numbers; empty in a lexical collection.
    public var vectors: [[Float]]
    /// The term weights of each chunk; empty in a collection without a sparse arm.
    public var termWeights: [[Int: Double]]
    /// One a chunk, `[tokens, tokenVectorSize]`; empty in a collection without a multi-vector arm.
    public var tokenVectors: [[Float16]]

    public init(
        key: String, path: String, source: String, state: DocumentState, metadata: String = "{}", chunks: [Chunk],
        vectors: [[Float]] = [], termWeights: [[Int: Double]] = [], tokenVectors: [[Float16]] = []
    ) {
        self.key = key
        self.path = path
        self.source = source
        self.state = state
        self.metadata = metadata
        self.chunks = chunks
        self.vectors = vectors
        self.termWeights = termWeights
        self.tokenVectors = tokenVectors
    }
}

/// What shows whether a document has changed since it was indexed.
public struct DocumentState: Sendable, Hashable {
    /// xxHash64 of the content.
    public var contentHash: UInt64
    public var byteCount: Int
    /// Seconds since 1970 of the last change; `nil` where the document is no file of its own.
    public var time: Double?

    public init(contentHash: UInt64, byteCount: Int, time: Double? = nil) {
        self.contentHash = contentHash
        self.byteCount = byteCount
        self.time = time
    }
}

/// A chunk as a search result shows it.
public struct FoundChunk: Sendable, Hashable {
    public var number: Int64
    public var document: Int64
    public var key: String
    public var path: String
    public var chunk: Chunk
}
