/// Encodes the postings of one term in one segment.
///
/// Layout, all integers little-endian:
///
///     u32 documents   u32 blocks   u32 bytes of documents   u32 bytes of positions
///     blocks ×  { u32 last document, u32 most occurrences, u32 fewest terms of a document,
///                 u32 offset of its documents, u32 offset of its positions }
///     documents:  per block  { u8 width, u8 width, packed gaps - 1, packed occurrences - 1 }
///     positions:  per block  { u8 width, packed gaps within a document }
///     8 bytes that a reader may load past the end
///
/// A block holds ``PostingLayout/blockSize`` documents. The most occurrences and the fewest terms bound the score of a
/// block under every k1 and b, which searches skip by. (Ding and Suel, 2011)
package struct PostingListWriter {
    private var documents: [UInt32] = []
    private var frequencies: [UInt32] = []
    private var positions: [UInt32] = []
    /// Whether the list has learned weights in place of occurrences, and so no positions.
    private var hasPositions = true

    package init() {}

    package var documentCount: Int { documents.count }

    /// Adds an occurrence. Documents come in ascending order, positions within one too.
    package mutating func append(document: UInt32, position: UInt32) {
        if documents.last == document {
            frequencies[frequencies.count - 1] += 1
        } else {
            documents.append(document)
            frequencies.append(1)
        }
        positions.append(position)
    }

    /// Adds a whole document with its positions.
    package mutating func append(document: UInt32, positions others: ArraySlice<UInt32>) {
        documents.append(document)
        frequencies.append(UInt32(others.count))
        positions += others
    }

    /// Adds a document with a learned weight in place of occurrences; for all documents of a list or none.
    package mutating func append(document: UInt32, impact: UInt32) {
        hasPositions = false
        documents.append(document)
        frequencies.append(impact)
    }

    /// - Parameter lengths: terms of each document of the segment.
    package func encoded(lengths: [UInt32]) -> [UInt8] {
        let blockSize = PostingLayout.blockSize
        let blockCount = (documents.count + blockSize - 1) / blockSize
        var headers: [UInt8] = []
        var documentBytes: [UInt8] = []
        var positionBytes: [UInt8] = []
        var firstPosition = 0
        for block in 0..<blockCount {
            let range = block * blockSize..<min((block + 1) * blockSize, documents.count)
            let occurrences = frequencies[range].reduce(0) { $0 + Int($1) }
            let fewest = range.reduce(UInt32.max) { min($0, lengths[Int(documents[$1])]) }
            for number in [
                documents[range.upperBound - 1], frequencies[range].max() ?? 1, fewest, UInt32(documentBytes.count),
                UInt32(positionBytes.count),
            ] {
                headers.append(littleEndian: number)
            }
            appendDocuments(range, to: &documentBytes)
            appendPositions(range, from: firstPosition, count: occurrences, to: &positionBytes)
            firstPosition += occurrences
        }
        var bytes: [UInt8] = []
        for number in [documents.count, blockCount, documentBytes.count, positionBytes.count] {
            bytes.append(littleEndian: UInt32(number))
        }
        bytes += headers
        bytes += documentBytes
        bytes += positionBytes
        bytes += [UInt8](repeating: 0, count: BitPacking.paddingByteCount)
        return bytes
    }

    private func appendDocuments(_ range: Range<Int>, to bytes: inout [UInt8]) {
        // The gap of a block's first document counts from the last one of the block before.
        let gaps = range.map { index in
            index == 0 ? documents[0] : documents[index] - documents[index - 1] - 1
        }
        let counts = frequencies[range].map { $0 - 1 }
        let widths = [BitPacking.width(of: gaps[...]), BitPacking.width(of: counts[...])]
        bytes += widths.map { UInt8($0) }
        BitPacking.append(gaps[...], width: widths[0], to: &bytes)
        BitPacking.append(counts[...], width: widths[1], to: &bytes)
    }

    private func appendPositions(_ range: Range<Int>, from first: Int, count: Int, to bytes: inout [UInt8]) {
        guard hasPositions else { return bytes.append(0) }
        var gaps: [UInt32] = []
        gaps.reserveCapacity(count)
        var index = first
        for document in range {
            var previous: UInt32 = 0
            for _ in 0..<frequencies[document] {
                gaps.append(positions[index] - previous)
                previous = positions[index]
                index += 1
            }
        }
        let width = BitPacking.width(of: gaps[...])
        bytes.append(UInt8(width))
        BitPacking.append(gaps[...], width: width, to: &bytes)
    }
}

package enum PostingLayout {
    package static let blockSize = 128
    package static let headerByteCount = 16
    package static let blockHeaderByteCount = 20
}

extension [UInt8] {
    package mutating func append(littleEndian number: UInt32) {
        for shift in stride(from: 0, to: 32, by: 8) { append(UInt8(truncatingIfNeeded: number >> UInt32(shift))) }
    }
}
