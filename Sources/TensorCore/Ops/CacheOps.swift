/// The paged key and value cache of one layer.
///
/// Legend: `B` blocks, `KH` key/value heads, `L` tokens a block, `D` elements a head. A token's slot is
/// `block * L + offset`. (Kwon et al., 2023)
public struct KVCacheLayer: Sendable {
    /// `[B, KH, L, D]`, float32, float16 or bfloat16.
    public let keys: Tensor
    /// `[B, KH, L, D]`, the same element type.
    public let values: Tensor

    public init(keys: Tensor, values: Tensor) {
        precondition(keys.shape.rank == 4 && keys.shape == values.shape && keys.dtype == values.dtype, "cache layer")
        self.keys = keys
        self.values = values
    }

    public var blockCount: Int { keys.shape[0] }
    public var headCount: Int { keys.shape[1] }
    public var blockSizeInTokens: Int { keys.shape[2] }
    public var headSize: Int { keys.shape[3] }
    public var dtype: DType { keys.dtype }
}

public protocol CacheOps: AnyObject, Sendable {
    /// Stores each token's keys and values in its slot. With `rope`, keys are rotated on their way into the cache and
    /// `query` is rotated in place, so that one launch does what a decoder layer needs between projection and attention.
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
