internal import Foundation
internal import ModelIO

extension SentenceConfiguration {
    /// A layer on the pooled vector, or on each token's: `activation(weight · x + bias)`, to which `x` may be added.
    struct Dense: Sendable {
        /// `torch.nn.modules.activation`, by the names of its classes.
        enum Activation: String, Sendable, CaseIterable {
            case tanh = "Tanh"
            case identity = "Identity"
            case relu = "ReLU"
            case gelu = "GELU"
            case silu = "SiLU"
            case sigmoid = "Sigmoid"

            func callAsFunction(_ x: Double) -> Double {
                switch self {
                case .tanh: Foundation.tanh(x)
                case .identity: x
                case .relu: Swift.max(x, 0)
                case .gelu: x * 0.5 * (1 + erf(x * 0.5.squareRoot()))
                case .silu: x / (1 + exp(-x))
                case .sigmoid: 1 / (1 + exp(-x))
                }
            }
        }

        /// What is added to the result.
        enum Residual: Sendable {
            case none
            case input
            /// The input through a matrix `[outputSize, inputSize]`.
            case projected([Float])
        }

        let inputSize: Int
        let outputSize: Int
        /// `[outputSize, inputSize]`
        let weight: [Float]
        var bias: [Float]?
        var activation = Activation.identity
        var residual = Residual.none

        func callAsFunction(_ x: [Double]) -> [Double] {
            var result = VectorMath.linear(x, weight: weight, bias: bias)
            if activation != .identity { result = result.map { activation($0) } }
            switch residual {
            case .none: return result
            case .input: return zip(result, x).map { $0 + $1 }
            case .projected(let matrix):
                return zip(result, VectorMath.linear(x, weight: matrix, bias: nil)).map { $0 + $1 }
            }
        }
    }

    /// The layer of a folder that `modules.json` names.
    static func dense(_ folder: String) throws -> Dense {
        guard let file = try json(folder + "/config.json") else {
            throw LoadError.unreadable(
                path: folder + "/config.json", reason: "no such file, though modules.json names it")
        }
        let (inputs, outputs) = (try file.size("in_features"), try file.size("out_features"))
        let name = try file.optionalString("activation_function") ?? "torch.nn.modules.activation.Tanh"
        guard let activation = Dense.Activation(rawValue: name.split(separator: ".").last.map(String.init) ?? "") else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "activation_function", value: name,
                supported: Dense.Activation.allCases.map(\.rawValue))
        }
        let weights = try linear(folder, names: ["model.safetensors", "pytorch_model.bin"])
        var dense = Dense(
            inputSize: inputs, outputSize: outputs,
            weight: try weights.floats(weights.tensor("weight", shape: [outputs, inputs])),
            bias: weights.contains("bias") ? try weights.vector("bias", count: outputs) : nil, activation: activation)
        if try file.flag("use_residual", default: false) {
            dense.residual =
                inputs == outputs
                ? .input : .projected(try weights.floats(weights.tensor("residual.weight", shape: [outputs, inputs])))
        }
        return dense
    }

    /// `weight · (x - mean) / deviation + bias`. (Ba, Kiros and Hinton, 2016)
    struct LayerNorm: Sendable {
        let weight: [Float]
        let bias: [Float]
        /// That of `torch.nn.LayerNorm`.
        private static let epsilon = 1e-5

        func callAsFunction(_ x: [Double]) -> [Double] {
            let mean = x.reduce(0, +) / Double(x.count)
            let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
            let factor = 1 / (variance + Self.epsilon).squareRoot()
            return x.indices.map { (x[$0] - mean) * factor * Double(weight[$0]) + Double(bias[$0]) }
        }
    }

    /// The norm of a folder that `modules.json` names.
    static func layerNorm(_ folder: String) throws -> LayerNorm {
        guard let file = try json(folder + "/config.json") else {
            throw LoadError.unreadable(
                path: folder + "/config.json", reason: "no such file, though modules.json names it")
        }
        let size = try file.size("dimension")
        let weights = try linear(folder, names: ["model.safetensors", "pytorch_model.bin"])
        return LayerNorm(
            weight: try weights.vector("weight", count: size), bias: try weights.vector("bias", count: size))
    }
}
