internal import BundledModel
internal import ModelIO
internal import TensorCore
internal import Tokenization

extension ModelPackage {
    /// What errors and listings call the bundled model.
    public static let bundledName = "bundled model"

    /// The small model inside the binary (docs/bundled-model.md). Its weights are read where they lie.
    /// - Throws: `LoadError`, `TokenizationError`; neither happens with the files that ship.
    public static func bundled() throws -> ModelPackage {
        let configuration = try ModelConfiguration(
            parsing: Array(try embedded("config.json").pointer), path: "\(bundledName)/config.json")
        let generation = try GenerationConfiguration(
            parsing: Array(try embedded("generation_config.json").pointer),
            path: "\(bundledName)/generation_config.json")
        return ModelPackage(
            name: bundledName, configuration: configuration,
            checkpoint: Checkpoint(
                try SafetensorsFile(embedded("model.safetensors"), path: "\(bundledName)/model.safetensors")),
            generation: generation,
            tokenizer: try Tokenizer(
                json: Array(try embedded("tokenizer.json").pointer), source: "\(bundledName)/tokenizer.json"))
    }

    /// One of the small models of images inside the binary. Its weights are read where they lie.
    /// - Throws: `LoadError`; does not happen with the files that ship.
    public static func bundled(_ model: BundledImageModel) throws -> ModelPackage {
        let folder = model.rawValue
        let path = "\(bundledName)/\(folder)/config.json"
        let configuration = try ModelConfiguration(
            parsing: Array(try embedded(folder + "/config.json").pointer), path: path)
        return ModelPackage(
            name: "\(bundledName) \(folder)", configuration: configuration,
            checkpoint: Checkpoint(
                try SafetensorsFile(
                    embedded(folder + "/model.safetensors"), path: "\(bundledName)/\(folder)/model.safetensors")),
            generation: try GenerationConfiguration(parsing: Array("{}".utf8), path: path), tokenizer: nil)
    }

    /// The bytes of the configuration of a bundled model of images; `nil` for any other.
    var bundledConfiguration: [UInt8]? {
        let model = BundledImageModel.allCases.first { name == "\(Self.bundledName) \($0.rawValue)" }
        return model.flatMap { try? Self.embedded($0.rawValue + "/config.json") }.map { Array($0.pointer) }
    }

    private static func embedded(_ name: String) throws -> HostBytes {
        guard let file = bundled_model_find(name) else {
            throw LoadError.unreadable(path: "\(bundledName)/\(name)", reason: "is not embedded in this binary")
        }
        return HostBytes(
            owner: StaticMemory(),
            pointer: UnsafeRawBufferPointer(start: file.pointee.bytes, count: file.pointee.byte_count))
    }
}

/// The models of images inside the binary.
public enum BundledImageModel: String, Sendable, CaseIterable {
    /// LeNet-5, which reads handwritten digits.
    case digitReader = "digit-reader"
    /// The generator of a conditional DCGAN, which writes them.
    case digitWriter = "digit-writer"
}

/// Memory that lives as long as the process.
private final class StaticMemory: HostMemory {
    func discard(_ bytes: UnsafeRawBufferPointer) {}
    var isBackedByFile: Bool { true }
}
