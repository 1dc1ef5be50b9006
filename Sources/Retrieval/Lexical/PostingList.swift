/// The encoded postings of one term in one segment, checked when it is opened so that reading cannot leave the bytes.
package final class PostingList: Sendable {
    package struct Block: Sendable {
        let lastDocument: UInt32
        let maximumFrequency: UInt32
        let minimumLength: UInt32
        let documentOffset: Int
        let positionOffset: Int
        package let count: Int
    }

    package let documentCount: Int
    package let blocks: [Block]
    // SAFETY: the memory is written once, before the list is there, and freed with it.
    nonisolated(unsafe) let unsafe: UnsafePostings

    /// - Returns: `nil` where the bytes are not what ``PostingListWriter`` writes for a segment of `documentLimit`
    ///   documents.
    package init?(_ bytes: [UInt8], documentLimit: Int) {
        guard bytes.count >= PostingLayout.headerByteCount + BitPacking.paddingByteCount else { return nil }
        func number(_ offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
        }
        let (documentCount, blockCount) = (number(0), number(4))
        let (documentBytes, positionBytes) = (number(8), number(12))
        let blockSize = PostingLayout.blockSize
        guard documentCount > 0, documentCount <= documentLimit,
            blockCount == (documentCount + blockSize - 1) / blockSize
        else { return nil }
        let documentStart = PostingLayout.headerByteCount + blockCount * PostingLayout.blockHeaderByteCount
        let positionStart = documentStart + documentBytes
        guard positionStart + positionBytes + BitPacking.paddingByteCount == bytes.count else { return nil }
        var blocks: [Block] = []
        blocks.reserveCapacity(blockCount)
        for index in 0..<blockCount {
            let header = PostingLayout.headerByteCount + index * PostingLayout.blockHeaderByteCount
            let block = Block(
                lastDocument: UInt32(number(header)), maximumFrequency: UInt32(number(header + 4)),
                minimumLength: UInt32(number(header + 8)), documentOffset: documentStart + number(header + 12),
                positionOffset: positionStart + number(header + 16),
                count: min(blockSize, documentCount - index * blockSize))
            guard block.documentOffset + 2 <= positionStart, Int(block.lastDocument) < documentLimit,
                block.lastDocument >= blocks.last.map({ $0.lastDocument + 1 }) ?? 0,
                block.positionOffset < bytes.count - BitPacking.paddingByteCount
            else { return nil }
            let (gapWidth, countWidth) = (Int(bytes[block.documentOffset]), Int(bytes[block.documentOffset + 1]))
            let needed =
                BitPacking.byteCount(count: block.count, width: gapWidth)
                + BitPacking.byteCount(count: block.count, width: countWidth)
            guard gapWidth <= 32, countWidth <= 32, block.documentOffset + 2 + needed <= positionStart else {
                return nil
            }
            blocks.append(block)
        }
        self.documentCount = documentCount
        self.blocks = blocks
        unsafe = UnsafePostings(blocks, bytes)
    }

    deinit { unsafe.deallocate() }

    package var byteCount: Int { unsafe.byteCount }

    /// Unpacks a block's documents and occurrences.
    /// - Parameter scratch: room for two times ``PostingLayout/blockSize`` numbers: documents, then occurrences.
    package func decode(block index: Int, into scratch: UnsafeMutablePointer<UInt32>) {
        precondition(blocks.indices.contains(index), "block \(index) of \(blocks.count)")
        unsafe.unpack(block: index, into: scratch)
    }

    /// The positions of each document of a block, in order.
    /// - Parameter frequencies: occurrences in each document, as ``decode(block:into:)`` gives them.
    /// - Returns: `nil` where the bytes are damaged.
    package func positions(block index: Int, frequencies: [UInt32]) -> [[UInt32]]? {
        let block = blocks[index]
        let (total, overflow) = frequencies.reduce((0, false)) { sum, frequency in
            let (value, overflow) = sum.0.addingReportingOverflow(Int(frequency))
            return (value, sum.1 || overflow)
        }
        let width = Int(unsafe.bytes[block.positionOffset])
        // Every position takes a bit at least, but for a block whose positions are all 0.
        guard !overflow, width <= 32, width > 0 || total <= PostingLayout.blockSize,
            block.positionOffset + 1 + BitPacking.byteCount(count: total, width: width)
                <= unsafe.byteCount - BitPacking.paddingByteCount
        else { return nil }
        var gaps = [UInt32](repeating: 0, count: total)
        gaps.withUnsafeMutableBufferPointer { gaps in
            guard let gaps = gaps.baseAddress else { return }
            BitPacking.unpack(unsafe.bytes + block.positionOffset + 1, count: total, width: width, into: gaps)
        }
        var start = 0
        return frequencies.map { frequency in
            defer { start += Int(frequency) }
            var position: UInt32 = 0
            return gaps[start..<start + Int(frequency)].map { gap in
                position = position &+ gap
                return position
            }
        }
    }
}

/// The same blocks and bytes for loops that read them many times: as they lie in memory, without checks.
struct UnsafePostings {
    let blocks: UnsafePointer<PostingList.Block>
    let blockCount: Int
    let bytes: UnsafePointer<UInt8>
    let byteCount: Int

    fileprivate init(_ blocks: [PostingList.Block], _ bytes: [UInt8]) {
        let blockMemory = UnsafeMutablePointer<PostingList.Block>.allocate(capacity: blocks.count)
        for (index, block) in blocks.enumerated() { (blockMemory + index).initialize(to: block) }
        let byteMemory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
        _ = UnsafeMutableBufferPointer(start: byteMemory, count: bytes.count).initialize(from: bytes)
        self.blocks = UnsafePointer(blockMemory)
        self.bytes = UnsafePointer(byteMemory)
        byteCount = bytes.count
        blockCount = blocks.count
    }

    fileprivate func deallocate() {
        blocks.deallocate()
        bytes.deallocate()
    }

    /// The gaps between a block's documents, less one, and their occurrences, less one.
    func packed(block index: Int) -> (gaps: PackedNumbers, occurrences: PackedNumbers) {
        let block = blocks[index]
        let start = bytes + block.documentOffset
        let gapWidth = Int(start[0])
        let gaps = start + 2
        return (
            PackedNumbers(gaps, width: gapWidth),
            PackedNumbers(
                gaps + BitPacking.byteCount(count: block.count, width: gapWidth), width: Int(start[1]))
        )
    }

    /// - Parameter scratch: room for two times ``PostingLayout/blockSize`` numbers: documents, then occurrences.
    func unpack(block index: Int, into scratch: UnsafeMutablePointer<UInt32>) {
        let (gaps, occurrences) = packed(block: index)
        var document: UInt32 = index == 0 ? gaps[0] : blocks[index - 1].lastDocument &+ 1 &+ gaps[0]
        for position in 0..<blocks[index].count {
            if position > 0 { document = document &+ 1 &+ gaps[position] }
            scratch[position] = document
            scratch[PostingLayout.blockSize + position] = occurrences[position] &+ 1
        }
    }
}
