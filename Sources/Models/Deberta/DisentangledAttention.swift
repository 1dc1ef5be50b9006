import Glibc
import ModelIO
import TensorCore

/// How DeBERTa's attention looks at distances: beside the product of query and key, each query is multiplied with a vector
/// for the distance of the key (content to position), and each key with one for that of the query (position to content).
/// (He et al., 2021)
struct DisentangledAttention: Sendable {
    let multipliesQueries: Bool
    let multipliesKeys: Bool
    /// Whether the vectors of distances are projected as queries and keys are, rather than by matrices of their own.
    let sharesProjections: Bool
    /// Whether the vectors of distances have a norm.
    let hasNorm: Bool
    /// Rows of the table of distances: half of them for keys before the query, half for those behind it.
    let rowCount: Int
    /// Small distances have rows of their own, greater ones up to `maximum` share by their logarithm; `nil`: each has one.
    private let bucketCount: Int?
    private let maximum: Int

    /// - Returns: `nil` where the configuration asks for none.
    init?(_ file: ModelConfiguration) throws {
        let keys = file.keys
        guard try keys.flag("relative_attention", default: false) else { return nil }
        let kinds = try DisentangledAttention.kinds(file)
        (multipliesQueries, multipliesKeys) = (kinds.contains("c2p"), kinds.contains("p2c"))
        guard multipliesQueries || multipliesKeys else { return nil }
        sharesProjections = try keys.flag("share_att_key", default: false)
        let norms = try keys.optionalString("norm_rel_ebd") ?? "none"
        hasNorm = norms.lowercased().split(separator: "|").contains { $0.trimmedSpaces == "layer_norm" }
        let range = -1...SizeLimit.positions
        let stated = try keys.optionalInteger("max_relative_positions", in: range) ?? -1
        maximum = stated < 1 ? try keys.size("max_position_embeddings", maximum: SizeLimit.positions) : stated
        let buckets = try keys.optionalInteger("position_buckets", in: range) ?? -1
        bucketCount = buckets > 0 ? buckets : nil
        rowCount = 2 * (bucketCount ?? maximum)
        guard rowCount <= SizeLimit.width else {
            throw LoadError.contradiction(
                path: file.path, keys: ["max_relative_positions", "position_buckets"],
                reason: "\(rowCount) rows of distances are more than \(SizeLimit.width)")
        }
        // In texts no longer than half of the buckets every distance has its own.
        let sharesBuckets = try keys.size("max_position_embeddings", maximum: SizeLimit.positions) > maximum
        if let bucketCount, bucketCount < 4 || (sharesBuckets && maximum <= bucketCount / 2 + 1) {
            throw LoadError.contradiction(
                path: file.path, keys: ["position_buckets", "max_relative_positions"],
                reason: "\(bucketCount) buckets for distances to \(maximum); expected 4 or more, and farther than half")
        }
    }

    /// `pos_att_type`: a list, or names between bars.
    private static func kinds(_ file: ModelConfiguration) throws -> Set<String> {
        guard let (key, value) = file.keys.value("pos_att_type"), !value.isNull else { return [] }
        let names: [String]
        if let array = value.array {
            names = array.map { $0.string ?? "" }
        } else {
            names = (value.string ?? "").split(separator: "|").map { $0.trimmedSpaces }
        }
        if let unknown = names.first(where: { !["c2p", "p2c"].contains($0) }) {
            throw LoadError.unsupportedValue(path: file.path, key: key, value: unknown, supported: ["c2p", "p2c"])
        }
        return Set(names)
    }

    /// What scores are multiplied by: the more products they are a sum of, the less.
    func scale(headSize: Int) -> Float {
        let parts = 1 + (multipliesQueries ? 1 : 0) + (multipliesKeys ? 1 : 0)
        return 1 / (Float(headSize) * Float(parts)).squareRoot()
    }

    /// The row of a key that stands `distance` behind its query.
    func row(_ distance: Int) -> Int {
        let half = rowCount / 2
        return min(max(bucket(-distance) + half, 0), rowCount - 1)
    }

    /// As `make_log_bucket_position` of transformers has it.
    /// - Parameter distance: of the query behind the key.
    private func bucket(_ distance: Int) -> Int {
        let size = abs(distance)
        guard let bucketCount, size > bucketCount / 2, maximum > bucketCount / 2 + 1 else { return distance }
        let middle = bucketCount / 2
        // In float32, as the models were trained.
        let ratio = logf(Float(size) / Float(middle)) / logf(Float(Double(maximum - 1) / Double(middle)))
        let bucket = Int(ceilf(ratio * Float(middle - 1))) + middle
        return distance < 0 ? -bucket : bucket
    }

    /// The row of every distance in texts of up to `tokenCount` tokens, from the farthest before the query on.
    func rows(tokenCount: Int) -> [Int32] {
        let reach = max(tokenCount - 1, 0)
        return (-reach...reach).map { Int32(row($0)) }
    }
}

extension Substring {
    fileprivate var trimmedSpaces: String {
        var text = self
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

/// The vectors of distances of one layer, projected once when a model is loaded: a matrix `[R, headSize]` a head.
struct DistanceWeights: Sendable {
    /// What queries are multiplied with, and what keys are; empty: nothing.
    let ofQueries: [any Weight]
    let ofKeys: [any Weight]
}

/// Computes the scores by distance of a layer, in memory that all layers share.
///
/// Legend: `T` tokens, `H` heads, `R` rows of distances.
struct DistanceScores: Sendable {
    /// `[T, H * R]` each.
    private let ofQueries: Tensor?
    private let ofKeys: Tensor?
    private let rows: Tensor
    private let rowCount: Int

    init(
        _ attention: DisentangledAttention, _ sizes: EncoderDescription, tokenCount: Int, on backend: any Backend
    ) throws {
        let columns = sizes.headCount * attention.rowCount
        func memory(_ isUsed: Bool) throws -> Tensor? {
            guard isUsed else { return nil }
            let buffer = try backend.makeBuffer(byteCount: tokenCount * columns * MemoryLayout<Float>.size)
            return Tensor(buffer: buffer, byteOffset: 0, dtype: .float32, shape: [tokenCount, columns])
        }
        ofQueries = try memory(attention.multipliesQueries)
        ofKeys = try memory(attention.multipliesKeys)
        let table = attention.rows(tokenCount: sizes.positionCount)
        rows = try backend.makeTensor(table, [table.count])
        rowCount = attention.rowCount
    }

    /// - Parameter query, key: `[T, H * headSize]`.
    func compute(
        _ weights: DistanceWeights, query: Tensor, key: Tensor, on backend: any Backend
    ) throws -> RelativeScores {
        func products(_ input: Tensor, _ weights: [any Weight], _ memory: Tensor?) throws -> Tensor? {
            guard let output = memory?.rows(0..<input.rows), !weights.isEmpty else { return nil }
            let size = input.columns / weights.count
            for (head, weight) in weights.enumerated() {
                try backend.matmul(
                    input.columns(head * size..<(head + 1) * size), weight,
                    into: output.columns(head * rowCount..<(head + 1) * rowCount), epilogue: .none)
            }
            return output
        }
        return RelativeScores(
            queries: try products(query, weights.ofQueries, ofQueries),
            keys: try products(key, weights.ofKeys, ofKeys), buckets: rows, bucketCount: rowCount)
    }
}
