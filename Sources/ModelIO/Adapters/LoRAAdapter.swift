internal import TensorCore

/// A low-rank adapter as peft writes it: `adapter_config.json` and `adapter_model.safetensors`. (Hu et al., 2022; Liu et al.,
/// 2024 for DoRA)
///
///     W' = W + scale · B · A;   with DoRA  W' = m · (W + scale · B · A) / |W + scale · B · A| by rows
///
/// Legend: `N` rows and `K` columns of a matrix, `r` the rank; `A [r, K]`, `B [N, r]`, `m [N]`.
public struct LoRAAdapter: Sendable {
    public let path: String
    var configuration: AdapterConfiguration
    let loader: WeightLoader
    /// The tensors of a GGUF file, under the names of the hub's checkpoints; `nil` for peft's folders.
    var stored: [String: Change]?
    /// `general.architecture` of a GGUF file.
    let architecture: String?

    /// Opens peft's folder, or a GGUF file as llama.cpp's `convert_lora_to_gguf.py` writes it.
    /// - Throws: `LoadError` naming the file.
    public init(path: String) throws {
        if path.hasSuffix(".gguf") {
            try self.init(gguf: GGUFFile(path: path))
        } else {
            self.init(
                path: path, try AdapterConfiguration(path: joinPath(path, "adapter_config.json")),
                WeightLoader(try Checkpoint(safetensors: joinPath(path, "adapter_model.safetensors"))))
        }
    }

    init(
        path: String, _ configuration: AdapterConfiguration, _ loader: WeightLoader,
        stored: [String: Change]? = nil, architecture: String? = nil
    ) {
        self.path = path
        self.configuration = configuration
        self.loader = loader
        self.stored = stored
        self.architecture = architecture
    }

    /// The change that an adapter makes to one matrix or vector of the base model.
    struct Change: Sendable {
        var down: StoredTensor?
        var up: StoredTensor?
        var isEmbedding = false
        var magnitude: StoredTensor?
        /// A tensor that takes the place of the base model's (`modules_to_save`, biases).
        var replacement: StoredTensor?
        /// Rows that take the places of some of an embedding's (`trainable_token_indices`).
        var tokenRows: StoredTensor?

        /// Whether it changes rows of single tokens and nothing else.
        var isOfTokens: Bool { tokenRows != nil && down == nil && up == nil && replacement == nil }
    }

    /// The base model's tensors with the adapter merged into them. Tensors that it does not change stay where they lie.
    /// - Parameter scale: a factor for the adapter's own scale.
    /// - Throws: `LoadError` naming the tensor that the model lacks or that does not fit it.
    public func merged(into base: Checkpoint, scale: Double = 1) throws -> Checkpoint {
        guard scale.isFinite else {
            throw LoadError.invalidFile(path: path, reason: "cannot be applied with the scale \(scale)")
        }
        var tensors = base.tensors
        let changes = try changes()
        if configuration.keepsHeadTied, let name = TiedMatrices.all.lazy.compactMap({ $0.untested(changes) }).first {
            throw LoadError.unsupportedValue(
                path: path, key: "ensure_weight_tying", value: "true beside a change of \(name)", supported: ["false"])
        }
        for tied in TiedMatrices.all { tied.untie(&tensors, changes, keepsTied: configuration.keepsHeadTied) }
        for (name, change) in changes.sorted(by: { $0.key < $1.key }) {
            guard let found = LoRAAdapter.names(of: name).first(where: { tensors[$0] != nil }), let old = tensors[found]
            else {
                // Of a replaced layer the file may hold what the model's has under another name, to which it is tied.
                let isOfLayer = changes.keys.contains { LoRAAdapter.isBeside($0, name) && base.tensors[$0] != nil }
                if let own = change.replacement, change.down == nil, isOfLayer {
                    tensors[name] = own
                    continue
                }
                throw LoadError.invalidTensor(
                    path: path, tensor: printable(name),
                    reason: "is not in \(base.path); the adapter belongs to another model")
            }
            tensors[found] = try apply(change, named: name, to: old, scale: scale)
        }
        for tied in TiedMatrices.all { tied.copyTokens(&tensors, base: base.tensors, changes) }
        return Checkpoint(path: base.path, byName: tensors, metadata: base.metadata)
    }

    /// The changes, under each name that the model's tensor may have.
    /// - Throws: `LoadError` for changes other than low-rank products of matrices.
    func lowRankChanges(scale: Double) throws -> [String: AdapterSet.LowRankChange] {
        var result: [String: AdapterSet.LowRankChange] = [:]
        for (name, change) in try changes() {
            guard let down = change.down, let up = change.up, change.replacement == nil, change.tokenRows == nil,
                !change.isEmbedding
            else {
                throw mismatch(name, "is no low-rank change of a matrix; merge the adapter with --lora DIR")
            }
            guard down.shape.rank == 2, up.shape.rank == 2, down.shape[0] == up.shape[1], down.shape[0] > 0 else {
                throw mismatch(
                    name, "has lora_A of shape \(down.shape) and lora_B of shape \(up.shape), which do not fit")
            }
            let module = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
            let factor = try configuration.scale(module: module, rank: down.shape[0]) * scale
            let own = AdapterSet.LowRankChange(
                name: name, down: down, up: up, magnitude: change.magnitude, scale: factor)
            for variant in LoRAAdapter.names(of: name) { result[variant] = own }
        }
        return result
    }

    // MARK: Reading

    /// The changes by the base model's tensor names, as peft knows them.
    func changes() throws -> [String: Change] {
        if let stored { return stored }
        var changes: [String: Change] = [:]
        // What a replaced layer was before the adapter is of no use.
        for (key, tensor) in loader.checkpoint.tensors where !key.contains(".original_module.") {
            // Layers that peft wraps keep their own tensors under a name that says so.
            let name = (key.hasPrefix("base_model.model.") ? String(key.dropFirst("base_model.model.".count)) : key)
                .replacing(".token_adapter.", with: ".").replacing(".base_layer.", with: ".")
                .replacing(".modules_to_save.default.", with: ".").replacing(".modules_to_save.", with: ".")
            func edit(_ suffix: String, _ body: (inout Change) -> Void) -> Bool {
                guard name.hasSuffix(suffix) else { return false }
                body(&changes[name.dropLast(suffix.count) + ".weight", default: Change()])
                return true
            }
            let isKnown =
                edit(".lora_A.weight") { $0.down = tensor } || edit(".lora_B.weight") { $0.up = tensor }
                || edit(".lora_embedding_A") {
                    $0.down = tensor
                    $0.isEmbedding = true
                }
                || edit(".lora_embedding_B") { $0.up = tensor }
                || edit(".lora_magnitude_vector") { $0.magnitude = tensor }
                || edit(".lora_magnitude_vector.weight") { $0.magnitude = tensor }
                || edit(".trainable_tokens_delta") { $0.tokenRows = tensor }
            if isKnown { continue }
            guard !name.contains(".lora_") else {
                throw LoadError.invalidTensor(path: path, tensor: printable(key), reason: "is of no known kind")
            }
            changes[name, default: Change()].replacement = tensor
        }
        guard !changes.isEmpty else { throw LoadError.invalidFile(path: path, reason: "is an adapter without tensors") }
        return changes
    }

    /// A tensor's name with and without the prefixes that some checkpoints have.
    static func names(of name: String) -> [String] {
        let prefixes = [
            "model.", "transformer.", "gpt_neox.", "bert.", "roberta.", "distilbert.", "electra.", "albert.", "mpnet.",
            "deberta.",
        ]
        let shorter = prefixes.filter { name.hasPrefix($0) }.map { String(name.dropFirst($0.count)) }
        return [name] + shorter + prefixes.map { $0 + name }
    }

    /// Whether two tensors are of one layer, or of layers that are parts of one.
    private static func isBeside(_ name: String, _ other: String) -> Bool {
        let parent = other.split(separator: ".").dropLast(2).joined(separator: ".")
        return name != other && !parent.isEmpty && name.hasPrefix(parent + ".")
    }

    // MARK: Merging

    private func mismatch(_ name: String, _ reason: String) -> LoadError {
        .invalidTensor(path: path, tensor: printable(name), reason: reason)
    }

    private func apply(_ change: Change, named name: String, to old: StoredTensor, scale: Double) throws -> StoredTensor
    {
        if let new = change.replacement {
            guard new.shape == old.shape else {
                throw mismatch(name, "has shape \(new.shape), but the model's has \(old.shape)")
            }
            let replaced = StoredTensor(
                name: old.name, type: new.type, shape: new.shape, bytes: new.bytes, path: new.path)
            guard change.down != nil || change.tokenRows != nil else { return replaced }
            var rest = change
            rest.replacement = nil
            return try apply(rest, named: name, to: replaced, scale: scale)
        }
        if let rows = change.tokenRows { return try apply(tokenRows: rows, change, named: name, to: old) }
        guard let down = change.down, let up = change.up else { throw mismatch(name, "lacks lora_A or lora_B") }
        guard down.shape.rank == 2, up.shape.rank == 2, down.shape[0] == up.shape[1], down.shape[0] > 0 else {
            throw mismatch(name, "has lora_A of shape \(down.shape) and lora_B of shape \(up.shape), which do not fit")
        }
        // Embeddings are adapted transposed, as are matrices that Conv1D stores, which no head is.
        let isHead = ["lm_head.weight", "score.weight", "classifier.weight"].contains { name.hasSuffix($0) }
        let isTransposed = change.isEmbedding || (configuration.isTransposed && !isHead)
        let (rows, columns) = (up.shape[0], down.shape[1])
        guard old.shape.extents == (isTransposed ? [columns, rows] : [rows, columns]) else {
            throw mismatch(
                name, "adapts \(isTransposed ? [columns, rows] : [rows, columns]), but the model's has \(old.shape)")
        }
        guard old.type.blockSize == 1, old.type.isDecodable else {
            throw mismatch(name, "adapts \(old.type.rawValue) elements; merge it into the model before quantising")
        }
        let rank = down.shape[0]
        let module = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
        let factor = try configuration.scale(module: module, rank: rank) * scale
        var values = try loader.floats(old)
        let product = LowRankProduct(
            down: try loader.floats(down), up: try loader.floats(up), rows: rows, columns: columns, rank: rank,
            factor: factor, isTransposed: isTransposed)
        product.add(to: &values)
        if let magnitude = change.magnitude {
            guard magnitude.shape.elementCount == rows else {
                throw mismatch(name, "has a lora_magnitude_vector of shape \(magnitude.shape) for \(rows) rows")
            }
            product.scale(&values, by: product.rowScales(of: values, magnitude: try loader.floats(magnitude)))
        }
        return LoRAAdapter.stored(values, as: old)
    }

    /// The embedding with the rows of some tokens replaced.
    private func apply(
        tokenRows new: StoredTensor, _ change: Change, named name: String, to old: StoredTensor
    ) throws -> StoredTensor {
        let module = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
        guard change.down == nil, change.up == nil else {
            throw mismatch(name, "has rows of tokens and a low-rank change, which do not go together")
        }
        guard let indices = configuration.tokenIndices(module: module) else {
            throw mismatch(name, "has rows of tokens, but trainable_token_indices does not say which")
        }
        guard new.shape.rank == 2, old.shape.rank == 2, new.shape[1] == old.shape[1], new.shape[0] == indices.count
        else {
            throw mismatch(
                name, "has rows of shape \(new.shape) for \(indices.count) tokens, and the model's has \(old.shape)")
        }
        if let index = indices.first(where: { $0 >= old.shape[0] }) {
            throw mismatch(name, "replaces token \(index), but the model's has \(old.shape[0]) rows")
        }
        guard old.type.blockSize == 1, old.type.isDecodable else {
            throw mismatch(name, "adapts \(old.type.rawValue) elements; merge it into the model before quantising")
        }
        var values = try loader.floats(old)
        let (rows, width) = (try loader.floats(new), old.shape[1])
        for (row, index) in indices.enumerated() {
            values.replaceSubrange(index * width..<(index + 1) * width, with: rows[row * width..<(row + 1) * width])
        }
        return LoRAAdapter.stored(values, as: old)
    }

    /// The result has the base model's format where that is one of 16 bits; else it is FP32.
    private static func stored(_ values: [Float], as old: StoredTensor) -> StoredTensor {
        let type: StoredType = old.type == .bfloat16 || old.type == .float16 ? old.type : .float32
        let memory = ElementConversion.encoded(values, as: type)
        return StoredTensor(name: old.name, type: type, shape: old.shape, bytes: memory.bytes, path: old.path)
    }
}
