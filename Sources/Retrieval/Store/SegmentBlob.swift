import Foundation
internal import GRDB

/// Arrays of numbers as they lie in a collection's file: little-endian, one behind the other.
enum SegmentBlob {
    static func bytes<Number: BitwiseCopyable>(of numbers: [Number]) -> [UInt8] {
        numbers.withUnsafeBytes { Array($0) }
    }

    /// `nil` where the bytes are no whole number of `Number`.
    static func numbers<Number: BitwiseCopyable>(_ bytes: [UInt8], as type: Number.Type) -> [Number]? {
        let size = MemoryLayout<Number>.size
        guard bytes.count % size == 0 else { return nil }
        return bytes.withUnsafeBytes { raw in
            (0..<bytes.count / size).map { raw.loadUnaligned(fromByteOffset: $0 * size, as: Number.self) }
        }
    }

    static func data(_ bytes: [UInt8]) -> Data { Data(bytes) }

    static func bytes(_ row: Row, _ column: Int) -> [UInt8] {
        let data: Data? = row[column]
        return data.map { [UInt8]($0) } ?? []
    }

    /// Every segment, in the order of its chunks.
    static func readAll(_ database: Database, path: String) throws -> [LexicalSegment] {
        try Row.fetchAll(database, sql: "SELECT id, chunks, lengths FROM segment ORDER BY id").map { row in
            guard let chunks = numbers(bytes(row, 1), as: Int64.self),
                let lengths = numbers(bytes(row, 2), as: UInt32.self), chunks.count == lengths.count
            else { throw RetrievalError.notACollection(path: path, reason: "a segment is damaged") }
            return LexicalSegment(id: row[0], chunks: chunks, lengths: lengths)
        }
        .sorted { ($0.chunks.first ?? 0) < ($1.chunks.first ?? 0) }
    }

    /// A segment's vectors, one row a chunk.
    static func vectors(
        _ database: Database, of segment: LexicalSegment, rowByteCount: Int, path: String
    ) throws -> [UInt8] {
        let row = try Row.fetchOne(database, sql: "SELECT vectors FROM segment WHERE id = ?", arguments: [segment.id])
        let bytes = row.map { SegmentBlob.bytes($0, 0) } ?? []
        guard bytes.count == segment.chunks.count * rowByteCount else {
            throw RetrievalError.notACollection(path: path, reason: "the vectors of a segment are damaged")
        }
        return bytes
    }
}
