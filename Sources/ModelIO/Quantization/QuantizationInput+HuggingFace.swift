internal import TensorCore

extension QuantizationInput {
    /// Takes a Hugging Face checkpoint: the keys that its `config.json` amounts to, and its tensors under their names in
    /// GGUF files. The tokenizer's keys are the caller's to add.
    ///
    /// - Parameter name: `general.name`.
    /// - Throws: `LoadError` naming the key or tensor; `QuantizationError.unnamedTensor`, `.noTensors`.
    public init(_ whole: ModelConfiguration, checkpoint: Checkpoint, name: String) throws {
        guard !checkpoint.tensors.isEmpty else { throw QuantizationError.noTensors(path: checkpoint.path) }
        let export = try GGUFExport.of(whole)
        let configuration = try whole.textModel(ofType: "gemma3_text")
        var keys = GGUFKeys(architecture: export.architecture)
        try export.write(configuration, &keys)
        let geometry = try configuration.attentionGeometry()
        let mapping = TensorMapping(
            export: export, keys: keys, checkpoint: checkpoint, geometry: geometry,
            isTied: try configuration.tiesWordEmbeddings()
                && !WeightLoader(checkpoint, prefixes: ["", "model.", "transformer.", "gpt_neox.", "language_model."])
                    .hasOwnHead("lm_head.weight")
        )
        var tensors = try mapping.tensors()
        let layers = try configuration.keys.size(
            "num_hidden_layers", "n_layer", "num_layers", "n_layers", maximum: SizeLimit.layers)
        try QuantizationInput.checkLayers(
            tensors, counts: [layers, keys.decoderLayerCount ?? layers], export, checkpoint)
        for (name, values) in keys.vectors {
            tensors.append(QuantizationTensor(name: name, shape: [values.count], source: .values(values)))
        }
        let general: [(key: String, value: GGUFEncodedValue)] = [
            ("general.architecture", .string(export.architecture)), ("general.type", .string("model")),
            ("general.name", .string(name)),
        ]
        self.init(
            path: checkpoint.path, architecture: export.architecture, metadata: general + keys.entries,
            tensors: tensors,
            sizes: QuantizationMixture.Sizes(
                layerCount: layers, groupSize: geometry.headCount / geometry.keyValueHeadCount,
                expertCount: keys.expertCount, isTied: !tensors.contains { $0.name == "output.weight" }),
            keepsFormats: false)
        notices = keys.notices
        if checkpoint.tensors.keys.contains(where: TensorMapping.belongsToImages) {
            notices.append("\(checkpoint.path): the part that sees images is left out; the file is the language model")
        }
    }

    /// Every layer must have what the first one has.
    private static func checkLayers(
        _ tensors: [QuantizationTensor], counts: [Int], _ export: GGUFExport, _ checkpoint: Checkpoint
    ) throws {
        let names = Set(tensors.map(\.name))
        var wanted = export.required
        for (prefix, count) in zip(export.layerPrefixes, counts) {
            // All layers share the first layer's bias of positions.
            let first = names.filter { $0.hasPrefix(prefix + "0.") && !$0.contains(".attn_rel_b.") }
                .map { $0.dropFirst(prefix.count + 2) }.sorted()
            if first.isEmpty, count > 0 { wanted.append("\(prefix)0.\(export.requiredInLayers)") }
            wanted += (0..<count).flatMap { layer in first.map { "\(prefix)\(layer).\($0)" } }
        }
        for name in wanted {
            guard names.contains(name) else {
                throw LoadError.missingTensor(path: checkpoint.path, name: name, tried: [])
            }
        }
    }
}

/// Finds the place of a checkpoint's tensors in a GGUF file.
private struct TensorMapping {
    let export: GGUFExport
    let keys: GGUFKeys
    let checkpoint: Checkpoint
    let geometry: AttentionGeometry
    let isTied: Bool

    private var headSize: Int { geometry.headSize }
    private var queriesPerKey: Int { geometry.headCount / geometry.keyValueHeadCount }

    /// The tensors in the order of GGUF files: those outside of layers first, then layer by layer.
    func tensors() throws -> [QuantizationTensor] {
        let names = GGUFArchitecture.known[export.architecture]?.names ?? .none
        let inverse = GGUFTensorNameInverse(names)
        var found: [(key: (Int, String), tensor: QuantizationTensor)] = []
        var stacks: [GGUFTensorNameInverse.Place: [Int: StoredTensor]] = [:]
        for (stored, tensor) in checkpoint.tensors where !isLeftOut(stored) {
            guard let name = keys.translate(stored) else { continue }
            if keys.expertCount > 0, let (place, expert) = inverse.expertPlace(of: name) {
                stacks[place, default: [:]][expert] = tensor
                continue
            }
            if let fused = export.fusedProjections,
                name.hasSuffix(".\(fused).weight") || name.hasSuffix(".\(fused).bias")
            {
                for (place, part) in try parts(tensor, name, of: fused, inverse) {
                    found.append(((place.layer ?? -1, place.name), part))
                }
                continue
            }
            guard let place = inverse.place(of: name) else {
                throw QuantizationError.unnamedTensor(
                    path: tensor.path, tensor: printable(stored), architecture: export.architecture)
            }
            found.append(((place.layer ?? -1, place.name), try converted(tensor, place)))
        }
        for (place, experts) in stacks { found.append(((place.layer ?? -1, place.name), try stacked(experts, place))) }
        return found.sorted { $0.key < $1.key }.map(\.tensor)
    }

    /// Query, key and value of one stored matrix, in whose name the names of the parts replace its own.
    private func parts(
        _ tensor: StoredTensor, _ name: String, of fused: String, _ inverse: GGUFTensorNameInverse
    ) throws -> [(GGUFTensorNameInverse.Place, QuantizationTensor)] {
        let heads = geometry.keyValueHeadCount * (queriesPerKey + 2)
        guard tensor.shape[0] == heads * headSize, headSize % 2 == 0 else {
            throw LoadError.invalidTensor(
                path: tensor.path, tensor: printable(tensor.name),
                reason: "has shape \(tensor.shape), expected \(heads) heads of \(headSize) rows")
        }
        return try export.projections.enumerated().map { part, own in
            guard let place = inverse.place(of: name.replacing(fused, with: own)) else {
                throw QuantizationError.unnamedTensor(
                    path: tensor.path, tensor: printable(tensor.name), architecture: export.architecture)
            }
            let rows = (part == 0 ? geometry.headCount : geometry.keyValueHeadCount) * headSize
            return (
                place,
                QuantizationTensor(
                    name: place.name, shape: Shape([rows] + tensor.shape.extents.dropFirst()),
                    source: .reordered(
                        tensor, .partByKeyHead(part: part, headSize: headSize, queriesPerKey: queriesPerKey)))
            )
        }
    }

    /// The matrices of all experts as one tensor, `[E, N, K]`.
    private func stacked(
        _ experts: [Int: StoredTensor], _ place: GGUFTensorNameInverse.Place
    ) throws -> QuantizationTensor {
        let tensors = try (0..<keys.expertCount).map { number in
            guard let tensor = experts[number] else {
                throw LoadError.missingTensor(
                    path: checkpoint.path, name: "\(place.name) of expert \(number)", tried: [])
            }
            return tensor
        }
        guard let first = tensors.first, first.shape.rank == 2, experts.count == tensors.count,
            tensors.allSatisfy({ $0.shape == first.shape && $0.type == first.type })
        else {
            throw LoadError.invalidTensor(
                path: checkpoint.path, tensor: place.name,
                reason: "needs matrices of one shape and type of \(keys.expertCount) experts")
        }
        return QuantizationTensor(
            name: place.name, shape: Shape([tensors.count] + first.shape.extents), source: .stacked(tensors))
    }

    /// Masks and frequencies that old checkpoints contain, and the head where it equals the embedding.
    private func isLeftOut(_ name: String) -> Bool {
        [
            ".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq",
        ].contains(where: name.hasSuffix)
            || (isTied && (name == "lm_head.weight" || name.hasSuffix(".lm_head.weight")))
            || TensorMapping.belongsToImages(name)
    }

    static func belongsToImages(_ name: String) -> Bool {
        ["vision_tower.", "multi_modal_projector."].contains { name.hasPrefix($0) || name.hasPrefix("model." + $0) }
    }

    private func converted(_ tensor: StoredTensor, _ place: GGUFTensorNameInverse.Place) throws -> QuantizationTensor {
        let tensor = try withoutLeftOutRows(tensor, place)
        let extents = tensor.shape.extents
        if place.isWeight, export.transposed.contains(place.stem) {
            guard extents.count == 2 else {
                throw LoadError.invalidTensor(
                    path: tensor.path, tensor: printable(tensor.name), reason: "has shape \(extents), expected a matrix"
                )
            }
            return QuantizationTensor(
                name: place.name, shape: Shape(extents.reversed()), source: .transposed(tensor))
        }
        let scale = keys.scales[place.stem] ?? 1
        if export.normOffset != 0, place.stem.hasSuffix("_norm") {
            let values = try WeightLoader(checkpoint).floats(tensor).map { ($0 + export.normOffset) * scale }
            return QuantizationTensor(name: place.name, shape: tensor.shape, source: .values(values))
        }
        guard let order = export.reordered[place.stem] else {
            return QuantizationTensor(name: place.name, shape: tensor.shape, source: .rows(tensor), scale: scale)
        }
        let divisor = order == .byKeyHead ? (queriesPerKey + 2) * headSize : headSize
        guard let rows = extents.first, rows % divisor == 0, headSize % 2 == 0 else {
            throw LoadError.invalidTensor(
                path: tensor.path, tensor: printable(tensor.name),
                reason: "has shape \(extents), which is no whole number of heads of \(headSize)")
        }
        let source: QuantizationTensor.RowOrder =
            switch order {
            case .alternatingHalves: .alternatingHalves(headSize: headSize)
            case .byKeyHead: .byKeyHead(headSize: headSize, queriesPerKey: queriesPerKey)
            }
        return QuantizationTensor(name: place.name, shape: tensor.shape, source: .reordered(tensor, source))
    }
}

extension TensorMapping {
    /// The rows of a tensor that the file has.
    private func withoutLeftOutRows(
        _ tensor: StoredTensor, _ place: GGUFTensorNameInverse.Place
    ) throws -> StoredTensor {
        guard let count = keys.leftOutRows[place.stem] else { return tensor }
        guard tensor.shape.rank == 2, tensor.shape[0] > count, tensor.type.blockSize == 1 else {
            throw LoadError.invalidTensor(
                path: tensor.path, tensor: printable(tensor.name),
                reason: "has shape \(tensor.shape), expected a matrix of more than \(count) rows")
        }
        let bytes = tensor.bytes.pointer[(count * tensor.shape[1] * tensor.type.blockByteCount)...]
        return StoredTensor(
            name: tensor.name, type: tensor.type, shape: [tensor.shape[0] - count, tensor.shape[1]],
            bytes: HostBytes(owner: tensor.bytes.owner, pointer: UnsafeRawBufferPointer(rebasing: bytes)),
            path: tensor.path)
    }
}

/// Translates the names that `Models` loads to those of GGUF files.
private struct GGUFTensorNameInverse {
    struct Place: Hashable {
        /// By the whole name.
        let name: String
        /// By the name without layer, `.weight` and `.bias`.
        let stem: String
        let layer: Int?
        let isWeight: Bool
    }

    private let outer: [String: String]
    private let inner: [String: String]
    private let layerPrefix: String
    /// The sides of an encoder-decoder, by the prefix of their names in the file.
    private let sides: [String: GGUFTensorNameInverse]
    /// A prefix that some checkpoints leave out of all names.
    private let optionalPrefix: String

    /// Mixtral's names, where Qwen3's differ.
    private static let mixtral = [
        "block_sparse_moe.gate": "ffn_gate_inp", "w1": "ffn_gate_exps", "w2": "ffn_down_exps", "w3": "ffn_up_exps",
    ]

    init(_ names: GGUFTensorNames) {
        func inverse(_ table: [String: String]) -> [String: String] {
            Dictionary(table.map { ($0.value, $0.key) }, uniquingKeysWith: { first, _ in first })
        }
        outer = inverse(names.outer)
        inner = inverse(names.inner).merging(GGUFTensorNameInverse.mixtral) { own, _ in own }
        layerPrefix = names.layerPrefix
        sides = names.sides.mapValues(GGUFTensorNameInverse.init)
        optionalPrefix = (names.layerPrefix.split(separator: ".").first.map(String.init) ?? "") + "."
    }

    func place(of name: String) -> Place? {
        if let place = exactPlace(of: name) ?? exactPlace(of: optionalPrefix + name) { return place }
        for (prefix, side) in sides {
            guard let place = side.exactPlace(of: name) else { continue }
            return Place(
                name: prefix + place.name, stem: prefix + place.stem, layer: place.layer, isWeight: place.isWeight)
        }
        // The prefixes of models that take images as well.
        for prefix in ["language_model.", "model.language_model."] where name.hasPrefix(prefix) {
            let own = String(name.dropFirst(prefix.count))
            return exactPlace(of: own) ?? exactPlace(of: optionalPrefix + own)
        }
        return nil
    }

    /// For the matrix of one expert (`….mlp.experts.3.up_proj` or `….block_sparse_moe.experts.3.w3`), the name of the
    /// stack that holds it and the expert's number.
    func expertPlace(of name: String) -> (Place, expert: Int)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard let last = parts.dropLast().last, parts.count > 5, parts[parts.count - 4] == "experts",
            let expert = Int(parts[parts.count - 3]), expert >= 0
        else { return nil }
        let layer = parts.dropLast(5).joined(separator: ".")
        let stack = ["w1", "w2", "w3"].contains(last) ? last : "mlp.experts.\(last)"
        return place(of: "\(layer).\(stack).\(parts[parts.count - 1])").map { ($0, expert) }
    }

    private func exactPlace(of name: String) -> Place? {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let suffix = name[name.index(after: dot)...]
        let isWeight = suffix == "weight"
        guard isWeight || suffix == "bias" else { return nil }
        if let stem = outer[String(name[..<dot])] {
            return Place(name: "\(stem).\(suffix)", stem: stem, layer: nil, isWeight: isWeight)
        }
        guard name.hasPrefix(layerPrefix) else { return nil }
        let parts = name[..<dot].dropFirst(layerPrefix.count).split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let layer = Int(parts[0]), layer >= 0, let stem = inner[String(parts[1])] else {
            return nil
        }
        return Place(name: "blk.\(layer).\(stem).\(suffix)", stem: stem, layer: layer, isWeight: isWeight)
    }
}
