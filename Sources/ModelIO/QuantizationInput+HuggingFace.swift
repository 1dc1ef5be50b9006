internal import TensorCore

extension QuantizationInput {
    /// Takes a Hugging Face checkpoint: the keys that its `config.json` amounts to, and its tensors under their names in
    /// GGUF files. The tokenizer's keys are the caller's to add.
    ///
    /// - Parameter name: `general.name`.
    /// - Throws: `LoadError` naming the key or tensor; `QuantizationError.unnamedTensor`, `.noTensors`.
    public init(_ configuration: ModelConfiguration, checkpoint: Checkpoint, name: String) throws {
        guard !checkpoint.tensors.isEmpty else { throw QuantizationError.noTensors(path: checkpoint.path) }
        let export = try GGUFExport.of(configuration)
        var keys = GGUFKeys(architecture: export.architecture)
        try export.write(configuration, &keys)
        let geometry = try configuration.attentionGeometry()
        let mapping = TensorMapping(
            export: export, checkpoint: checkpoint, headSize: geometry.headSize,
            isTied: try configuration.tiesWordEmbeddings())
        var tensors = try mapping.tensors()
        let layers = try configuration.keys.size(
            "num_hidden_layers", "n_layer", "num_layers", maximum: SizeLimit.layers)
        try QuantizationInput.checkLayers(tensors, count: layers, checkpoint)
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
                isTied: !tensors.contains { $0.name == "output.weight" }),
            keepsFormats: false)
        notices = keys.notices
    }

    /// Every layer must have what the first one has.
    private static func checkLayers(_ tensors: [QuantizationTensor], count: Int, _ checkpoint: Checkpoint) throws {
        let names = Set(tensors.map(\.name))
        let first = names.filter { $0.hasPrefix("blk.0.") }.map { $0.dropFirst("blk.0.".count) }.sorted()
        let wanted = ["token_embd.weight", "output_norm.weight"] + (first.isEmpty ? ["blk.0.attn_norm.weight"] : [])
        for name in wanted + (0..<count).flatMap({ layer in first.map { "blk.\(layer).\($0)" } }) {
            guard names.contains(name) else {
                throw LoadError.missingTensor(path: checkpoint.path, name: name, tried: [])
            }
        }
    }
}

/// Finds the tensors of a checkpoint their places in a GGUF file.
private struct TensorMapping {
    let export: GGUFExport
    let checkpoint: Checkpoint
    let headSize: Int
    let isTied: Bool

    /// In the order of GGUF files: outside of layers first, then layer by layer.
    func tensors() throws -> [QuantizationTensor] {
        let names = GGUFArchitecture.known[export.architecture]?.names ?? .none
        let inverse = GGUFTensorNameInverse(names)
        var found: [(key: (Int, String), tensor: QuantizationTensor)] = []
        for (name, tensor) in checkpoint.tensors where !isLeftOut(name) {
            guard let place = inverse.place(of: name) else {
                throw QuantizationError.unnamedTensor(
                    path: tensor.path, tensor: printable(name), architecture: export.architecture)
            }
            found.append(((place.layer ?? -1, place.name), try converted(tensor, place)))
        }
        return found.sorted { $0.key < $1.key }.map(\.tensor)
    }

    /// Masks and frequencies that old checkpoints carry along, and the head where it is the embedding.
    private func isLeftOut(_ name: String) -> Bool {
        [
            ".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq",
        ].contains(where: name.hasSuffix)
            || (isTied && name == "lm_head.weight")
    }

    private func converted(_ tensor: StoredTensor, _ place: GGUFTensorNameInverse.Place) throws -> QuantizationTensor {
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
        guard let order = export.reordered[place.stem] else {
            return QuantizationTensor(name: place.name, shape: tensor.shape, source: .rows(tensor))
        }
        let divisor = order == .partsOfHeads ? 3 * headSize : headSize
        guard let rows = extents.first, rows % divisor == 0, headSize % 2 == 0 else {
            throw LoadError.invalidTensor(
                path: tensor.path, tensor: printable(tensor.name),
                reason: "has shape \(extents), which is no whole number of heads of \(headSize)")
        }
        let source: QuantizationTensor.RowOrder =
            switch order {
            case .alternatingHalves: .alternatingHalves(headSize: headSize)
            case .partsOfHeads: .partsOfHeads(headSize: headSize, partCount: 3)
            }
        return QuantizationTensor(name: place.name, shape: tensor.shape, source: .reordered(tensor, source))
    }
}

/// From the names that `Models` loads to those of GGUF files.
private struct GGUFTensorNameInverse {
    struct Place {
        /// The whole name.
        let name: String
        /// Without layer, `.weight` and `.bias`.
        let stem: String
        let layer: Int?
        let isWeight: Bool
    }

    private let outer: [String: String]
    private let inner: [String: String]
    private let layerPrefix: String
    /// What some checkpoints leave out at the start of every name.
    private let optionalPrefix: String

    init(_ names: GGUFTensorNames) {
        func inverse(_ table: [String: String]) -> [String: String] {
            Dictionary(table.map { ($0.value, $0.key) }, uniquingKeysWith: { first, _ in first })
        }
        outer = inverse(names.outer)
        inner = inverse(names.inner)
        layerPrefix = names.layerPrefix
        optionalPrefix = (names.layerPrefix.split(separator: ".").first.map(String.init) ?? "") + "."
    }

    func place(of name: String) -> Place? { exactPlace(of: name) ?? exactPlace(of: optionalPrefix + name) }

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
