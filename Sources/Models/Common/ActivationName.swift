import ModelIO
import TensorCore

extension ModelConfiguration {
    /// The feed-forward nonlinearity under `key`, by the names `transformers` uses; `default` where the key is absent.
    /// - Throws: `LoadError.unsupportedValue` naming the key and what is supported.
    func activation(_ key: String, default: String? = nil) throws -> Activation {
        let name = try keys.optionalString(key) ?? `default` ?? keys.string(key)
        switch name {
        case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": return .geluTanh
        case "gelu": return .geluErf
        case "silu", "swish": return .silu
        case "relu": return .relu
        case "relu6": return .relu6
        case "tanh": return .tanh
        case "sigmoid": return .sigmoid
        case "quick_gelu": return .quickGelu
        case "hardsigmoid", "hard_sigmoid": return .hardSigmoid
        case "hardswish", "hard_swish": return .hardSwish
        default:
            throw LoadError.unsupportedValue(
                path: path, key: key, value: name,
                supported: [
                    "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "silu", "swish", "relu", "relu6", "tanh",
                    "sigmoid", "quick_gelu", "hardsigmoid", "hardswish",
                ])
        }
    }
}
