import ModelIO
import TensorCore

/// Projects the vectors of distances for each layer. They do not depend on the text, so that it is done once.
struct DistanceLoader {
    let attention: DisentangledAttention
    let sizes: EncoderDescription
    let loader: LayerLoader
    /// `[R, D]`: the vectors of distances, normed.
    private let vectors: [Float]

    init(
        _ attention: DisentangledAttention, _ sizes: EncoderDescription, epsilon: Float, _ loader: LayerLoader
    ) throws {
        self.attention = attention
        self.sizes = sizes
        self.loader = loader
        let (rows, width) = (attention.rowCount, sizes.hiddenSize)
        let stored = try loader.weights.floats(
            loader.weights.tensor("encoder.rel_embeddings.weight", shape: [rows, width]))
        guard attention.hasNorm else {
            vectors = stored
            return
        }
        let weight = try loader.weights.vector("encoder.LayerNorm.weight", count: width)
        let bias = try loader.weights.vector("encoder.LayerNorm.bias", count: width)
        vectors = DistanceLoader.normed(stored, weight, bias, epsilon: epsilon)
    }

    private static func normed(_ rows: [Float], _ weight: [Float], _ bias: [Float], epsilon: Float) -> [Float] {
        let width = weight.count
        return stride(from: 0, to: rows.count, by: width).flatMap { start in
            let row = rows[start..<start + width].map(Double.init)
            let mean = row.reduce(0, +) / Double(width)
            let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
            let factor = 1 / (variance + Double(epsilon)).squareRoot()
            return row.indices.map { Float((row[$0] - mean) * factor * Double(weight[$0]) + Double(bias[$0])) }
        }
    }

    /// The weights of a layer.
    /// - Parameters:
    ///   - prefix: of the names of its attention's matrices.
    ///   - projections: query, key and value side by side.
    func weights(_ prefix: String, projections: Linear) throws -> DistanceWeights {
        let width = sizes.hiddenSize
        guard !attention.sharesProjections else {
            let all = try project(projections, columns: 3 * width)
            func part(_ name: String, from column: Int) throws -> [any Weight] {
                try heads(all, prefix + name, from: column, of: 3 * width)
            }
            return DistanceWeights(
                ofQueries: attention.multipliesQueries ? try part("key_proj", from: width) : [],
                ofKeys: attention.multipliesKeys ? try part("query_proj", from: 0) : [])
        }
        func own(_ name: String) throws -> [any Weight] {
            let linear = try loader.linear([(prefix + name, width)], columns: width, hasBias: true)
            return try heads(project(linear, columns: width), prefix + name, from: 0, of: width)
        }
        return DistanceWeights(
            ofQueries: attention.multipliesQueries ? try own("pos_key_proj") : [],
            ofKeys: attention.multipliesKeys ? try own("pos_query_proj") : [])
    }

    /// The vectors through a layer, `[R, columns]`, in as many products as passes allow tokens.
    private func project(_ linear: Linear, columns: Int) throws -> [Float] {
        let backend = loader.target.backend
        let width = sizes.hiddenSize
        let most = max(loader.target.limits.tokenCount, 1)
        var plan = WorkspacePlan()
        let slot = plan.float32([most, columns])
        let output = try plan.allocate(on: backend)[slot]
        var result: [Float] = []
        for start in stride(from: 0, to: attention.rowCount, by: most) {
            let count = min(most, attention.rowCount - start)
            let input = try backend.makeTensor(Array(vectors[start * width..<(start + count) * width]), [count, width])
            try linear(input, on: backend, into: output.rows(0..<count))
            result += try backend.readFloats(output.rows(0..<count))
        }
        return result
    }

    /// Columns of the projected vectors as a matrix for each head.
    private func heads(_ all: [Float], _ name: String, from column: Int, of columns: Int) throws -> [any Weight] {
        let (rows, size) = (attention.rowCount, sizes.headSize)
        return try (0..<sizes.headCount).map { head in
            let memory = HostAllocation(byteCount: rows * size * MemoryLayout<Float>.size)
            let first = column + head * size
            let values = (0..<rows).flatMap { all[$0 * columns + first..<$0 * columns + first + size] }
            values.withUnsafeBytes { memory.pointer.copyMemory(from: $0) }
            return try loader.target.backend.prepare(
                WeightSource(
                    name: "\(name) of head \(head)", format: .float32, columns: size,
                    parts: [WeightPart(rows: rows, bytes: memory.bytes)]))
        }
    }
}
