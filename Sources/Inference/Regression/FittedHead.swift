internal import JSONCore
internal import ModelIO
internal import TensorCore

/// A linear layer on vectors that was fit to examples, and can be saved for `Classifier`.
public struct FittedHead: Sendable {
    public enum Kind: String, Sendable {
        /// Labels that exclude each other.
        case logistic
        /// A number.
        case linear
    }

    public let kind: Kind
    public let labels: [String]
    /// `[L, D]`
    public let weight: [[Double]]
    /// `[L]`
    public let bias: [Double]
    public let iterationCount: Int
    /// The largest part of the gradient where the fit ended; 0 where it was solved at once.
    public let gradient: Double

    /// The number of each label for a vector.
    public func logits(of vector: [Float]) -> [Double] {
        zip(weight, bias).map { row, bias in zip(row, vector).reduce(bias) { $0 + $1.0 * Double($1.1) } }
    }

    /// Writes a safetensors file with `weight` `[L, D]` and `bias` `[L]` in float32, whose metadata has `labels` as a JSON array
    /// of names and `task`.
    /// - Throws: `LoadError.unwritable`.
    public func save(to path: String) throws {
        let names = JSON.array(labels.map(JSON.string)).text
        let task = kind == .logistic ? "sequence-classification" : "regression"
        var writer = SafetensorsWriter(metadata: ["labels": names, "task": task])
        let width = weight.first?.count ?? 0
        writer.add("weight", weight.flatMap { $0.map { Float($0) } }, shape: [weight.count, width])
        writer.add("bias", bias.map { Float($0) }, shape: [bias.count])
        try writer.write(to: path)
    }
}
