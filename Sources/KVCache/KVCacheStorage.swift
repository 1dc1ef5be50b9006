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
    /// One of `KVCacheLayer.dtypes`.
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

    /// Where the tensors of one layer lie: keys and values, then, for int8, their scales. Each part is rounded up so that
    /// the next one starts aligned.
    struct LayerPlan {
        /// Bytes of the keys, or of the values.
        var elementByteCount: Int
        /// Bytes of the scales of the keys, or of the values; 0 where there are none.
        var scaleByteCount: Int
        /// Of the whole layer.
        var byteCount: Int
    }

    /// - Throws: `KVCacheError.invalidSize` where a size is not positive or the product overflows.
    func layerPlan() throws -> LayerPlan {
        let sizes = [layerCount, blockCount, headCount, headSize, blockSizeInTokens]
        guard sizes.allSatisfy({ $0 > 0 }) else {
            throw KVCacheError.invalidSize(reason: "sizes \(sizes) must all be positive")
        }
        guard KVCacheLayer.dtypes.contains(dtype) else {
            throw KVCacheError.invalidSize(reason: "\(dtype) is no element type for keys and values")
        }
        let slots = blockCount.multipliedReportingOverflow(by: blockSizeInTokens)
        guard !slots.overflow, slots.partialValue <= Int(Int32.max) else {
            throw KVCacheError.invalidSize(
                reason: "\(blockCount) blocks of \(blockSizeInTokens) tokens are more than 31 bits of slots")
        }
        let rows = [blockCount, headCount, blockSizeInTokens]
        let elements = try alignedProduct([dtype.byteCount, headSize] + rows)
        let scales = dtype == .int8 ? try alignedProduct([DType.float32.byteCount] + rows) : 0
        let (half, overflow) = elements.addingReportingOverflow(scales)
        let (total, totalOverflow) = half.multipliedReportingOverflow(by: 2)
        guard !overflow, !totalOverflow else { throw KVCacheShape.overflow(sizes) }
        return LayerPlan(elementByteCount: elements, scaleByteCount: scales, byteCount: total)
    }

    private func alignedProduct(_ factors: [Int]) throws -> Int {
        let alignment = WorkspacePlan.alignment
        var bytes = 1
        for factor in factors {
            let (product, overflow) = bytes.multipliedReportingOverflow(by: factor)
            guard !overflow, product <= Int.max - alignment else { throw KVCacheShape.overflow(factors) }
            bytes = product
        }
        return (bytes + alignment - 1) / alignment * alignment
    }

    /// Bytes of the whole cache.
    /// - Throws: `KVCacheError.invalidSize` where a size is not positive or the product overflows.
    public func byteCount() throws -> Int {
        let (total, overflow) = try layerPlan().byteCount.multipliedReportingOverflow(by: layerCount)
        guard !overflow else {
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
    /// One a layer: `[B, KH, L, D]` keys and values, and `[B, KH, L]` scales where they are int8.
    public let layers: [KVCacheLayer]

    /// Allocates the cache; the memory is uninitialised.
    /// - Throws: `KVCacheError.invalidSize`; `BackendError.outOfMemory`.
    public init(_ shape: KVCacheShape, on backend: any Backend) throws {
        let plan = try shape.layerPlan()
        let buffer = try backend.makeBuffer(byteCount: try shape.byteCount())
        let rows: Shape = [shape.blockCount, shape.headCount, shape.blockSizeInTokens]
        self.shape = shape
        self.layers = (0..<shape.layerCount).map { layer in
            let start = layer * plan.byteCount
            func elements(_ index: Int) -> Tensor {
                Tensor(
                    buffer: buffer, byteOffset: start + index * plan.elementByteCount, dtype: shape.dtype,
                    shape: Shape(rows.extents + [shape.headSize]))
            }
            func scales(_ index: Int) -> Tensor? {
                guard plan.scaleByteCount > 0 else { return nil }
                return Tensor(
                    buffer: buffer, byteOffset: start + 2 * plan.elementByteCount + index * plan.scaleByteCount,
                    dtype: .float32, shape: rows)
            }
            return KVCacheLayer(
                keys: elements(0), values: elements(1), keyScales: scales(0), valueScales: scales(1))
        }
    }
}
