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
            if let halved = export.halved.first(where: { name.hasSuffix(".\($0.key).weight") }) {
                let names = halved.value.map { name.replacing(halved.key, with: $0) }
                for (place, part) in try halves(tensor, names, inverse) {
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

    /// The first and the second half of the rows of a matrix, or of each of several, `[E, N, K]`, under names of their own.
    private func halves(
        _ tensor: StoredTensor, _ names: [String], _ inverse: GGUFTensorNameInverse
    ) throws -> [(GGUFTensorNameInverse.Place, QuantizationTensor)] {
        let extents = tensor.shape.extents
        let hasAllExperts = extents.count == 2 || extents.first == keys.expertCount
        guard 2...3 ~= extents.count, hasAllExperts, extents[extents.count - 2] % 2 == 0 else {
            throw LoadError.invalidTensor(
                path: tensor.path, tensor: printable(tensor.name),
                reason: "has shape \(extents), expected gates above as many other rows, of \(keys.expertCount) experts")
        }
        let count = extents[extents.count - 2] / 2
        let matrices = extents.count == 2 ? [tensor] : tensor.slices()
        let shape = Shape(extents.dropLast(2) + [count] + extents.suffix(1))
        return try zip(names, [0..<count, count..<2 * count]).map { name, rows in
            guard let place = inverse.place(of: name) else {
                throw QuantizationError.unnamedTensor(
                    path: tensor.path, tensor: printable(tensor.name), architecture: export.architecture)
            }
            let half = matrices.map { $0.rows(rows) }
            return (place, QuantizationTensor(name: place.name, shape: shape, source: .stacked(half)))
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
