import TensorCore

/// An intermediate result of a network that is being built: a row a pixel (or token), a column a channel.
struct FeatureMap: Sendable, Equatable {
    /// Which of the network's memories holds it.
    let storage: Int
    let imageCount: Int
    let size: Extent2D
    let channels: Int
    /// Elements from row to row, and before the first channel.
    let rowStride: Int
    let offset: Int

    var rows: Int { imageCount * size.pixelCount }
    var isContiguous: Bool { rowStride == channels }

    /// A range of the channels.
    func channels(_ range: Range<Int>) -> FeatureMap {
        precondition(range.lowerBound >= 0 && range.upperBound <= channels, "channels \(range) of \(channels)")
        return FeatureMap(
            storage: storage, imageCount: imageCount, size: size, channels: range.count, rowStride: rowStride,
            offset: offset + range.lowerBound)
    }

    /// Each image as one row, pixel by pixel.
    /// - Precondition: contiguous.
    var flattened: FeatureMap {
        precondition(isContiguous, "a range of channels cannot be flattened")
        let width = size.pixelCount * channels
        return FeatureMap(
            storage: storage, imageCount: imageCount, size: Extent2D(1), channels: width, rowStride: width,
            offset: offset)
    }

    /// The same rows as a line of `size.pixelCount`.
    var asLine: FeatureMap {
        FeatureMap(
            storage: storage, imageCount: imageCount, size: Extent2D(height: 1, width: size.pixelCount),
            channels: channels, rowStride: rowStride, offset: offset)
    }

    /// Of each image's rows the first one.
    var firstRows: FeatureMap {
        FeatureMap(
            storage: storage, imageCount: imageCount, size: Extent2D(1), channels: channels,
            rowStride: rowStride * size.pixelCount, offset: offset)
    }
}

/// The memory of a network: a place for each storage, and scratch.
struct NetworkMemory: Sendable {
    private let buffer: any DeviceBuffer
    private let offsets: [Int]
    private let quantised: Set<Int>
    let scratch: Tensor

    /// - Parameters:
    ///   - byteOffsets: of each storage.
    ///   - quantised: storages of maps that convolutions quantise (`ConvolutionOps.quantisesMaps`).
    init(buffer: any DeviceBuffer, byteOffsets: [Int], quantised: Set<Int>, scratch: Tensor) {
        self.buffer = buffer
        offsets = byteOffsets
        self.quantised = quantised
        self.scratch = scratch
    }

    subscript(map: FeatureMap) -> Tensor {
        Tensor(
            buffer: buffer, byteOffset: offsets[map.storage] + map.offset * MemoryLayout<Float>.size,
            dtype: quantised.contains(map.storage) ? .uint8 : .float32, shape: [map.rows, map.channels],
            rowStride: map.rowStride)
    }
}

/// Places memory such that results that are wanted at the same time do not overlap.
package struct MemoryPlan {
    private struct Storage {
        let byteCount: Int
        /// The steps that write it first and read it last.
        let first: Int
        var last: Int
        /// The storage that its first step may read and overwrite.
        var replaced: Int?
        var byteOffset = 0
    }

    private var storages: [Storage] = []

    package init() {}

    package var byteOffsets: [Int] { storages.map(\.byteOffset) }

    package mutating func add(floats count: Int, step: Int) -> Int {
        let bytes = count * MemoryLayout<Float>.size
        let alignment = WorkspacePlan.alignment
        storages.append(
            Storage(byteCount: (bytes + alignment - 1) / alignment * alignment, first: step, last: step))
        return storages.count - 1
    }

    package mutating func use(_ storage: Int, step: Int) { storages[storage].last = max(storages[storage].last, step) }

    /// Lets a storage take the place of another of its size, if the step that writes the one first reads the other last.
    package mutating func replace(_ storage: Int, by replacement: Int) { storages[replacement].replaced = storage }

    /// Gives each storage the lowest place that is free while it is wanted, and returns the bytes of all.
    /// - Parameter quantised: storages of maps that convolutions quantise, which floats do not take the place of.
    package mutating func place(quantised: Set<Int>) -> Int {
        var end = 0
        for index in storages.indices {
            let storage = storages[index]
            if let old = storage.replaced, storages[old].last == storage.first,
                storages[old].byteCount == storage.byteCount, quantised.contains(old) == quantised.contains(index)
            {
                storages[index].byteOffset = storages[old].byteOffset
                continue
            }
            let busy = storages[..<index].filter { $0.first <= storage.last && storage.first <= $0.last }
                .map { $0.byteOffset..<$0.byteOffset + $0.byteCount }.sorted { $0.lowerBound < $1.lowerBound }
            var offset = 0
            for range in busy where range.lowerBound < offset + storage.byteCount {
                offset = max(offset, range.upperBound)
            }
            storages[index].byteOffset = offset
            end = max(end, offset + storage.byteCount)
        }
        return end
    }
}
