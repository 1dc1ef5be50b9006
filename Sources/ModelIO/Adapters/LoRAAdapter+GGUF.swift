internal import TensorCore

extension LoRAAdapter {
    /// An adapter as llama.cpp has it: tensors `NAME.weight.lora_a` `[r, K]` and `NAME.weight.lora_b` `[N, r]`.
    init(gguf file: GGUFFile) throws {
        let keys = file.metadata
        let type = try keys.optionalString("general.type") ?? "model"
        let kind = try keys.optionalString("adapter.type") ?? "none"
        guard type == "adapter", kind == "lora" else {
            throw LoadError.invalidFile(
                path: file.path,
                reason: "is no LoRA adapter: general.type is \(printable(type)), adapter.type "
                    + printable(kind))
        }
        let architecture = try keys.string("general.architecture")
        guard let known = GGUFArchitecture.known[architecture] else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "general.architecture", value: printable(architecture),
                supported: GGUFArchitecture.known.keys.sorted())
        }
        var changes: [String: Change] = [:]
        for tensor in file.tensors {
            let isDown = tensor.name.hasSuffix(".lora_a")
            guard isDown || tensor.name.hasSuffix(".lora_b") else {
                throw LoadError.invalidTensor(
                    path: file.path, tensor: printable(tensor.name), reason: "is neither lora_a nor lora_b")
            }
            let own = String(tensor.name.dropLast(".lora_a".count))
            let name = known.names.translate(own)
            if isDown {
                changes[name, default: Change()].down = tensor
            } else {
                changes[name, default: Change()].up = tensor
            }
            if own == "token_embd.weight" { changes[name]?.isEmbedding = true }
        }
        guard !changes.isEmpty else {
            throw LoadError.invalidFile(path: file.path, reason: "is an adapter without tensors")
        }
        let loader = WeightLoader(Checkpoint(path: file.path, tensors: file.tensors))
        for (name, change) in changes where change.isEmbedding {
            changes[name]?.down = try change.down.map { try LoRAAdapter.transposed($0, loader) }
        }
        self.init(
            path: file.path, try AdapterConfiguration(gguf: file), loader, stored: changes, architecture: architecture)
    }

    /// A matrix of an embedding as peft has it, `[r, V]`. llama.cpp stores a row for each token.
    private static func transposed(_ tensor: StoredTensor, _ loader: WeightLoader) throws -> StoredTensor {
        guard tensor.shape.rank == 2 else { return tensor }
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        let values = try loader.floats(tensor)
        let memory = HostAllocation(byteCount: values.count * MemoryLayout<Float>.size)
        let target = memory.pointer.bindMemory(to: Float.self)
        for row in 0..<rows {
            for column in 0..<columns { target[column * rows + row] = values[row * columns + column] }
        }
        return StoredTensor(
            name: tensor.name, type: .float32, shape: [columns, rows], bytes: memory.bytes, path: tensor.path)
    }

    /// The adapter for a model whose matrices lie as GGUF files have them or as the hub's checkpoints do.
    /// - Parameters:
    ///   - isGGUF: whether the model is a GGUF file.
    ///   - modelType: of the model's configuration.
    ///   - heads: query heads, and key/value heads.
    /// - Throws: `LoadError` where adapter and model are of different families, or their rows are in orders that are not
    ///   known to each other.
    package func arranged(
        isGGUF: Bool, modelType: String, heads: (query: Int, keyValue: Int)
    ) throws -> LoRAAdapter {
        var copy = self
        // Files of several models have one architecture.
        let others = ["llama": ["mistral", "mixtral"], "granitemoe": ["granitemoeshared"]]
        if let architecture, let known = GGUFArchitecture.known[architecture] {
            let names = [known.modelType] + (others[architecture] ?? [])
            guard names.contains(modelType) || modelType == "gemma3" && known.modelType == "gemma3_text" else {
                throw LoadError.invalidFile(
                    path: path, reason: "is an adapter for \(printable(architecture)), but the model is \(modelType)")
            }
        }
        if isGGUF {
            copy.configuration.isTransposed = false
        } else if architecture != nil || modelType == "gpt2" {
            // Whatever the file says: peft takes it back where one of the layers is of another kind.
            copy.configuration.isTransposed = modelType == "gpt2"
        }
        if modelType == "marian", let name = try changes().first(where: { $0.value.tokenRows != nil })?.key {
            throw LoadError.invalidTensor(
                path: path, tensor: printable(name),
                reason: "has rows of tokens, which Marian's adapters cannot here, as peft ties its head to the encoder")
        }
        guard isGGUF != (architecture != nil) else { return copy }
        guard !["gpt_neox", "falcon"].contains(modelType) else {
            throw LoadError.unsupportedFile(
                path: path,
                reason: "orders the rows of query, key and value otherwise than the model; give adapter and "
                    + "model both as GGUF files or both as folders")
        }
        let family = others.first { $0.value.contains(modelType) }?.key
        let known = GGUFArchitecture.known.first { $0.key == family || $0.value.modelType == modelType }?.value
        guard known?.hasInterleavedRope == true else { return copy }
        var changes = try changes()
        for (name, change) in changes {
            let parts = name.split(separator: ".").suffix(2).first.map(String.init) ?? ""
            let count: Int? =
                switch parts {
                case "q_proj", "wq": heads.query
                case "k_proj", "wk": heads.keyValue
                default: nil
                }
            guard let count else { continue }
            // Whatever has a row for each of the matrix's.
            func order(_ tensor: StoredTensor?) throws -> StoredTensor? {
                guard let tensor, tensor.shape.rank > 0 else { return tensor }
                guard tensor.shape[0] > 0, tensor.shape[0] % (2 * count) == 0 else {
                    throw LoadError.invalidTensor(
                        path: path, tensor: printable(name), reason: "has \(tensor.shape[0]) rows for \(count) heads")
                }
                return try reordered(tensor, headCount: count, toInterleaved: isGGUF)
            }
            changes[name]?.up = try order(change.up)
            changes[name]?.magnitude = try order(change.magnitude)
            changes[name]?.replacement = try order(change.replacement)
        }
        copy.stored = changes
        return copy
    }

    /// Reorders rows from halves of heads to pairs, or back.
    private func reordered(_ tensor: StoredTensor, headCount: Int, toInterleaved: Bool) throws -> StoredTensor {
        let rows = tensor.shape[0]
        let columns = tensor.shape.elementCount / rows
        let half = rows / headCount / 2
        let values = try loader.floats(tensor)
        let memory = HostAllocation(byteCount: values.count * MemoryLayout<Float>.size)
        let target = memory.pointer.bindMemory(to: Float.self)
        for head in 0..<headCount {
            for index in 0..<half {
                for side in 0..<2 {
                    let paired = (head * half + index) * 2 + side
                    let split = (head * 2 + side) * half + index
                    let (to, from) = toInterleaved ? (paired, split) : (split, paired)
                    for column in 0..<columns { target[to * columns + column] = values[from * columns + column] }
                }
            }
        }
        return StoredTensor(
            name: tensor.name, type: .float32, shape: tensor.shape, bytes: memory.bytes, path: tensor.path)
    }
}
