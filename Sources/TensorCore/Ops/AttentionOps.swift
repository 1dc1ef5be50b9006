/// What one attention layer computes beside the sizes.
public struct AttentionParameters: Sendable, Hashable {
    /// Query heads `H`; a multiple of the cache's `KH`. Query head `h` reads key head `h / (H / KH)`.
    public var headCount: Int
    /// Multiplies the scores, most often `1 / sqrt(D)`.
    public var scale: Float
    /// A query sees only the last `slidingWindow` tokens, itself included; `nil`: all.
    public var slidingWindow: Int?
    /// Scores become `softCap · tanh(score / softCap)` before the mask.
    public var softCap: Float?
    /// Whether queries, keys, values and the weights of the softmax may be rounded to BF16 for the products of many
    /// queries, where a device has fast instructions for them. Scores, softmax and sums stay FP32.
    public var allowsReducedProducts: Bool

    public init(
        headCount: Int, scale: Float, slidingWindow: Int? = nil, softCap: Float? = nil,
        allowsReducedProducts: Bool = false
    ) {
        self.headCount = headCount
        self.scale = scale
        self.slidingWindow = slidingWindow
        self.softCap = softCap
        self.allowsReducedProducts = allowsReducedProducts
    }
}

/// Which queries belong to which sequence, and where its context lies in the paged cache.
///
/// Legend: `S` sequences, `T` query tokens of all sequences, `M` blocks a table row has room for. Sequence `s` owns the
/// query rows `queryOffsets[s]..<queryOffsets[s + 1]`; its context is `contextLengths[s]` tokens, the last of which are
/// the query tokens themselves, already stored in the cache. Query `i` of a sequence with `q` queries stands at position
/// `contextLength - q + i` and sees the positions up to its own.
public struct AttentionBatch: Sendable {
    /// `[S + 1]` int32.
    public let queryOffsets: Tensor
    /// `[S]` int32, in tokens.
    public let contextLengths: Tensor
    /// `[S, M]` int32 block numbers; entries past a context's end are not read. Rows may be strided.
    public let blockTables: Tensor
    /// `T`.
    public let tokenCount: Int
    /// The most queries any one sequence has: 1 where all sequences decode.
    public let maxQueryCount: Int
    /// The longest context in tokens.
    public let maxContextLength: Int

    public init(
        queryOffsets: Tensor, contextLengths: Tensor, blockTables: Tensor, tokenCount: Int, maxQueryCount: Int,
        maxContextLength: Int
    ) {
        self.queryOffsets = queryOffsets
        self.contextLengths = contextLengths
        self.blockTables = blockTables
        self.tokenCount = tokenCount
        self.maxQueryCount = maxQueryCount
        self.maxContextLength = maxContextLength
    }

    public var sequenceCount: Int { contextLengths.shape.elementCount }
}

public protocol AttentionOps: AnyObject, Sendable {
    /// `output[t, h, :] = Σ_j softmax_j(mask(cap(scale · query[t, h, :] · key[j, h', :]))) · value[j, h', :]`, causal, over
    /// the paged cache, with an online softmax: no `[T, context]` matrix is stored. (Dao et al., 2022; Dao, 2023 for the
    /// split over the context when decoding)
    ///
    /// - Parameters:
    ///   - query: `[T, H * D]` float32; rows may be strided. `D` from 1 to 256.
    ///   - output: `[T, H * D]` float32; rows may be strided. Must not overlap `query`.
    func attention(
        query: Tensor, cache: KVCacheLayer, batch: AttentionBatch, parameters: AttentionParameters,
        into output: Tensor) throws

    /// What a decoder layer needs between projections and attention: `storeKeyValue` of the batch's tokens, then
    /// `attention` over the cache. Backends that can do both in one launch do.
    ///
    /// - Parameters:
    ///   - query: `[T, H * D]` float32; rows may be strided. Scratch: afterwards it may or may not have been rotated.
    ///   - key, value: `[T, KH * D]` float32; rows may be strided. Not changed.
    ///   - slots: `[T]` int32, no two equal: the places that `batch` gives the query tokens. Where every sequence has at
    ///     most one query, no other sequence of the batch may see a slot that is stored to.
    ///   - rope: `nil`: neither keys nor query are rotated.
    ///   - output: as in `attention`.
    /// - Throws: what `storeKeyValue` and `attention` throw; where attention's arguments are refused, a backend without one
    ///   launch for both may have stored.
    func storeAndAttend(
        query: Tensor, key: Tensor, value: Tensor, slots: Tensor, rope: RopeArguments?, cache: KVCacheLayer,
        batch: AttentionBatch, parameters: AttentionParameters, into output: Tensor) throws

    /// Attention without a cache, of encoders and from a decoder to an encoder:
    /// `output[t, h, :] = Σ_j softmax_j(scale · (query[t, h, :] · key[j, h, :] + relative) + bias[h, j - i]) · value[j, h, :]`
    /// over the keys that the batch gives to the sequence of query `t`, which is its `i`-th; all of them unless it is causal. Online
    /// softmax: no `[T, K]` matrix is stored. (Vaswani et al., 2017; Dao et al., 2022)
    ///
    /// - Parameters:
    ///   - query: `[T, H * D]` float32; rows may be strided. `D` from 1 to 256.
    ///   - key, value: `[K, H * D]` float32; rows may be strided. Rows that no range holds are not read.
    ///   - bias, relative: `nil`: none.
    ///   - output: `[T, H * D]` float32; rows may be strided. Must not overlap what is read.
    func encoderAttention(
        query: Tensor, key: Tensor, value: Tensor, batch: EncoderAttentionBatch,
        parameters: EncoderAttentionParameters, bias: RelativePositionBias?, relative: RelativeScores?,
        into output: Tensor) throws
}

extension AttentionOps {
    /// `encoderAttention` without scores by distance.
    public func encoderAttention(
        query: Tensor, key: Tensor, value: Tensor, batch: EncoderAttentionBatch,
        parameters: EncoderAttentionParameters, bias: RelativePositionBias?, into output: Tensor
    ) throws {
        try encoderAttention(
            query: query, key: key, value: value, batch: batch, parameters: parameters, bias: bias, relative: nil,
            into: output)
    }
}

extension AttentionOps where Self: CacheOps {
    public func storeAndAttend(
        query: Tensor, key: Tensor, value: Tensor, slots: Tensor, rope: RopeArguments?, cache: KVCacheLayer,
        batch: AttentionBatch, parameters: AttentionParameters, into output: Tensor
    ) throws {
        try storeKeyValue(
            query: rope == nil ? nil : query, key: key, value: value, slots: slots, into: cache, rope: rope)
        try attention(query: query, cache: cache, batch: batch, parameters: parameters, into: output)
    }
}
