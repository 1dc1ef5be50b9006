/// The paged key and value cache of one layer.
///
/// Legend: `B` blocks, `KH` key/value heads, `L` tokens a block, `D` elements a head. A token's slot is
/// `block * L + offset`. (Kwon et al., 2023)
public struct KVCacheLayer: Sendable {
    /// `[B, KH, L, D]`, float32, float16, bfloat16 or int8.
    public let keys: Tensor
    /// `[B, KH, L, D]`, the same element type.
    public let values: Tensor
    /// `[B, KH, L]` float32, only for int8: what a quant of one token's row of one head stands for.
    public let keyScales: Tensor?
    public let valueScales: Tensor?

    /// - Precondition: keys and values agree, and there are scales where they are int8, else none.
    public init(keys: Tensor, values: Tensor, keyScales: Tensor? = nil, valueScales: Tensor? = nil) {
        precondition(keys.shape.rank == 4 && keys.shape == values.shape && keys.dtype == values.dtype, "cache layer")
        let scaleShape: Shape? = keys.dtype == .int8 ? [keys.shape[0], keys.shape[1], keys.shape[2]] : nil
        for scales in [keyScales, valueScales] {
            precondition(
                scales?.shape == scaleShape && scales.map { $0.dtype == .float32 && $0.isContiguous } ?? true,
                "scales of a cache layer")
        }
        self.keys = keys
        self.values = values
        self.keyScales = keyScales
        self.valueScales = valueScales
    }

    public var blockCount: Int { keys.shape[0] }
    public var headCount: Int { keys.shape[1] }
    public var blockSizeInTokens: Int { keys.shape[2] }
    public var headSize: Int { keys.shape[3] }
    public var dtype: DType { keys.dtype }

    /// The element types that a cache may have.
    public static let dtypes: [DType] = [.float32, .float16, .bfloat16, .int8]

    /// Bytes of one token's keys, or values, of one head, the scale included.
    public var rowByteCount: Int { KVCacheLayer.rowByteCount(dtype, headSize: headSize) }

    /// The same for any element type and head size.
    public static func rowByteCount(_ dtype: DType, headSize: Int) -> Int {
        headSize * dtype.byteCount + (dtype == .int8 ? DType.float32.byteCount : 0)
    }
}

public protocol CacheOps: AnyObject, Sendable {
    /// Stores each token's keys and values in its slot. With `rope`, keys are rotated on their way into the cache and
    /// `query` is rotated in place, so that one launch does what a decoder layer needs between projection and attention.
    ///
    /// An int8 row of largest magnitude `m` is stored as `round(x / s)` with the scale `s = m / 127`. Rows of zeros, and
    /// those with `m` below 2^-118, get the scale 0; a row with a NaN or an infinity gets the scale NaN and quants of 0,
    /// so that it spoils what looks at it and nothing else.
    ///
    /// - Parameters:
    ///   - query: `[T, H * D]` float32, needed only to be rotated; rows may be strided.
    ///   - key, value: `[T, KH * D]` float32; rows may be strided. Not changed.
    ///   - slots: `[T]` int32, each in `0..<B * L` and no two equal.
    func storeKeyValue(
        query: Tensor?, key: Tensor, value: Tensor, slots: Tensor, into cache: KVCacheLayer, rope: RopeArguments?
    ) throws

    /// Copies whole blocks inside the cache, `pairs` `[P, 2]` int32 of (from, to), for copy-on-write of shared blocks.
    func copyBlocks(_ pairs: Tensor, in cache: KVCacheLayer) throws
}
