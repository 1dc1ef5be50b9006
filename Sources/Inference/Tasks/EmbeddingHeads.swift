internal import Foundation
internal import ModelIO
internal import TensorCore

/// The two further heads of BGE-M3 (Chen et al., 2024, https://arxiv.org/abs/2402.03216): a weight for each token, and a
/// vector for each.
struct EmbeddingHeads: Sendable {
    /// `[D]` and one number.
    let sparse: (weight: [Float], bias: Float)
    /// `[C, D]` and `[C]`.
    let colbert: (weight: [Float], bias: [Float])

    private static let sparseNames = ["sparse_linear.safetensors", "sparse_linear.pt"]
    private static let colbertNames = ["colbert_linear.safetensors", "colbert_linear.pt"]

    /// Whether a model's folder has the heads.
    static func exist(in folder: String) -> Bool {
        [sparseNames, colbertNames].allSatisfy { names in
            names.contains { FileManager.default.fileExists(atPath: "\(folder)/\($0)") }
        }
    }

    /// - Throws: `LoadError`.
    init(folder: String, hiddenSize: Int) throws {
        let sparse = try SentenceConfiguration.linear(folder, names: EmbeddingHeads.sparseNames)
        self.sparse = (
            try sparse.floats(sparse.tensor("weight", shape: [1, hiddenSize])), try sparse.vector("bias", count: 1)[0]
        )
        let colbert = try SentenceConfiguration.linear(folder, names: EmbeddingHeads.colbertNames)
        let rows = colbert.find("weight")?.shape.extents.first ?? hiddenSize
        self.colbert = (
            try colbert.floats(colbert.tensor("weight", shape: [rows, hiddenSize])),
            try colbert.vector("bias", count: rows)
        )
    }

    /// The weight of a token.
    func weight(of hidden: ArraySlice<Float>) -> Double {
        max(VectorMath.dot(hidden, sparse.weight[...]) + Double(sparse.bias), 0)
    }

    /// The vector of a token, of length 1.
    func vector(of hidden: ArraySlice<Float>) -> [Double] {
        VectorMath.normalized(VectorMath.linear(hidden.map(Double.init), weight: colbert.weight, bias: colbert.bias))
    }
}

/// Sums in double precision over a few vectors on the host.
enum VectorMath {
    static func dot(_ a: ArraySlice<Float>, _ b: ArraySlice<Float>) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    /// `weight` is `[rows, input.count]`.
    static func linear(_ input: [Double], weight: [Float], bias: [Float]?) -> [Double] {
        let rows = input.isEmpty ? 0 : weight.count / input.count
        return (0..<rows).map { row in
            let start = row * input.count
            var sum = Double(bias?[row] ?? 0)
            for column in input.indices { sum += Double(weight[start + column]) * input[column] }
            return sum
        }
    }

    /// A vector of length 1 in the same direction; one of length 0 stays.
    static func normalized(_ vector: [Double]) -> [Double] {
        let length = max(vector.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
        return vector.map { $0 / length }
    }
}
