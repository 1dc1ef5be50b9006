import ArgumentParser
import CommandSupport
package import OpCases
package import TensorCore

/// What names with commas between them mean, or `all`; `nil` where one is not known.
private func values<Value>(named argument: String, of all: [Value], _ find: (String) -> Value?) -> [Value]? {
    if argument == "all" { return all }
    let names = argument.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    let values = names.compactMap(find)
    return values.count == names.count ? values : nil
}

/// `--shape`: models that random weights are made for.
package struct ShapeList: ExpressibleByArgument, Sendable {
    package let shapes: [ModelShape]

    package init?(argument: String) {
        guard
            let shapes = values(
                named: argument, of: ModelShape.all,
                { name in
                    ModelShape.all.first { $0.name == name }
                })
        else { return nil }
        self.shapes = shapes
    }

    package static var allValueStrings: [String] { ModelShape.all.map(\.name) + ["all"] }
}

/// `--shape` of the ops: these and those of which only layers are measured.
package struct OpShapeList: ExpressibleByArgument, Sendable {
    package let shapes: [ModelShape]

    package init?(argument: String) {
        guard let shapes = values(named: argument, of: ModelShape.all + ModelShape.layers, ModelShape.named) else {
            return nil
        }
        self.shapes = shapes
    }

    package static var allValueStrings: [String] { (ModelShape.all + ModelShape.layers).map(\.name) + ["all"] }
}

/// `--formats`: weight formats under the names that people type, as `bfloat16,q4_0`, or `all`.
package struct FormatList: ExpressibleByArgument, Sendable {
    package let formats: [WeightFormat]

    package init(_ formats: [WeightFormat]) { self.formats = formats }

    package init?(argument: String) {
        guard let formats = values(named: argument, of: WeightFormat.allCases, FormatList.format) else { return nil }
        self.formats = formats
    }

    private static func format(_ name: String) -> WeightFormat? {
        let short: [String: WeightFormat] = [
            "f32": .float32, "fp32": .float32, "bf16": .bfloat16, "f16": .float16, "fp16": .float16,
        ]
        return short[name] ?? WeightFormat.allCases.first { $0.rawValue.lowercased() == name.lowercased() }
    }

    package var defaultValueDescription: String { formats.map(\.rawValue).joined(separator: ",") }

    package static var allValueStrings: [String] { WeightFormat.allCases.map(\.rawValue) + ["all"] }
}

/// `--kv-dtypes`: number formats of the cache.
package struct CacheTypeList: ExpressibleByArgument, Sendable {
    package let types: [DType]

    package init?(argument: String) {
        let all = CacheFormatArgument.allCases.map(\.dtype)
        guard let types = values(named: argument, of: all, { CacheFormatArgument(argument: $0)?.dtype }) else {
            return nil
        }
        self.types = types
    }

    package static var allValueStrings: [String] { CacheFormatArgument.allValueStrings + ["all"] }
}
