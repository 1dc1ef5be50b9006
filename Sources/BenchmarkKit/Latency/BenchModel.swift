package import ArgumentParser
package import CommandSupport
package import Inference
internal import ModelIO
package import OpCases
package import TensorCore

/// Which models a suite runs: that of `--model`, or random weights in named shapes.
package struct BenchModelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Random weights of these shapes instead of a model: "
                + ModelShape.all.map(\.name).joined(separator: ", ") + ", or all.", valueName: "names"))
    package var shape: ShapeList?

    @Option(
        help: ArgumentHelp("Formats of the random weights, as bfloat16,q4_0; left out, float32.", valueName: "names"))
    package var formats: FormatList?

    package init() {}

    /// The models to run, one after another, so that only one lies in memory.
    package func sources(_ model: ModelOptions) throws -> [BenchModelSource] {
        guard let shape else {
            guard formats == nil else {
                throw ValidationError("--formats belongs to --shape; with --model use --dtype")
            }
            return [.files(model)]
        }
        guard model.model == nil else {
            throw ValidationError("--shape and --model are both given; a shape brings its own weights")
        }
        guard model.dtype == nil else {
            throw ValidationError("--dtype belongs to --model; with --shape use --formats")
        }
        let formats = formats?.formats ?? [.float32]
        return shape.shapes.flatMap { shape in formats.map { .synthetic(shape, $0) } }
    }
}

/// A model that is opened when its turn comes.
package enum BenchModelSource {
    case files(ModelOptions)
    case synthetic(ModelShape, WeightFormat)

    package func open() throws -> ModelPackage {
        switch self {
        case .files(let options): try options.openPackage()
        case .synthetic(let shape, let format): try SyntheticModel.make(shape, format: format)
        }
    }

    /// The format that weights are converted to while loading.
    package var weightFormat: WeightFormat? {
        switch self {
        case .files(let options): options.dtype?.format
        case .synthetic(_, let format): format == .int8 ? .int8 : nil
        }
    }

    /// The formats that its matrix products are in.
    package func productFormats(of package: ModelPackage) -> [WeightFormat] {
        if let weightFormat { return [weightFormat] }
        let matrices = package.checkpoint.tensors.values.filter { $0.shape.rank > 1 }
        let formats = Set(matrices.compactMap(\.type.weightFormat))
        return WeightFormat.allCases.filter(formats.contains)
    }

    /// The format as tables name it.
    package var formatName: String {
        switch self {
        case .files(let options): options.dtype?.rawValue ?? "as stored"
        case .synthetic(_, let format): format.rawValue
        }
    }

    package var shapeName: String? {
        switch self {
        case .files: nil
        case .synthetic(let shape, _): shape.name
        }
    }
}
