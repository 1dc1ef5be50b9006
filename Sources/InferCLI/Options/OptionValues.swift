import ArgumentParser
import TensorCore

/// `--device`: where a model runs.
enum DeviceRequest: ExpressibleByArgument, CustomStringConvertible, Equatable {
    case auto, cpu
    /// An OpenCL device: the first, or the one with this number.
    case opencl(index: Int?)

    init?(argument: String) {
        switch argument {
        case "auto": self = .auto
        case "cpu": self = .cpu
        case "opencl": self = .opencl(index: nil)
        default:
            guard argument.hasPrefix("opencl:"), let index = Int(argument.dropFirst(7)), index >= 0 else { return nil }
            self = .opencl(index: index)
        }
    }

    var description: String {
        switch self {
        case .auto: "auto"
        case .cpu: "cpu"
        case .opencl(nil): "opencl"
        case .opencl(let index?): "opencl:\(index)"
        }
    }

    var defaultValueDescription: String { description }

    static let allValueStrings = ["auto", "cpu", "opencl", "opencl:N"]
}

/// `--dtype`: the weights' number format, under the names that people type.
enum WeightFormatArgument: String, ExpressibleByArgument, CaseIterable {
    case float32, bfloat16, float16, int8

    init?(argument: String) {
        switch argument {
        case "f32", "fp32": self = .float32
        case "bf16": self = .bfloat16
        case "f16", "fp16": self = .float16
        default: self.init(rawValue: argument)
        }
    }

    var format: WeightFormat {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .float16: .float16
        case .int8: .int8
        }
    }
}

/// `--precision`: how exact activations are kept.
enum PrecisionArgument: String, ExpressibleByArgument, CaseIterable {
    case auto, highest
}

/// `--kv-dtype`: the cache's number format.
enum CacheFormatArgument: String, ExpressibleByArgument, CaseIterable {
    case float32, float16, bfloat16

    init?(argument: String) {
        switch argument {
        case "f32", "fp32": self = .float32
        case "f16", "fp16": self = .float16
        case "bf16": self = .bfloat16
        default: self.init(rawValue: argument)
        }
    }

    var dtype: DType {
        switch self {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        }
    }
}
