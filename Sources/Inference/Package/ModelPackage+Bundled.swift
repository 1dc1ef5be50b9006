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

    private static func embedded(_ name: String) throws -> HostBytes {
        guard let file = bundled_model_find(name) else {
            throw LoadError.unreadable(path: "\(bundledName)/\(name)", reason: "is not embedded in this binary")
        }
        return HostBytes(
            owner: StaticMemory(),
            pointer: UnsafeRawBufferPointer(start: file.pointee.bytes, count: file.pointee.byte_count))
    }
}

/// Memory that lives as long as the process.
private final class StaticMemory: HostMemory {
    func discard(_ bytes: UnsafeRawBufferPointer) {}
    var isBackedByFile: Bool { true }
}
