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

    private static let arguments: [ArgumentKind] = [
        .tensor, .uint32, .tensor, .tensor, .tensor, .optionalTensor, .uint32, .uint32,
        .optionalTensor, .optionalTensor, .uint32, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]
    /// The build macros that all kernels for CPU devices share.
    static let cpuSources = [
        "common/blocks.cl", "matmul/matmul_common.cl", "matmul/lanes_cpu.cl", "matmul/epilogue_cpu.cl",
    ]
    private static let vectorSources = cpuSources + ["matmul/gemv_cpu.cl"]
    private static let panelSources = cpuSources + ["matmul/gemm_cpu.cl"]
    private static let int8Sources =
        cpuSources + [
            "common/dot.cl", "matmul/row_blocks_cpu.cl", "matmul/unpack_rows_cpu.cl", "matmul/activations_int8_cpu.cl",
        ]
    static let gpuSources = ["common/blocks.cl", "matmul/matmul_common.cl", "matmul/matmul_gpu.cl"]

    struct Key: Hashable {
        let format: WeightFormat
        let tokens: Int
    }

    private static let vectorKernels = KernelTable<Key> { key in
        let (format, tokens) = (key.format, key.tokens)
        let program = ProgramDescriptor("gemv", sources: vectorSources, format: format) { tuning in
            [
                ("VECTOR_TOKENS", tokens), ("VECTOR_ROWS", 1),
                ("VECTOR_STEPS", tokens == 1 ? tuning.matmul.vectorSteps : 1),
            ]
        }
        return KernelDescriptor(program, "gemv_\(format.kernelSuffix)", arguments + [.uint32], isChained: true)
    }

    private static let rowsKernels = KernelTable<Key> { key in
        let (format, tokens) = (key.format, key.tokens)
        let program = ProgramDescriptor("gemv_group", sources: gpuSources, format: format) { tuning in
            [
                ("ROWS_TOKENS", tokens), ("ROWS_COLUMNS", tuning.matmul.rowsColumns),
                ("ROWS_LANES", tuning.matmul.rowsLanes),
            ]
        }
        return KernelDescriptor(program, "gemv_group_\(format.kernelSuffix)", arguments)
    }

    private static let panelArguments = arguments + [.uint32, .uint32, .local, .local]
    private static let roundArguments: [ArgumentKind] = [.tensor, .uint32, .tensor, .uint32]

    private static let panelKernels = KernelTable<WeightFormat> { format in
        let program = ProgramDescriptor("gemm_panel", sources: panelSources, format: format) { tuning in
            [("PANEL_BF16", 0)] + panelMacros(tuning.matmul.panel)
        }
        return KernelDescriptor(program, "gemm_panel_\(format.kernelSuffix)", panelArguments)
    }

    private static func panelMacros(_ panel: PanelTuning) -> [(name: String, value: Int)] {
        [("PANEL_COLUMNS", panel.columns), ("PANEL_INPUTS", panel.inputs)]
    }

    /// A product with quantised activations: the weight's format and that of the activations.
    struct QuantisedKey: Hashable {
        let format: WeightFormat
        let quantisation: ActivationQuantisation
        /// For kernels of few tokens, the number of tokens that they are compiled for.
        var tokens = 0
    }

    private static let quantisedPrograms = DescriptorTable<QuantisedKey, ProgramDescriptor> { key in
        switch key.quantisation {
        case .bfloat16(let variant):
            ProgramDescriptor(
                "gemm_bf16", sources: ["common/dot.cl"] + panelSources, format: key.format
            ) { tuning in
                [("PANEL_BF16", 1), ("DOT_VARIANT", variant.rawValue)] + panelMacros(tuning.matmul.bfloat16Panel)
            }
        case .int8(let variant):
            ProgramDescriptor(
                "gemm_int8", sources: int8Sources + ["matmul/gemm_int8_cpu.cl"],
                format: key.format
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
        return switch key.quantisation {
        case .bfloat16: KernelDescriptor(program, "quantise_bf16_\(key.format.kernelSuffix)", roundArguments)
        case .int8: KernelDescriptor(program, "quantise_int8_\(key.format.kernelSuffix)", roundArguments + [.uint32])
        }
    }

    /// Multiplies many tokens, whose activations are quantised, with a weight.
    static let quantisedPanel = KernelTable<QuantisedKey> { key in
        let name = if case .bfloat16 = key.quantisation { "gemm_bf16" } else { "gemm_int8" }
        return KernelDescriptor(quantisedPrograms[key], "\(name)_\(key.format.kernelSuffix)", panelArguments)
    }

    /// Multiplies few tokens with a weight of integers; quantises the activations itself.
    static let quantisedVector = KernelTable<QuantisedKey> { key in
        let program = ProgramDescriptor(
            "gemv_int8", sources: int8Sources + ["matmul/gemv_int8_cpu.cl"],
            format: key.format
        ) { _ in
            [("DOT_VARIANT", key.quantisation.variant.rawValue), ("VECTOR_TOKENS", key.tokens)]
                + RowBlockLayout(key.format).macros
        }
        let name = "gemv_int8_\(key.format.kernelSuffix)"
        return KernelDescriptor(program, name, arguments + [.uint32, .local], isChained: true)
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

    private static let tileKernels = KernelTable<WeightFormat> { format in
        let program = ProgramDescriptor("gemm_tile", sources: gpuSources, format: format) { _ in
            [("TILE_INPUTS", 16)]
        }
        return KernelDescriptor(program, "gemm_tile_\(format.kernelSuffix)", arguments)
    }

    /// The streaming kernel for `tokens` tokens, at most the last of `vectorTokenCounts`.
    static func streaming(_ format: WeightFormat, tokens: Int, variant: MatmulTuning.Variant) -> KernelDescriptor {
        let kernels = variant == .registers ? vectorKernels : rowsKernels
        return kernels[Key(format: format, tokens: compiledTokens(tokens))]
    }

    /// The kernel for many tokens.
    static func tiled(_ format: WeightFormat, variant: MatmulTuning.Variant) -> KernelDescriptor {
        (variant == .registers ? panelKernels : tileKernels)[format]
    }

    /// The compiled token count that a product of `tokens` tokens takes.
    static func compiledTokens(_ tokens: Int) -> Int { vectorTokenCounts.first { $0 >= tokens } ?? 8 }
}
