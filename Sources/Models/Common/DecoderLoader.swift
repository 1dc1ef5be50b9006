import ModelIO
import TensorCore

/// Puts a model's tensors on its backend: what every architecture's loading shares.
struct DecoderLoader {
    let weights: WeightLoader
    let target: LoadTarget

    private var backend: any Backend { target.backend }

    /// A vector as float32 on the device.
    func vector(_ name: String, count: Int) throws -> Tensor {
        try backend.makeTensor(weights.vector(name, count: count), [count])
    }

    /// Matrices below one another as one weight, with the biases behind one another where `hasBias`.
    ///
    /// - Parameters:
    ///   - names: without `.weight` and `.bias`.
    ///   - transposed: whether the file stores `[K, N]`.
    func linear(
        _ parts: [(name: String, rows: Int)], columns: Int, hasBias: Bool, transposed: Bool = false
    ) throws -> Linear {
        let source = try weights.weight(
            parts.map { ($0.name + ".weight", $0.rows) }, columns: columns, as: target.format, transposed: transposed)
        guard hasBias else { return Linear(weight: try prepare(source)) }
        let bias = try parts.flatMap { try weights.vector($0.name + ".bias", count: $0.rows) }
        return Linear(weight: try prepare(source), bias: try backend.makeTensor(bias, [bias.count]))
    }

    /// An embedding or head, `[rows, columns]`.
    func matrix(_ name: String, rows: Int, columns: Int) throws -> any Weight {
        try prepare(weights.weight(name, rows: rows, columns: columns, as: target.format))
    }

    private func prepare(_ source: WeightSource) throws -> any Weight {
        try backend.prepare(source, precision: target.precision)
    }

    /// The head: the embedding itself where they are tied, else a matrix of its own.
    func head(isTied: Bool, embedding: any Weight, rows: Int, columns: Int) throws -> any Weight {
        isTied ? embedding : try matrix("lm_head.weight", rows: rows, columns: columns)
    }
}
