/// Brings a collection's knowledge graph up to date: from files of triples, and by a generator that reads the chunks.
public struct TripleIndexer {
    public struct Report: Sendable {
        /// Relations that found their chunks.
        public var placed = 0
        /// Triples left out, with the reason.
        public var skipped: [String] = []
        /// Chunks that a generator has read.
        public var extractedChunks = 0
    }

    private let collection: DocumentCollection

    public init(_ collection: DocumentCollection) { self.collection = collection }

    /// Reads a file with a triple a line: `subject`, `relation`, `object` and, optionally, `document`. What an earlier reading
    /// of the file gave is replaced.
    ///
    /// A triple belongs to the chunk of its document that names both entities, else to one that names one of them, else to
    /// the document's first. Without a document it belongs to every chunk, up to some, that names both.
    /// - Throws: ``RetrievalError`` for the file and the collection.
    public func add(file path: String) async throws -> Report {
        var report = Report()
        var placed: [(triple: Triple, chunk: Int64)] = []
        let placer = TriplePlacer(try CollectionReader(path: collection.path))
        var failures: [String] = []
        try await FileLines.forEach(
            path, limit: 1 << 20,
            onLongLine: { number in
                failures.append(
                    RetrievalError.invalidLine(path: path, line: number, reason: "longer than a triple").description)
            }
        ) { number, _, line in
            do {
                guard let triple = try Triple(line, path: path, number: number) else { return }
                let chunks = try placer.chunks(of: triple) { reason in
                    failures.append(
                        RetrievalError.invalidLine(path: path, line: number, reason: reason).description)
                }
                placed += chunks.map { (triple, $0) }
            } catch let error as RetrievalError {
                guard case .invalidLine = error else { throw error }
                failures.append(error.description)
            }
        }
        try collection.replaceRelations(from: path, with: placed)
        report.placed = placed.count
        report.skipped = failures
        return report
    }

    /// Has a generator read every chunk that none has read yet. What is done stays, whenever the process ends.
    ///
    /// Of what the generator says only triples count whose entities both stand in the chunk.
    /// - Parameter onProgress: called with the number of chunks that are done.
    public func extract(
        by extractor: any TripleExtractor, onProgress: (Int) -> Void = { _ in }
    ) async throws -> Report {
        var report = Report()
        while true {
            let batch = try collection.chunksToExtract(limit: extractor.batchCount)
            guard !batch.isEmpty else { return report }
            let answers = try await extractor.triples(in: batch.map(\.text))
            var found: [(chunk: Int64, triples: [Triple])] = []
            for ((chunk, text), triples) in zip(batch, answers) {
                let terms = EntityName.terms(text)
                let stated = triples.filter { triple in
                    [triple.subject, triple.object].allSatisfy { EntityName.stands(EntityName.terms($0), in: terms) }
                }
                found.append((chunk, stated))
                report.placed += stated.count
            }
            try collection.addExtracted(found)
            report.extractedChunks += batch.count
            onProgress(report.extractedChunks)
        }
    }
}

/// Takes statements out of texts.
public protocol TripleExtractor: Sendable {
    /// Texts that are best given at once.
    var batchCount: Int { get }

    /// The triples of each text. Blocks.
    func triples(in texts: [String]) async throws -> [[Triple]]
}

/// Finds the chunks that state a triple.
private struct TriplePlacer {
    /// Chunks that one triple without a document belongs to.
    private static let chunkLimit = 16
    private let reader: CollectionReader
    private let matcher: ConditionMatcher

    init(_ reader: CollectionReader) {
        self.reader = reader
        matcher = ConditionMatcher(index: reader.lexical)
    }

    func chunks(of triple: Triple, onFailure: (String) -> Void) throws -> [Int64] {
        let names = [triple.subject, triple.object].map { LexicalQuery.phrase(reader.settings.analyzer.terms(in: $0)) }
        let holders = try names.map { try matcher.matches($0) }
        let both = holders[0].intersection(holders[1])
        guard let document = triple.document else {
            if both.isEmpty {
                onFailure("no chunk names both '\(triple.subject)' and '\(triple.object)'; name its document")
            }
            return Array(both.sorted().prefix(TriplePlacer.chunkLimit))
        }
        guard let own = try reader.chunks(ofDocument: document), let first = own.first else {
            onFailure("the collection holds no document '\(document)'")
            return []
        }
        let either = holders[0].union(holders[1])
        return [own.first(where: both.contains) ?? own.first(where: either.contains) ?? first]
    }
}
