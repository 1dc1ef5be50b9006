import Testing
import TestSupport

import Retrieval

@Suite("Postings")
struct PostingTests {
    @Test("Every width packs and unpacks", arguments: 0...32)
    func bitPacking(width: Int) {
        var generator = SplitMix64(seed: UInt64(width))
        let mask = width == 32 ? UInt32.max : (UInt32(1) << UInt32(width)) - 1
        let values = (0..<131).map { _ in UInt32(truncatingIfNeeded: generator.next()) & mask }
        var bytes: [UInt8] = []
        BitPacking.append(values[...], width: width, to: &bytes)
        #expect(bytes.count == BitPacking.byteCount(count: values.count, width: width))
        bytes += [UInt8](repeating: 0xFF, count: BitPacking.paddingByteCount)
        var unpacked = [UInt32](repeating: 7, count: values.count)
        bytes.withUnsafeBufferPointer { bytes in
            unpacked.withUnsafeMutableBufferPointer {
                BitPacking.unpack(bytes.baseAddress!, count: values.count, width: width, into: $0.baseAddress!)
            }
        }
        #expect(unpacked == values)
    }

    private func makeList(_ generator: inout SplitMix64, documents: Int) -> (
        bytes: [UInt8], expected: [(UInt32, [UInt32])]
    ) {
        var writer = PostingListWriter()
        var expected: [(UInt32, [UInt32])] = []
        for document in 0..<UInt32(documents) where generator.next(below: 3) == 0 {
            var position: UInt32 = 0
            var positions: [UInt32] = []
            for _ in 0...generator.next(below: 4) {
                position += UInt32(generator.next(below: 50)) + (positions.isEmpty ? 0 : 1)
                positions.append(position)
                writer.append(document: document, position: position)
            }
            expected.append((document, positions))
        }
        return (writer.encoded(lengths: [UInt32](repeating: 300, count: documents)), expected)
    }

    @Test("Documents, occurrences and positions come back", arguments: [3, 400, 3000])
    func roundTrip(documents: Int) throws {
        var generator = SplitMix64(seed: 5)
        let (bytes, expected) = makeList(&generator, documents: documents)
        guard !expected.isEmpty else { return }
        let list = try #require(PostingList(bytes, documentLimit: documents))
        #expect(list.documentCount == expected.count)
        var found: [(UInt32, [UInt32])] = []
        var scratch = [UInt32](repeating: 0, count: 2 * PostingLayout.blockSize)
        for block in list.blocks.indices {
            scratch.withUnsafeMutableBufferPointer { list.decode(block: block, into: $0.baseAddress!) }
            let count = list.blocks[block].count
            let frequencies = Array(scratch[PostingLayout.blockSize..<PostingLayout.blockSize + count])
            let positions = try #require(list.positions(block: block, frequencies: frequencies))
            found += zip(scratch[..<count], positions)
        }
        #expect(found.map(\.0) == expected.map(\.0))
        #expect(found.map(\.1) == expected.map(\.1))
    }

    @Test("Damaged bytes are refused or read inside their bounds")
    func fuzz() {
        var generator = SplitMix64(seed: 9)
        let (bytes, _) = makeList(&generator, documents: 600)
        var scratch = [UInt32](repeating: 0, count: 2 * PostingLayout.blockSize)
        var opened = 0
        for _ in 0..<4000 {
            var damaged = bytes
            for _ in 0...generator.next(below: 3) {
                damaged[generator.next(below: damaged.count)] = UInt8(truncatingIfNeeded: generator.next())
            }
            if generator.next(below: 4) == 0 { damaged.removeLast(generator.next(below: damaged.count)) }
            guard let list = PostingList(damaged, documentLimit: 600) else { continue }
            opened += 1
            for block in list.blocks.indices {
                scratch.withUnsafeMutableBufferPointer { list.decode(block: block, into: $0.baseAddress!) }
                let count = list.blocks[block].count
                _ = list.positions(
                    block: block,
                    frequencies: Array(scratch[PostingLayout.blockSize..<PostingLayout.blockSize + count]))
            }
        }
        #expect(opened > 0)
    }
}
