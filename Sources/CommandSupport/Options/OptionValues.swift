public import ArgumentParser
public import Devices
package import TensorCore

/// `--device`: where a model runs.
extension DeviceChoice: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }

    public var defaultValueDescription: String { description }

    public static var allValueStrings: [String] { ["auto", "cpu", "opencl", "opencl:N"] }
}

/// `--dtype`: the weights' number format, under the names that people type.
package enum WeightFormatArgument: String, ExpressibleByArgument, CaseIterable {
    case float32, bfloat16, float16, int8

    package init?(argument: String) {
        switch argument {
        case "f32", "fp32": self = .float32
        case "bf16": self = .bfloat16
        case "f16", "fp16": self = .float16
        default: self.init(rawValue: argument)
        }
    }

    package var format: WeightFormat {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .float16: .float16
        case .int8: .int8
        }
    }
}

/// `--precision`: how exact matrix products are.
package enum PrecisionArgument: String, ExpressibleByArgument, CaseIterable {
    case highest, high, medium

    package var precision: MatmulPrecision {
        switch self {
        case .highest: .highest
        case .high: .high
        case .medium: .medium
        }
    }
}

/// `--kv-dtype`: the cache's number format.
package enum CacheFormatArgument: String, ExpressibleByArgument, CaseIterable {
    case float32, float16, bfloat16, int8

    package static let help = ArgumentHelp(
        "Number format of the key/value cache; left out, float16, and float32 for FP32 weights or --precision highest.")

    package init?(argument: String) {
        switch argument {
        case "f32", "fp32": self = .float32
        case "f16", "fp16": self = .float16
        case "bf16": self = .bfloat16
        default: self.init(rawValue: argument)
        }
    }

    package var dtype: DType {
        switch self {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        case .int8: .int8
        }
    }
}

/// Counts on the command line: `128,512`.
package struct CountList: ExpressibleByArgument {
    package let counts: [Int]

    package init(_ counts: [Int]) { self.counts = counts }

    package init?(argument: String) {
        let fields = argument.split(separator: ",", omittingEmptySubsequences: false)
        let counts = fields.compactMap { Int($0) }
        guard counts.count == fields.count, !counts.isEmpty else { return nil }
        self.counts = counts
    }

    package var defaultValueDescription: String { counts.map(String.init).joined(separator: ",") }
}
