internal import TensorCore

extension WeightFormat {
    /// The suffix of kernel names.
    var kernelSuffix: String {
        switch self {
        case .float32: "f32"
        case .bfloat16: "bf16"
        case .float16: "f16"
        case .int8: "int8"
        default: rawValue
        }
    }

    /// The build macros of programs for the format, from its row in NumberFormats.h.
    var kernelMacros: [(name: String, value: String)] {
        let format = numberFormat
        var macros: [(name: String, value: String)] = [
            ("WEIGHT_" + kernelSuffix.uppercased(), "1"), ("WEIGHT_NAME", kernelSuffix),
            ("WEIGHT_HAS_MINIMA", format.hasMinima ? "1" : "0"), ("WEIGHT_QUANT_OFFSET", "\(format.quantOffset)"),
            ("WEIGHT_SCALE_PLACE", "\(format.scaleByteOffset)"),
        ]
        if format.blockSize > 1 {
            macros += [
                ("WEIGHT_BLOCK_SIZE", "\(format.blockSize)"), ("WEIGHT_BLOCK_BYTES", "\(format.blockByteCount)"),
                ("WEIGHT_GROUP_SIZE", "\(format.groupSize ?? format.blockSize)"),
            ]
        }
        return macros
    }
}

/// The kernels of matrix products. A program is compiled for one weight format; kernels for few tokens also for a
/// number of tokens.
enum MatmulKernels {
    /// The token counts that the streaming kernels are compiled for. A product takes the next larger one.
    static let vectorTokenCounts = [1, 2, 4, 8]

    /// Which rows of a weight a token takes.
    enum Selection {
        /// All of them.
        case single
        /// Those of its expert.
        case experts

        /// What all programs of products have in front.
        fileprivate var commonSources: [String] {
            ["common/blocks.cl"] + (self == .single ? [] : ["experts/expert_weights.cl"]) + ["matmul/matmul_common.cl"]
        }
        fileprivate var suffix: String { self == .single ? "" : "_experts" }
        fileprivate var arguments: [ArgumentKind] { self == .single ? [] : [.tensor, .uint32, .uint32] }
    }

    /// A product with activations as they are.
    struct Key: Hashable {
        let format: WeightFormat
        let selection: Selection
        /// For kernels of few tokens, the number of tokens that they are compiled for.
        var tokens = 0
    }

    /// A product with quantised activations: the weight's format and that of the activations.
    struct QuantisedKey: Hashable {
        let format: WeightFormat
        let selection: Selection
        let quantisation: ActivationQuantisation
        /// For kernels of few tokens, the number of tokens that they are compiled for.
        var tokens = 0
    }

    private static let base: [ArgumentKind] = [
        .tensor, .uint32, .tensor, .tensor, .tensor, .optionalTensor, .uint32, .uint32,
        .optionalTensor, .optionalTensor, .uint32, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]

    private static func cpuSources(_ selection: Selection) -> [String] {
        selection.commonSources + ["matmul/lanes_cpu.cl", "matmul/epilogue_cpu.cl"]
    }

    private static func int8Sources(_ selection: Selection) -> [String] {
        cpuSources(selection) + [
            "common/dot.cl", "matmul/row_blocks_cpu.cl", "matmul/quads_cpu.cl", "matmul/unpack_rows_cpu.cl",
            "matmul/activations_int8_cpu.cl",
        ]
    }

    private static func gpuSources(_ selection: Selection) -> [String] {
        selection.commonSources + ["matmul/matmul_gpu.cl"]
    }

    private static func panelMacros(_ panel: PanelTuning) -> [(name: String, value: Int)] {
        [("PANEL_COLUMNS", panel.columns), ("PANEL_INPUTS", panel.inputs)]
    }

    private static func kernel(
        _ program: ProgramDescriptor, _ name: String, _ format: WeightFormat, _ selection: Selection,
        _ extra: [ArgumentKind], isChained: Bool = false
    ) -> KernelDescriptor {
        KernelDescriptor(
            program, "\(name)\(selection.suffix)_\(format.kernelSuffix)", base + selection.arguments + extra,
            isChained: isChained)
    }

    private static let vectorKernels = KernelTable<Key> { key in
        let tokens = key.tokens
        let program = ProgramDescriptor(
            "gemv", sources: cpuSources(key.selection) + ["matmul/gemv_cpu.cl"], format: key.format
        ) { tuning in
            [
                ("VECTOR_TOKENS", tokens), ("VECTOR_ROWS", 1),
                ("VECTOR_STEPS", tokens == 1 ? tuning.matmul.vectorSteps : 1),
            ]
        }
        return kernel(program, "gemv", key.format, key.selection, [.uint32], isChained: true)
    }

    private static let rowsKernels = KernelTable<Key> { key in
        let tokens = key.tokens
        let program = ProgramDescriptor(
            "gemv_group", sources: gpuSources(key.selection), format: key.format
        ) { tuning in
            [
                ("ROWS_TOKENS", tokens), ("ROWS_COLUMNS", tuning.matmul.rowsColumns),
                ("ROWS_LANES", tuning.matmul.rowsLanes),
            ]
        }
        return kernel(program, "gemv_group", key.format, key.selection, [])
    }

    private static let panelExtra: [ArgumentKind] = [.uint32, .uint32, .local, .local]

    private static let panelKernels = KernelTable<Key> { key in
        let program = ProgramDescriptor(
            "gemm_panel", sources: cpuSources(key.selection) + ["matmul/gemm_cpu.cl"], format: key.format
        ) { tuning in
            [("PANEL_BF16", 0), ("PANEL_TOKENS", tuning.matmul.panelTokens)] + panelMacros(tuning.matmul.panel)
        }
        return kernel(program, "gemm_panel", key.format, key.selection, panelExtra)
    }

    private static let tileKernels = KernelTable<Key> { key in
        let program = ProgramDescriptor("gemm_tile", sources: gpuSources(key.selection), format: key.format) { _ in
            [("TILE_INPUTS", 16)]
        }
        return kernel(program, "gemm_tile", key.format, key.selection, [])
    }

    private static let quantisedPrograms = DescriptorTable<QuantisedKey, ProgramDescriptor> { key in
        switch key.quantisation {
        case .bfloat16(let variant):
            ProgramDescriptor(
                "gemm_bf16", sources: ["common/dot.cl"] + cpuSources(key.selection) + ["matmul/gemm_cpu.cl"],
                format: key.format
            ) { tuning in
                [
                    ("PANEL_BF16", 1), ("PANEL_TOKENS", tuning.matmul.panelTokens), ("DOT_VARIANT", variant.rawValue),
                ] + panelMacros(tuning.matmul.bfloat16Panel)
            }
        case .int8(let variant):
            ProgramDescriptor(
                "gemm_int8", sources: int8Sources(key.selection) + ["matmul/gemm_int8_cpu.cl"], format: key.format
            ) { tuning in
                [("DOT_VARIANT", variant.rawValue)] + RowBlockLayout(key.format).macros
                    + panelMacros(tuning.matmul.int8Panel)
            }
        }
    }

    /// TILE_TOKENS of gemm_int8: tokens whose quantised activations lie side by side.
    static let int8TileTokens = 4

    /// Quantises the activations of many tokens for `quantisedPanel`.
    static let quantise = KernelTable<QuantisedKey> { key in
        let program = quantisedPrograms[key]
        let arguments: [ArgumentKind] = [.tensor, .uint32, .tensor, .uint32]
        return switch key.quantisation {
        case .bfloat16: KernelDescriptor(program, "quantise_bf16_\(key.format.kernelSuffix)", arguments)
        case .int8:
            KernelDescriptor(
                program, "quantise_int8\(key.selection.suffix)_\(key.format.kernelSuffix)",
                arguments + [.uint32] + key.selection.arguments)
        }
    }

    /// Multiplies many tokens, whose activations are quantised, with a weight.
    static let quantisedPanel = KernelTable<QuantisedKey> { key in
        let name = if case .bfloat16 = key.quantisation { "gemm_bf16" } else { "gemm_int8" }
        return kernel(quantisedPrograms[key], name, key.format, key.selection, panelExtra)
    }

    /// Multiplies few tokens with a weight of integers; quantises the activations itself.
    static let quantisedVector = KernelTable<QuantisedKey> { key in
        let program = ProgramDescriptor(
            "gemv_int8", sources: int8Sources(key.selection) + ["matmul/gemv_int8_cpu.cl"], format: key.format
        ) { _ in
            [("DOT_VARIANT", key.quantisation.variant.rawValue), ("VECTOR_TOKENS", key.tokens)]
                + RowBlockLayout(key.format).macros
        }
        return kernel(program, "gemv_int8", key.format, key.selection, [.uint32, .local], isChained: true)
    }

    /// Packs rows into the blocks that the kernels of int8 read.
    static let packRows = KernelTable<WeightFormat> { format in
        let program = ProgramDescriptor(
            "pack_rows",
            sources: [
                "common/blocks.cl", "matmul/matmul_common.cl", "matmul/row_blocks_cpu.cl", "matmul/quants_cpu.cl",
                "matmul/pack_rows_cpu.cl",
            ], format: format
        ) { _ in RowBlockLayout(format).macros }
        let arguments: [ArgumentKind] = [
            .tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .tensor,
        ]
        return KernelDescriptor(program, "pack_rows_\(format.kernelSuffix)", arguments)
    }

    /// The kernel that streams a weight for at most the last of `vectorTokenCounts` tokens; of experts for single rows.
    static func streaming(_ product: MatmulProduct, variant: MatmulTuning.Variant) -> KernelDescriptor {
        let kernels = variant == .registers ? vectorKernels : rowsKernels
        return kernels[
            Key(format: product.weight.format, selection: product.selection, tokens: compiledTokens(product))]
    }

    /// The kernel for many tokens.
    static func tiled(_ product: MatmulProduct, variant: MatmulTuning.Variant) -> KernelDescriptor {
        let key = Key(format: product.weight.format, selection: product.selection)
        return (variant == .registers ? panelKernels : tileKernels)[key]
    }

    /// The token count that a product's kernel is compiled for.
    static func compiledTokens(_ product: MatmulProduct) -> Int {
        if product.experts != nil { return 1 }
        return vectorTokenCounts.first { $0 >= product.tokens } ?? 8
    }
}
