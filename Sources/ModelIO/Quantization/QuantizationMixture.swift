internal import TensorCore

/// The number format of each tensor of a file: more bits where errors cost more, distributed as llama.cpp does, so that
/// our files have the same sizes and formats as its files. (llama-quant.cpp of https://github.com/ggml-org/llama.cpp)
struct QuantizationMixture: Sendable {
    /// What the choice depends on besides the tensor.
    struct Sizes: Sendable {
        var layerCount = 0
        /// Query heads that share a key and value head.
        var groupSize = 1
        var expertCount = 0
        /// Whether the head is the embedding.
        var isTied = false
    }

    let type: QuantizationType
    let sizes: Sizes

    private enum Role {
        case head, embedding, value, key, attentionOutput, feedForwardDown, other

        /// The role of a tensor by its name in the file. A joint matrix of query, key and value counts as the value.
        init(_ name: String) {
            if name == "output.weight" {
                self = .head
            } else if name == "token_embd.weight" {
                self = .embedding
            } else if ["attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight"].contains(where: name.contains) {
                self = .value
            } else if name.contains("attn_k.weight") {
                self = .key
            } else if name.contains("attn_output.weight") {
                self = .attentionOutput
            } else {
                self = name.contains("ffn_down") ? .feedForwardDown : .other
            }
        }
    }

    /// Whether a tensor is quantised at all: matrices are, but not norms, positions, routers and small filters.
    static func isQuantized(_ name: String, extents: [Int]) -> Bool {
        let kept = [
            "_norm.weight", "ffn_gate_inp.weight", "position_embd.weight", "token_types.weight", "ssm_conv1d",
            "shortconv.conv.weight", "attn_rel_b.weight",
        ]
        // ggml does not count leading dimensions of 1.
        guard extents.drop(while: { $0 == 1 }).count >= 2, name.hasSuffix("weight") else { return false }
        return !kept.contains(where: name.contains)
    }

    /// The format of a matrix of rows of `columns` values.
    func format(of name: String, columns: Int) -> StoredType {
        guard type.isBlocked else { return type.base }
        return QuantizationMixture.fitting(preferred(name, columns), columns: columns)
    }

    /// The nearest format whose blocks divide the rows.
    private static func fitting(_ format: StoredType, columns: Int) -> StoredType {
        guard columns % format.blockSize != 0 else { return format }
        let smaller: StoredType =
            switch format {
            case .q2_K, .q3_K, .tq1_0, .tq2_0: .q4_0
            case .q4_K: .q5_0
            case .q5_K: .q5_1
            case .q6_K: .q8_0
            case .iq4_XS: .iq4_NL
            default: .float16
            }
        return columns % smaller.blockSize == 0 ? smaller : .float16
    }

    private func preferred(_ name: String, _ columns: Int) -> StoredType {
        if type == .mxfp4_moe { return name.contains("_exps.weight") ? .mxfp4 : .q8_0 }
        let layer = QuantizationMixture.layer(of: name)
        switch Role(name) {
        case .head: return head(columns)
        case .embedding: return sizes.isTied ? head(columns) : [.tq1_0, .tq2_0].contains(type) ? .q4_K : type.base
        case .value: return value(layer)
        case .key: return sizes.expertCount == 8 ? .q8_0 : type.base
        case .attentionOutput: return attentionOutput
        case .feedForwardDown: return feedForwardDown(layer)
        case .other: return type.base
        }
    }

    private func head(_ columns: Int) -> StoredType {
        columns % type.base.blockSize != 0 || type.base == .q8_0 ? .q8_0 : .q6_K
    }

    private func value(_ layer: Int) -> StoredType {
        if sizes.expertCount == 8 { return .q8_0 }
        var format = type.base
        switch type {
        case .q2_k: format = sizes.groupSize >= 4 ? .q4_K : .q3_K
        case .q3_k_m: format = layer < 2 ? .q5_K : .q4_K
        case .q3_k_l: format = .q5_K
        case .q4_k_s: format = layer < 4 ? .q5_K : format
        case .q4_k_m, .q5_k_m: format = needsMoreBits(layer) ? .q6_K : format
        case .iq4_nl, .iq4_xs: format = sizes.groupSize >= 4 ? .q5_K : format
        default: break
        }
        // In models of 80 layers, few value heads serve many queries.
        let isSmall = sizes.layerCount == 80 && sizes.groupSize > 1 && (format == .q3_K || format == .q4_K)
        return isSmall ? .q5_K : format
    }

    private var attentionOutput: StoredType {
        if sizes.expertCount == 8 {
            let raised: Set<QuantizationType> = [
                .q2_k, .q3_k_s, .q3_k_m, .q4_k_s, .q4_k_m, .iq4_nl, .iq4_xs,
            ]
            return raised.contains(type) ? .q5_K : type.base
        }
        switch type {
        case .q2_k: return .q3_K
        case .q3_k_m: return .q4_K
        case .q3_k_l: return .q5_K
        default: return type.base
        }
    }

    private func feedForwardDown(_ layer: Int) -> StoredType {
        let isEarly = layer < sizes.layerCount / 8
        switch type {
        case .q2_k: return .q3_K
        case .q3_k_m: return layer < sizes.layerCount / 16 ? .q5_K : .q4_K
        case .q3_k_l: return .q5_K
        case .q4_k_s, .iq4_nl, .iq4_xs: return isEarly ? .q5_K : type.base
        case .q4_k_m, .q5_k_m: return needsMoreBits(layer) ? .q6_K : type.base
        default: return type.base
        }
    }

    /// The first and last eighth of the layers, and every third between them.
    private func needsMoreBits(_ layer: Int) -> Bool {
        let count = sizes.layerCount
        return layer < count / 8 || layer >= 7 * count / 8 || (layer - count / 8) % 3 == 2
    }

    /// The layer that `blk.N.` names; 0 for tensors outside of layers.
    private static func layer(of name: String) -> Int {
        let parts = name.split(separator: ".", maxSplits: 2)
        return parts.count > 1 && parts[0] == "blk" ? Int(parts[1]) ?? 0 : 0
    }
}
