public import TensorCore

/// The sizes of a paged cache.
///
/// Legend: `B` blocks, `KH` key/value heads, `L` tokens a block, `D` elements a head.
public struct KVCacheShape: Sendable, Hashable {
    public var layerCount: Int
    /// `B`.
    public var blockCount: Int
    /// `KH`.
    public var headCount: Int
    /// `D`.
    public var headSize: Int
    /// `L`.
    public var blockSizeInTokens: Int
    /// float32, float16 or bfloat16.
    public var dtype: DType

    public init(
        layerCount: Int, blockCount: Int, headCount: Int, headSize: Int, blockSizeInTokens: Int = 16,
        dtype: DType = .float32
    ) {
        self.layerCount = layerCount
        self.blockCount = blockCount
        self.headCount = headCount
        self.headSize = headSize
        self.blockSizeInTokens = blockSizeInTokens
        self.dtype = dtype
    }

    /// Bytes of the keys, or of the values, of one layer, rounded up so that the next ones start aligned.
    /// - Throws: `KVCacheError.invalidSize` where a size is not positive or the product overflows.
    func planeByteCount() throws -> Int {
        let sizes = [layerCount, blockCount, headCount, headSize, blockSizeInTokens]
        guard sizes.allSatisfy({ $0 > 0 }) else {
            throw KVCacheError.invalidSize(reason: "sizes \(sizes) must all be positive")
        }
        guard [.float32, .float16, .bfloat16].contains(dtype) else {
            throw KVCacheError.invalidSize(reason: "\(dtype) is no element type for keys and values")
        }
        let slots = blockCount.multipliedReportingOverflow(by: blockSizeInTokens)
        guard !slots.overflow, slots.partialValue <= Int(Int32.max) else {
            throw KVCacheError.invalidSize(
                reason: "\(blockCount) blocks of \(blockSizeInTokens) tokens are more than 31 bits of slots")
        }
        let alignment = WorkspacePlan.alignment
        var bytes = dtype.byteCount
        for factor in [blockCount, headCount, blockSizeInTokens, headSize] {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
            guard !overflow, product <= Int.max - alignment else { throw KVCacheShape.overflow(sizes) }
            bytes = product
        }
        return (bytes + alignment - 1) / alignment * alignment
    }

    /// Bytes of the whole cache.
    /// - Throws: `KVCacheError.invalidSize` where a size is not positive or the product overflows.
    public func byteCount() throws -> Int {
        let (layer, overflow) = try planeByteCount().multipliedReportingOverflow(by: 2)
        let (total, totalOverflow) = layer.multipliedReportingOverflow(by: layerCount)
        guard !overflow, !totalOverflow else {
            throw KVCacheShape.overflow([layerCount, blockCount, headCount, headSize, blockSizeInTokens])
        }
        return total
    }

    private static func overflow(_ sizes: [Int]) -> KVCacheError {
        .invalidSize(reason: "the byte count of \(sizes) overflows")
    }

    /// How many blocks fit into `budget` bytes; 0 where not one does.
    public func blocks(fitting budget: Int) -> Int {
        var one = self
        one.blockCount = 1
        guard let block = try? one.byteCount(), block > 0 else { return 0 }
        // Planes are rounded up as a whole, so this errs towards fewer blocks, by less than one alignment a block.
        return min(max(budget, 0) / block, Int(Int32.max) / blockSizeInTokens)
    }
}

/// The keys and values of all layers in one device allocation.
public struct KVCacheStorage: Sendable {
    public let shape: KVCacheShape
    /// One a layer, `[B, KH, L, D]` keys and values.
    public let layers: [KVCacheLayer]

    /// Allocates the cache; the memory is uninitialised.
    /// - Throws: `KVCacheError.invalidSize`; `BackendError.outOfMemory`.
    public init(_ shape: KVCacheShape, on backend: any Backend) throws {
        let plane = try shape.planeByteCount()
        let buffer = try backend.makeBuffer(byteCount: try shape.byteCount())
        let extents = Shape([shape.blockCount, shape.headCount, shape.blockSizeInTokens, shape.headSize])
        func tensor(_ index: Int) -> Tensor {
            Tensor(buffer: buffer, byteOffset: index * plane, dtype: shape.dtype, shape: extents)
        }
        self.shape = shape
        self.layers = (0..<shape.layerCount).map { KVCacheLayer(keys: tensor(2 * $0), values: tensor(2 * $0 + 1)) }
    }
}
