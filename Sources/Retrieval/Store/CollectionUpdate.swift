internal import GRDB

/// The changes of one transaction: documents are added and removed, and the index follows.
struct CollectionUpdate {
    /// The most chunks of a segment. A change rewrites the segments that it touches, so this bounds its cost.
    static let segmentLimit = 1 << 16
    /// Segments with fewer chunks are merged once there are several of them.
    private static let smallSegment = segmentLimit / 4
    private static let mostSmallSegments = 8

    private let database: Database
    private let settings: CollectionSettings
    private let path: String
    private var removedChunks: Set<Int64> = []

    init(_ database: Database, settings: CollectionSettings, path: String) {
        self.database = database
        self.settings = settings
        self.path = path
    }

    mutating func remove(_ keys: [String]) throws {
        let find = try database.makeStatement(sql: "SELECT id FROM document WHERE key = ?")
        for key in keys {
            guard let document = try Int64.fetchOne(find, arguments: [key]) else { continue }
            removedChunks.formUnion(
                try Int64.fetchAll(database, sql: "SELECT id FROM chunk WHERE document = ?", arguments: [document]))
            for table in try dependentTables() {
                try database.execute(
                    sql: "DELETE FROM \(table) WHERE chunk IN (SELECT id FROM chunk WHERE document = ?)",
                    arguments: [document])
            }
            try database.execute(sql: "DELETE FROM chunk WHERE document = ?", arguments: [document])
            try database.execute(sql: "DELETE FROM document WHERE id = ?", arguments: [document])
        }
    }

    /// Tables whose rows belong to chunks and go with them.
    private func dependentTables() throws -> [String] {
        try [TokenVectorStore.table, GraphStore.relations, GraphStore.extracted].filter { try database.tableExists($0) }
    }

    mutating func insert(_ documents: [IndexedDocument]) throws {
        var builder = SegmentBuilder(analyzer: settings.analyzer)
        var vectors: [UInt8] = []
        for document in documents {
            try database.execute(
                sql: """
                    INSERT INTO document(key, path, source, hash, byte_count, time, metadata)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    document.key, document.path, document.source, Int64(bitPattern: document.state.contentHash),
                    document.state.byteCount, document.state.time, document.metadata,
                ])
            let number = database.lastInsertedRowID
            for (index, chunk) in document.chunks.enumerated() {
                try insert(chunk, of: number)
                let chunkNumber = database.lastInsertedRowID
                if index < document.tokenVectors.count {
                    try TokenVectorStore.insert(document.tokenVectors[index], of: chunkNumber, into: database)
                }
                builder.add(
                    chunk: chunkNumber, text: chunk.indexedText,
                    termWeights: index < document.termWeights.count ? document.termWeights[index] : [:])
            }
            for vector in document.vectors { settings.vectorFormat.append(vector, to: &vectors) }
            if builder.chunks.count >= CollectionUpdate.segmentLimit {
                try store(builder, vectors)
                builder = SegmentBuilder(analyzer: settings.analyzer)
                vectors = []
            }
        }
        if !builder.isEmpty { try store(builder, vectors) }
    }

    private func insert(_ chunk: Chunk, of document: Int64) throws {
        try database.cachedStatement(
            sql: "INSERT INTO chunk(document, start_byte, end_byte, headings, text) VALUES (?, ?, ?, ?, ?)"
        ).execute(arguments: [
            document, chunk.byteRange.lowerBound, chunk.byteRange.upperBound, chunk.headings.joined(separator: "\n"),
            chunk.text,
        ])
    }

    private func store(_ builder: SegmentBuilder, _ vectors: [UInt8]) throws {
        let segment = try storeSegment(builder.chunks, builder.lengths, vectors.isEmpty ? nil : vectors)
        for (term, bytes) in builder.encoded() { try storePostings(term, segment, bytes) }
    }

    private func storeSegment(_ chunks: [Int64], _ lengths: [UInt32], _ vectors: [UInt8]?) throws -> Int64 {
        try database.execute(
            sql: "INSERT INTO segment(chunks, lengths, vectors) VALUES (?, ?, ?)",
            arguments: [
                SegmentBlob.data(SegmentBlob.bytes(of: chunks)), SegmentBlob.data(SegmentBlob.bytes(of: lengths)),
                vectors.map(SegmentBlob.data),
            ])
        return database.lastInsertedRowID
    }

    private func storePostings(_ term: String, _ segment: Int64, _ bytes: [UInt8]) throws {
        try database.cachedStatement(sql: "INSERT INTO posting(term, segment, bytes) VALUES (?, ?, ?)")
            .execute(arguments: [term, segment, SegmentBlob.data(bytes)])
    }

    /// Rewrites segments that lost chunks and joins small ones.
    /// - Returns: chunks of the collection.
    func finish() throws -> Int {
        let segments = try SegmentBlob.readAll(database, path: path)
        if !removedChunks.isEmpty {
            try GraphStore.removeOrphans(in: database)
            for segment in segments where segment.chunks.contains(where: removedChunks.contains) {
                try rewrite([segment])
            }
        }
        let small = try SegmentBlob.readAll(database, path: path).filter {
            $0.chunks.count < CollectionUpdate.smallSegment
        }
        if small.count > CollectionUpdate.mostSmallSegments {
            // Documents that were indexed together stay in order; segments that share postings are read once.
            var group: [LexicalSegment] = []
            for segment in small {
                if group.reduce(segment.chunks.count, { $0 + $1.chunks.count }) > CollectionUpdate.segmentLimit {
                    try rewrite(group)
                    group = []
                }
                group.append(segment)
            }
            if group.count > 1 { try rewrite(group) }
        }
        return try Int.fetchOne(database, sql: "SELECT count(*) FROM chunk") ?? 0
    }

    /// Replaces segments by one without the chunks that are gone.
    private func rewrite(_ segments: [LexicalSegment]) throws {
        let merger = SegmentMerger(segments, keeping: { !removedChunks.contains($0) }, name: path)
        let list = segments.map { String($0.id) }.joined(separator: ",")
        let order = Dictionary(uniqueKeysWithValues: segments.enumerated().map { ($1.id, $0) })
        if !merger.chunks.isEmpty {
            let segment = try storeSegment(merger.chunks, merger.lengths, try joinedVectors(segments))
            let rows = try Row.fetchCursor(
                database,
                sql: "SELECT term, segment, bytes FROM posting WHERE segment IN (\(list)) ORDER BY term")
            var term: String?
            var encoded: [(segment: Int64, bytes: [UInt8])] = []
            var merged: [(String, [UInt8])] = []
            func flush() throws {
                // A rewritten segment has a higher number than the order of its chunks suggests.
                encoded.sort { order[$0.segment, default: 0] < order[$1.segment, default: 0] }
                guard let term, let bytes = try merger.merge(encoded, isImpact: ImpactTerm.isImpact(term)) else {
                    return
                }
                merged.append((term, bytes))
            }
            while let row = try rows.next() {
                let next: String = row[0]
                if next != term {
                    try flush()
                    term = next
                    encoded = []
                }
                encoded.append((row[1], SegmentBlob.bytes(row, 2)))
            }
            try flush()
            for (term, bytes) in merged { try storePostings(term, segment, bytes) }
        }
        try database.execute(sql: "DELETE FROM posting WHERE segment IN (\(list))")
        try database.execute(sql: "DELETE FROM segment WHERE id IN (\(list))")
    }

    /// The vectors of the chunks that stay, in order; `nil` in a lexical collection.
    private func joinedVectors(_ segments: [LexicalSegment]) throws -> [UInt8]? {
        guard let dimensionCount = settings.dimensionCount else { return nil }
        let rowByteCount = settings.vectorFormat.rowByteCount(dimensionCount)
        var joined: [UInt8] = []
        for segment in segments {
            let bytes = try SegmentBlob.vectors(database, of: segment, rowByteCount: rowByteCount, path: path)
            for (index, chunk) in segment.chunks.enumerated() where !removedChunks.contains(chunk) {
                joined += bytes[index * rowByteCount..<(index + 1) * rowByteCount]
            }
        }
        return joined
    }
}

extension Chunk {
    /// The text that the lexical index sees: the chunk's headings, then its own words.
    var indexedText: String { headings.isEmpty ? text : headings.joined(separator: "\n") + "\n" + text }
}
