// Tests guard their buffers with what the benchmarks guard theirs with, and need no import of OpCases for it.
@_exported public import struct OpCases.GuardedTensor
public import TensorCore

/// One side of a cache in guarded memory: the elements and, for int8, their scales.
public struct GuardedCacheSide {
    public let elements: GuardedTensor
    public let scales: GuardedTensor?
    private let empty: ReferenceCache
    private let dtype: DType

    /// Holds what `cache` becomes in `dtype`; NaN stands for rows that nobody wrote.
    public init(on backend: any Backend, _ cache: ReferenceCache, as dtype: DType) throws {
        let encoded = cache.encoded(as: dtype)
        elements = try GuardedTensor(on: backend, dtype, cache.shape, bytes: encoded.elements)
        scales = try encoded.scales.map { scales in
            try GuardedTensor(
                on: backend, scales, [cache.blockCount, cache.headCount, cache.blockSizeInTokens])
        }
        empty = cache
        self.dtype = dtype
    }

    /// What it holds now, and what was written outside. Blocks.
    public func contents() throws -> (encoded: ReferenceCache.Encoded, damage: String?) {
        let (bytes, damage) = try elements.contents()
        let scales = try self.scales?.contents()
        return (
            ReferenceCache.Encoded(
                elements: bytes, scales: scales.map { NumberFormats.decode($0.bytes, as: .float32) }),
            damage ?? scales?.damage
        )
    }

    /// The same as values. Blocks.
    public func values() throws -> (cache: ReferenceCache, damage: String?) {
        let (encoded, damage) = try contents()
        var cache = empty
        cache.decode(encoded, as: dtype)
        return (cache, damage)
    }
}

extension KVCacheLayer {
    public init(keys: GuardedCacheSide, values: GuardedCacheSide) {
        self.init(
            keys: keys.elements.tensor, values: values.elements.tensor, keyScales: keys.scales?.tensor,
            valueScales: values.scales?.tensor)
    }

    /// An uninitialised cache of `shape`, `[B, KH, L, D]`.
    public init(on backend: any Backend, _ dtype: DType, _ shape: Shape) throws {
        func scales() throws -> Tensor? {
            dtype == .int8 ? try backend.makeTensor(.float32, Shape(Array(shape.extents.dropLast()))) : nil
        }
        self.init(
            keys: try backend.makeTensor(dtype, shape), values: try backend.makeTensor(dtype, shape),
            keyScales: try scales(), valueScales: try scales())
    }
}
