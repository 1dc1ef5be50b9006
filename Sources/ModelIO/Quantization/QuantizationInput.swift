internal import Glibc
internal import TensorCore

/// A model to be written as one GGUF file: its metadata under GGUF's keys, and the sources of its tensors. No weights
/// are read yet.
public struct QuantizationInput: Sendable {
    public let path: String
    /// `general.architecture`.
    public let architecture: String
    /// Notices for the user about what the file will not contain.
    public internal(set) var notices: [String] = []
    package internal(set) var tensors: [QuantizationTensor]
    private(set) var metadata: [(key: String, value: GGUFEncodedValue)]
    let sizes: QuantizationMixture.Sizes
    /// Whether matrices that are not quantised keep their format; else they become float32.
    let keepsFormats: Bool

    init(
        path: String, architecture: String, metadata: [(key: String, value: GGUFEncodedValue)],
        tensors: [QuantizationTensor], sizes: QuantizationMixture.Sizes, keepsFormats: Bool
    ) {
        self.path = path
        self.architecture = architecture
        self.metadata = metadata
        self.tensors = tensors
        self.sizes = sizes
        self.keepsFormats = keepsFormats
    }

    /// Takes a GGUF file, or the files of which it is one: the metadata as it is, tensors in their order.
    /// - Throws: `LoadError`; `QuantizationError.noTensors`.
    public init(gguf path: String) throws {
        let model = try GGUFModel(path: path)
        guard !model.tensors.isEmpty else { throw QuantizationError.noTensors(path: path) }
        let dropped: Set<String> = ["general.alignment", "general.file_type", "general.quantization_version"]
        let keys = model.metadata.keys.filter { !dropped.contains($0) && !$0.hasPrefix("split.") }
        self.init(
            path: path, architecture: model.architecture,
            metadata: keys.compactMap { key in
                GGUFEncodedValue(model.metadata, key).map { (key, $0) }
            },
            tensors: model.tensors.map { QuantizationTensor(name: $0.name, shape: $0.shape, source: .rows($0)) },
            sizes: try QuantizationInput.sizes(model), keepsFormats: true)
    }

    /// Adds a key behind the existing ones.
    public mutating func add(_ key: String, _ value: GGUFEncodedValue) {
        metadata.append((key, value))
    }

    /// Whether a key exists.
    public func has(_ key: String) -> Bool { metadata.contains { $0.key == key } }

    /// Adds a notice for the user.
    public mutating func addNotice(_ notice: String) {
        notices.append(notice)
    }

    /// Whether `path` is one of the files that are read.
    func reads(_ path: String) -> Bool {
        guard let identity = FileIdentity(path) else { return false }
        let files = Set(tensors.flatMap { $0.stored.map(\.path) } + [self.path])
        return files.contains { FileIdentity($0) == identity }
    }

    private static func sizes(_ model: GGUFModel) throws -> QuantizationMixture.Sizes {
        // Layers may differ; mixtures go by the first layer's count.
        func count(_ name: String) throws -> Int {
            let key = "\(model.architecture).\(name)"
            if case .array(let array)? = model.metadata[key] { return array.integers()?.first ?? 0 }
            return try model.metadata.optionalInteger(key, in: 0...SizeLimit.heads) ?? 0
        }
        let (heads, keyValueHeads) = (try count("attention.head_count"), try count("attention.head_count_kv"))
        return QuantizationMixture.Sizes(
            layerCount: try count("block_count"), groupSize: keyValueHeads > 0 ? heads / keyValueHeads : 1,
            expertCount: try count("expert_count"), isTied: model.tensor("output.weight") == nil)
    }
}

/// The identity of a file, whatever its names.
private struct FileIdentity: Equatable {
    let device: UInt
    let number: UInt

    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt(status.st_dev)
        number = UInt(status.st_ino)
    }
}
