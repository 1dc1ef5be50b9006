internal import TensorCore

extension WeightFormat {
    /// The ending of kernel names.
    var kernelSuffix: String {
        switch self {
        case .float32: "f32"
        case .bfloat16: "bf16"
        case .float16: "f16"
        case .int8: "int8"
        default: rawValue
        }
    }

    /// The build macro that selects the format.
    var kernelMacro: String { "WEIGHT_" + kernelSuffix.uppercased() }
}

/// The kernels of matrix products. A program is compiled for one weight format, and where few tokens share a pass over
/// the weight also for their number.
enum MatmulKernels {
    /// Numbers of tokens that the streaming kernels are compiled for; a product takes the next larger one.
    static let vectorTokenCounts = [1, 2, 4, 8]

    private static let arguments: [ArgumentKind] = [
        .tensor, .uint32, .tensor, .tensor, .tensor, .optionalTensor, .uint32, .uint32,
        .optionalTensor, .optionalTensor, .uint32, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32,
    ]
    /// What all kernels for CPU devices share.
    static let cpuSources = [
        "common/blocks.cl", "matmul/matmul_common.cl", "matmul/lanes_cpu.cl", "matmul/rows_cpu.cl",
    ]
    private static let vectorSources = cpuSources + ["matmul/matmul_vector_cpu.cl"]
    private static let panelSources = cpuSources + ["matmul/matmul_panel_cpu.cl"]
    private static let levelsSources = cpuSources + ["common/dot.cl", "matmul/levels_cpu.cl"]
    static let gpuSources = ["common/blocks.cl", "matmul/matmul_common.cl", "matmul/matmul_gpu.cl"]

    private struct Key: Hashable {
        let format: WeightFormat
        let tokens: Int
    }

    private static func byTokens(_ make: (WeightFormat, Int) -> KernelDescriptor) -> [Key: KernelDescriptor] {
        var kernels: [Key: KernelDescriptor] = [:]
        for format in WeightFormat.allCases {
            for tokens in vectorTokenCounts { kernels[Key(format: format, tokens: tokens)] = make(format, tokens) }
        }
        return kernels
    }

    private static func byFormat(_ make: (WeightFormat) -> KernelDescriptor) -> [WeightFormat: KernelDescriptor] {
        Dictionary(uniqueKeysWithValues: WeightFormat.allCases.map { ($0, make($0)) })
    }

    private static let vectorKernels = byTokens { format, tokens in
        let program = ProgramDescriptor("matmul_vector", sources: vectorSources) { tuning in
            [
                (format.kernelMacro, 1), ("VECTOR_TOKENS", tokens), ("VECTOR_ROWS", 1),
                ("VECTOR_STEPS", tokens == 1 ? tuning.matmul.vectorSteps : 1),
            ]
        }
        return KernelDescriptor(program, "matmul_vector_\(format.kernelSuffix)", arguments + [.uint32])
    }

    private static let rowsKernels = byTokens { format, tokens in
        let program = ProgramDescriptor("matmul_rows", sources: gpuSources) { tuning in
            [
                (format.kernelMacro, 1), ("ROWS_TOKENS", tokens), ("ROWS_COLUMNS", tuning.matmul.rowsColumns),
                ("ROWS_LANES", tuning.matmul.rowsLanes),
            ]
        }
        return KernelDescriptor(program, "matmul_rows_\(format.kernelSuffix)", arguments)
    }

    private static let panelArguments = arguments + [.uint32, .uint32, .local, .local]
    private static let roundArguments: [ArgumentKind] = [.tensor, .uint32, .tensor, .uint32]

    private static let panelKernels = byFormat { format in
        let program = ProgramDescriptor("matmul_panel", sources: panelSources) { tuning in
            [(format.kernelMacro, 1), ("PANEL_PAIRS", 0)] + panelMacros(tuning.matmul.panel)
        }
        return KernelDescriptor(program, "matmul_panel_\(format.kernelSuffix)", panelArguments)
    }

    private static func panelMacros(_ panel: PanelTuning) -> [(name: String, value: Int)] {
        [("PANEL_COLUMNS", panel.columns), ("PANEL_INPUTS", panel.inputs)]
    }

    /// The kernels of a product with rounded activations: for many tokens the one that rounds them and the one that
    /// multiplies, for few one that does both.
    struct Rounded {
        let round: KernelDescriptor
        let panel: KernelDescriptor
        /// By the number of tokens; empty where few tokens are not rounded.
        let vector: [Int: KernelDescriptor]
    }

    private struct RoundedKey: Hashable {
        let format: WeightFormat
        let rounding: ActivationRounding
    }

    private static let roundedKernels: [RoundedKey: Rounded] = {
        var kernels: [RoundedKey: Rounded] = [:]
        for variant in DotVariant.allCases {
            for format in [WeightFormat.float32, .bfloat16] {
                kernels[RoundedKey(format: format, rounding: .pairs(variant))] = pairs(format, variant)
            }
            for format in WeightFormat.allCases where ![.float32, .bfloat16, .float16].contains(format) {
                kernels[RoundedKey(format: format, rounding: .levels(variant))] = levels(format, variant)
            }
        }
        return kernels
    }()

    private static func pairs(_ format: WeightFormat, _ variant: DotVariant) -> Rounded {
        let program = ProgramDescriptor("matmul_pairs_panel", sources: ["common/dot.cl"] + panelSources) { tuning in
            [(format.kernelMacro, 1), ("PANEL_PAIRS", 1), ("DOT_VARIANT", variant.rawValue)]
                + panelMacros(tuning.matmul.pairsPanel)
        }
        return Rounded(
            round: KernelDescriptor(program, "round_pairs_\(format.kernelSuffix)", roundArguments),
            panel: KernelDescriptor(program, "matmul_pairs_panel_\(format.kernelSuffix)", panelArguments), vector: [:])
    }

    private static func levels(_ format: WeightFormat, _ variant: DotVariant) -> Rounded {
        let sources = levelsSources + ["matmul/matmul_levels_panel_cpu.cl"]
        let program = ProgramDescriptor("matmul_levels_panel", sources: sources) { tuning in
            [(format.kernelMacro, 1), ("DOT_VARIANT", variant.rawValue)] + panelMacros(tuning.matmul.levelsPanel)
        }
        let vector = vectorTokenCounts.map { tokens in
            let sources = levelsSources + ["matmul/matmul_levels_vector_cpu.cl"]
            let program = ProgramDescriptor("matmul_levels_vector", sources: sources) { _ in
                [(format.kernelMacro, 1), ("DOT_VARIANT", variant.rawValue), ("VECTOR_TOKENS", tokens)]
            }
            let name = "matmul_levels_vector_\(format.kernelSuffix)"
            return (tokens, KernelDescriptor(program, name, arguments + [.uint32, .local]))
        }
        return Rounded(
            round: KernelDescriptor(program, "round_levels_\(format.kernelSuffix)", roundArguments),
            panel: KernelDescriptor(program, "matmul_levels_panel_\(format.kernelSuffix)", panelArguments),
            vector: Dictionary(uniqueKeysWithValues: vector))
    }

    private static let tileKernels = byFormat { format in
        let program = ProgramDescriptor("matmul_tile", sources: gpuSources) { _ in
            [(format.kernelMacro, 1), ("TILE_INPUTS", 16)]
        }
        return KernelDescriptor(program, "matmul_tile_\(format.kernelSuffix)", arguments)
    }

    /// The streaming kernel for `tokens` tokens, at most the last of `vectorTokenCounts`.
    static func streaming(_ format: WeightFormat, tokens: Int, variant: MatmulTuning.Variant) -> KernelDescriptor {
        let kernels = variant == .registers ? vectorKernels : rowsKernels
        return found(kernels[Key(format: format, tokens: compiledTokens(tokens))])
    }

    /// The kernel for many tokens.
    static func tiled(_ format: WeightFormat, variant: MatmulTuning.Variant) -> KernelDescriptor {
        found((variant == .registers ? panelKernels : tileKernels)[format])
    }

    /// The kernels for a weight whose products round activations.
    static func rounded(_ format: WeightFormat, _ rounding: ActivationRounding) -> Rounded {
        guard let kernels = roundedKernels[RoundedKey(format: format, rounding: rounding)] else {
            preconditionFailure("a weight format has no kernels for rounded activations")
        }
        return kernels
    }

    /// The number of tokens, of those compiled for, that a product of `tokens` takes.
    static func compiledTokens(_ tokens: Int) -> Int { vectorTokenCounts.first { $0 >= tokens } ?? 8 }

    private static func found(_ kernel: KernelDescriptor?) -> KernelDescriptor {
        guard let kernel else { preconditionFailure("a weight format has no matrix-product kernel") }
        return kernel
    }
}
