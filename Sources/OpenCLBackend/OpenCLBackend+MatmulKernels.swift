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
    static let cpuSources = [
        "common/blocks.cl", "matmul/matmul_common.cl", "matmul/lanes_cpu.cl", "matmul/matmul_cpu.cl",
    ]
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
        let program = ProgramDescriptor("matmul_vector", sources: cpuSources) { tuning in
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

    private static let panelKernels = byFormat { format in
        let program = ProgramDescriptor("matmul_panel", sources: cpuSources) { tuning in
            [
                (format.kernelMacro, 1), ("PANEL_COLUMNS", tuning.matmul.panelColumns),
                ("PANEL_INPUTS", tuning.matmul.panelInputs),
            ]
        }
        return KernelDescriptor(
            program, "matmul_panel_\(format.kernelSuffix)", arguments + [.uint32, .uint32, .local, .local])
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
        let compiled = vectorTokenCounts.first { $0 >= tokens } ?? 8
        return found(kernels[Key(format: format, tokens: compiled)])
    }

    /// The kernel for many tokens.
    static func tiled(_ format: WeightFormat, variant: MatmulTuning.Variant) -> KernelDescriptor {
        found((variant == .registers ? panelKernels : tileKernels)[format])
    }

    private static func found(_ kernel: KernelDescriptor?) -> KernelDescriptor {
        guard let kernel else { preconditionFailure("a weight format has no matrix-product kernel") }
        return kernel
    }
}
