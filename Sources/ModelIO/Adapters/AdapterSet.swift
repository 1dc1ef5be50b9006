internal import Synchronization
public import TensorCore

/// Adapters that are kept apart from a model, so that each row of a product takes its own: `y += scale · B · (A · x)`, with
/// DoRA `y = g · (y + scale · B · (A · x))` where `g` is the length learned for a row over the length that it has.
///
/// Legend: `E` adapters and, as number 0, none; `R` the greatest rank; `N`, `K` rows and columns of the model's matrix.
public final class AdapterSet: Sendable {
    /// The adapters. An adapter's number is its place here plus 1.
    public let names: [String]
    private let paths: [String]
    /// The changes of each adapter, by the names that the model's tensor may have.
    private let changes: [[String: LowRankChange]]
    private let used = Mutex<Set<String>>([])

    /// The change of one matrix.
    struct LowRankChange: Sendable {
        /// The adapter's name of the matrix.
        let name: String
        let down: StoredTensor
        let up: StoredTensor
        /// The lengths of rows that DoRA learned.
        let magnitude: StoredTensor?
        let scale: Double

        var rank: Int { down.shape[0] }
    }

    /// The two matrices of each adapter for one layer of the model, ready for products by number.
    public struct Stacked: Sendable {
        /// `E + 1` matrices `[R, K]` and `[N, R]`.
        public let downs: [WeightSource]
        public let ups: [WeightSource]
        /// `R`.
        public let rank: Int
        /// The rows and ranks of each of the layer's matrices, the same for all adapters.
        public let parts: [LowRankPart]
        /// `[E + 1, N]`: what the model's own product is multiplied by, where an adapter is DoRA's; `ups` have it in them.
        public let scales: [Float]?
    }

    /// A layer's matrix as the model stores it.
    public struct BaseMatrix {
        /// `[N, K]`, or `[K, N]` where transposed.
        public let values: [Float]
        public let isTransposed: Bool

        public init(values: [Float], isTransposed: Bool) {
            self.values = values
            self.isTransposed = isTransposed
        }
    }

    /// - Parameter adapters: names, all different, with the adapters and what their own scales are multiplied by.
    /// - Throws: `LoadError` for an adapter that is more than low-rank products of matrices (embeddings, replaced
    ///   tensors), which can only be merged.
    public init(_ adapters: [(name: String, adapter: LoRAAdapter, scale: Double)]) throws {
        names = adapters.map(\.name)
        paths = adapters.map(\.adapter.path)
        changes = try adapters.map { try $0.adapter.lowRankChanges(scale: $0.scale) }
    }

    public var isEmpty: Bool { names.isEmpty }

    /// The greatest rank of a layer that is made of up to three matrices.
    public var maximumRank: Int { 3 * (changes.flatMap { $0.values.map(\.rank) }.max() ?? 1) }

    /// The adapters' changes of a layer that is made of matrices one below the other; `nil` where no adapter changes
    /// it.
    /// - Parameters:
    ///   - parts: the matrices' names without `.weight`, and each one's rows.
    ///   - columns: `K`.
    ///   - base: the model's matrix of a part by its place, which DoRA needs.
    /// - Throws: `LoadError` for a change of another shape.
    public func stacked(
        _ parts: [(name: String, rows: Int)], columns: Int, base: (Int) throws -> BaseMatrix
    ) throws -> Stacked? {
        let found = changes.map { changes in parts.map { changes[$0.name + ".weight"] } }
        guard found.contains(where: { $0.contains { $0 != nil } }) else { return nil }
        let shares = parts.indices.map { part in
            LowRankPart(rows: parts[part].rows, rank: found.map { $0[part]?.rank ?? 0 }.max() ?? 0)
        }
        let rank = shares.reduce(0) { $0 + $1.rank }
        let rows = parts.reduce(0) { $0 + $1.rows }
        var downs = [[Float](repeating: 0, count: rank * columns)]
        var ups = [[Float](repeating: 0, count: rows * rank)]
        let isScaled = found.contains { $0.contains { $0?.magnitude != nil } }
        var scales = [Float](repeating: 1, count: isScaled ? rows : 0)
        for (adapter, own) in found.enumerated() {
            var ownScales = [Float](repeating: 1, count: isScaled ? rows : 0)
            var down = [Float](repeating: 0, count: rank * columns)
            var up = [Float](repeating: 0, count: rows * rank)
            var (firstRank, firstRow) = (0, 0)
            for (index, part) in parts.enumerated() {
                defer {
                    firstRow += part.rows
                    firstRank += shares[index].rank
                }
                guard let change = own[index] else { continue }
                try check(change, rows: part.rows, columns: columns, path: paths[adapter])
                let lengths = try change.magnitude.map { try rowScales(change, $0, try base(index)) }
                down.replaceSubrange(
                    firstRank * columns..<(firstRank + change.rank) * columns, with: try floats(change.down))
                let values = try floats(change.up)
                for row in 0..<part.rows {
                    for index in 0..<change.rank {
                        up[(firstRow + row) * rank + firstRank + index] =
                            Float(Double(values[row * change.rank + index]) * change.scale * (lengths?[row] ?? 1))
                    }
                }
                if let lengths {
                    ownScales.replaceSubrange(firstRow..<firstRow + part.rows, with: lengths.map { Float($0) })
                }
                used.withLock { _ = $0.insert("\(adapter) \(change.name)") }
            }
            downs.append(down)
            ups.append(up)
            scales += ownScales
        }
        let format = AdapterSet.exactFormat(of: downs + ups)
        return Stacked(
            downs: downs.map { AdapterSet.source($0, rank, columns, format) },
            ups: ups.map { AdapterSet.source($0, rows, rank, format) }, rank: rank, parts: shares,
            scales: isScaled ? scales : nil)
    }

    /// Whether an adapter is DoRA's.
    public var isScaled: Bool { changes.contains { $0.values.contains { $0.magnitude != nil } } }

    /// `m / |W + s · B · A|` for each row.
    private func rowScales(_ change: LowRankChange, _ magnitude: StoredTensor, _ base: BaseMatrix) throws -> [Double] {
        let product = LowRankProduct(
            down: try floats(change.down), up: try floats(change.up), rows: change.up.shape[0],
            columns: change.down.shape[1], rank: change.rank, factor: change.scale, isTransposed: base.isTransposed)
        var values = base.values
        product.add(to: &values)
        return product.rowScales(of: values, magnitude: try floats(magnitude))
    }

    /// Checks, after the model was loaded, that every change was used.
    /// - Throws: `LoadError` naming a change that no layer of the model took.
    public func requireAllUsed() throws {
        let used = used.withLock { $0 }
        for (adapter, changes) in changes.enumerated() {
            let names = Set(changes.values.map(\.name)).sorted()
            guard let left = names.first(where: { !used.contains("\(adapter) \($0)") }) else { continue }
            throw LoadError.invalidTensor(
                path: paths[adapter], tensor: printable(left),
                reason:
                    "is of no layer of the model that takes adapters by request; merge the adapter with --lora DIR, "
                    + "or give the one that belongs to this model")
        }
    }

    private func check(_ change: LowRankChange, rows: Int, columns: Int, path: String) throws {
        guard change.up.shape[0] == rows, change.down.shape[1] == columns else {
            throw LoadError.invalidTensor(
                path: path, tensor: printable(change.name),
                reason:
                    "adapts [\(change.up.shape[0]), \(change.down.shape[1])], but the model's is [\(rows), \(columns)]")
        }
        guard let magnitude = change.magnitude, magnitude.shape.elementCount != rows else { return }
        throw LoadError.invalidTensor(
            path: path, tensor: printable(change.name),
            reason: "has a lora_magnitude_vector of shape \(magnitude.shape) for \(rows) rows")
    }

    private func floats(_ tensor: StoredTensor) throws -> [Float] {
        try WeightLoader(Checkpoint(path: "adapter", tensors: [])).floats(tensor)
    }

    /// The smallest format that holds all numbers as they are. Every token reads those of its adapter, whose file often
    /// has 16 bits, and scales that are powers of two keep them.
    static func exactFormat(of matrices: [[Float]]) -> WeightFormat {
        if matrices.allSatisfy({ $0.allSatisfy { $0.bitPattern & 0xFFFF == 0 } }) { return .bfloat16 }
        let isHalf = { (value: Float) in ElementConversion.float(half: ElementConversion.half(value)) == value }
        return matrices.allSatisfy { $0.allSatisfy(isHalf) } ? .float16 : .float32
    }

    private static func source(_ values: [Float], _ rows: Int, _ columns: Int, _ format: WeightFormat) -> WeightSource {
        let memory = ElementConversion.encoded(values, as: format.numberFormat)
        return WeightSource(
            name: "adapter", format: format, columns: columns, parts: [WeightPart(rows: rows, bytes: memory.bytes)])
    }
}
