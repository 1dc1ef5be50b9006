/// Translates the names that `Models` loads to those of GGUF files.
struct GGUFTensorNameInverse {
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
