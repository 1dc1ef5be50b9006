import Inference
import JSONCore
import ModelIO
import Models
import TensorCore

/// What `infer inspect` shows of a model of images.
struct VisionInspection {
    let description: VisionDescription
    /// For an input of the usual size.
    let layers: [VisionLayer]

    /// - Throws: `LoadError`.
    init(_ package: ModelPackage) throws {
        let plan = try package.visionPlan()
        description = plan.description
        layers = try plan.layers(package.checkpoint, size: plan.description.usualSize)
    }

    /// `nil` where this version does not have what the configuration asks for.
    static func known(_ package: ModelPackage) throws -> VisionInspection? {
        do {
            return try VisionInspection(package)
        } catch LoadError.unsupportedValue {
            return nil
        }
    }

    /// Multiplications that are added up, for one input of the usual size.
    var multiplyAddCount: Int { layers.reduce(0) { $0 + $1.multiplyAddCount } }

    var task: String {
        switch description.task {
        case .classification:
            let labels = description.labels
            let shown = labels.prefix(8).joined(separator: ", ")
            return "classification of images: \(shown)" + (labels.count > 8 ? " and \(labels.count - 8) more" : "")
        case .generation: return "makes images"
        case .features: return "features of images"
        }
    }

    var input: String {
        let size = description.usualSize
        let extents = "\(description.channelCount) x \(size.height) x \(size.width)"
        return "\(description.inputName) \(extents)" + (description.isSizeFixed ? "" : ", or another size")
    }

    /// A line a layer: its name, what it does, and the channels, height and width of its result.
    var lines: [String] {
        let names = (layers.map(\.name.count).max() ?? 0) + 2
        let operations = (layers.map(\.operation.count).max() ?? 0) + 2
        return ["", "LAYERS"]
            + layers.map { layer in
                layer.name.padded(to: names) + layer.operation.padded(to: operations)
                    + layer.outputExtents.map(String.init).joined(separator: " x ")
            }
    }

    func write(to writer: inout JSONWriter, listsLayers: Bool) {
        writer.member("task", description.task.rawValue)
        writer.member("input", description.inputName)
        let size = description.usualSize
        writer.member("input_shape", [description.channelCount, size.height, size.width])
        writer.member("multiply_adds", multiplyAddCount)
        guard listsLayers else { return }
        writer.key("layers")
        writer.beginArray()
        for layer in layers {
            writer.beginObject()
            writer.member("name", layer.name)
            writer.member("operation", layer.operation)
            writer.member("output_shape", layer.outputExtents)
            writer.member("parameters", layer.parameterCount)
            writer.member("multiply_adds", layer.multiplyAddCount)
            writer.endObject()
        }
        writer.endArray()
    }
}
