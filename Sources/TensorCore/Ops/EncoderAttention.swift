/// What one attention layer without a cache computes beside the sizes.
public struct EncoderAttentionParameters: Sendable, Hashable {
    /// Heads `H` of queries, keys and values.
    public var headCount: Int
    /// Multiplies the scores, most often `1 / sqrt(D)`; 1 in T5.
    public var scale: Float
    /// Whether a query sees only the keys up to its own position, as in a decoder that reads all of its input at once.
    public var isCausal: Bool

    public init(headCount: Int, scale: Float, isCausal: Bool = false) {
        self.headCount = headCount
        self.scale = scale
        self.isCausal = isCausal
    }
}

/// Which queries see which keys, where both lie in plain rows.
///
/// Legend: `S` sequences, `T` query rows, `K` key rows. Sequence `s` owns the query rows `queryOffsets[s]..<queryOffsets[s +
/// 1]` and sees the key rows `keyRanges[s, 0]..<keyRanges[s, 1]`. Ranges may leave rows out (tokens that a mask hides) and
/// may be shared (beams that read one source text). The last query of a sequence stands at the position of its last key, so
/// query `i` of `q` stands at `keys - q + i`; where there are as many queries as keys, at `i`.
public struct EncoderAttentionBatch: Sendable {
    /// `[S + 1]` int32.
    public let queryOffsets: Tensor
    /// `[S, 2]` int32, packed: the first row and the one behind the last. No range of a sequence with queries is empty.
    public let keyRanges: Tensor
    /// `T`.
    public let tokenCount: Int
    /// The most queries, and the most keys, of any one sequence.
    public let maxQueryCount: Int
    public let maxKeyCount: Int

    public init(queryOffsets: Tensor, keyRanges: Tensor, tokenCount: Int, maxQueryCount: Int, maxKeyCount: Int) {
        self.queryOffsets = queryOffsets
        self.keyRanges = keyRanges
        self.tokenCount = tokenCount
        self.maxQueryCount = maxQueryCount
        self.maxKeyCount = maxKeyCount
    }

    public var sequenceCount: Int { keyRanges.rows }
}

/// What is added to the scaled scores of a head, by how far key `j` stands behind query `i`:
/// `table[h, R + clamp(j - i, -R, R)]`. (Raffel et al., 2020, whose buckets are expanded to distances once, when a model is
/// loaded: kernels then read what lies side by side)
public struct RelativePositionBias: Sendable {
    /// `[H, 2 R + 1]` float32, packed.
    public let table: Tensor

    /// - Precondition: an odd number of columns.
    public init(table: Tensor) {
        precondition(table.columns % 2 == 1, "a bias of \(table.shape) has no middle")
        self.table = table
    }

    /// `R`: the distance from which the bias stays the same.
    public var reach: Int { table.columns / 2 }
}

/// What is added to the products of queries and keys before they are scaled, by how far a key stands behind its query, and
/// by what the query and the key say of that distance: `queries[i, h, b] + keys[j, h, b]` with
/// `b = buckets[R + clamp(j - i, -R, R)]`. (Disentangled attention: He et al., 2021)
///
/// Legend: `T` query rows, `K` key rows, `H` heads, `B` buckets that distances fall into, `R` reach.
public struct RelativeScores: Sendable {
    /// `[T, H * B]` and `[K, H * B]` float32; rows may be strided. `nil`: 0.
    public let queries: Tensor?
    public let keys: Tensor?
    /// `[2 R + 1]` int32, each in `0..<B` (the caller has checked).
    public let buckets: Tensor
    /// `B`.
    public let bucketCount: Int

    /// - Precondition: scores of queries, of keys or of both, and an odd number of buckets.
    public init(queries: Tensor?, keys: Tensor?, buckets: Tensor, bucketCount: Int) {
        precondition(queries != nil || keys != nil, "relative scores of neither queries nor keys")
        precondition(buckets.shape.elementCount % 2 == 1, "buckets of \(buckets.shape) have no middle")
        self.queries = queries
        self.keys = keys
        self.buckets = buckets
        self.bucketCount = bucketCount
    }

    /// `R`: the distance from which the bucket stays the same.
    public var reach: Int { buckets.shape.elementCount / 2 }
}
