internal import TensorCore

/// The kernels of attention, compiled for one head size and one element type of the cache.
enum AttentionKernels {
    struct Key: Hashable {
        let dtype: DType
        let headSize: Int
    }

    private static let arguments: [ArgumentKind] = [
        .tensor, .uint32, .tensor, .tensor, .optionalTensor, .optionalTensor, .tensor, .tensor, .tensor, .uint32,
        .tensor, .uint32, .uint32, .uint32, .uint32, .uint32, .int32, .float, .float,
    ]
    private static let decodeArguments = arguments + [.optionalTensor, .optionalTensor, .uint32, .uint32]
    private static let storeDecodeArguments =
        decodeArguments + [
            .tensor, .uint32, .tensor, .uint32, .optionalTensor, .optionalTensor, .uint32, .uint32,
        ]
    private static let prefillArguments = arguments + [.uint32, .uint32]
    private static let cpuSources = [
        "attention/attention_common.cl", "matmul/lanes_cpu.cl", "attention/attention_rows_cpu.cl",
    ]
    private static let cpuDecodeSources = cpuSources + ["attention/attention_decode_cpu.cl"]
    /// What the kernels for many queries share.
    static let cpuTileSources = cpuSources + ["attention/attention_tiles_cpu.cl"]
    private static let cpuPrefillSources = cpuTileSources + ["attention/attention_prefill_cpu.cl"]
    private static let gpuSources = ["attention/attention_common.cl", "attention/attention_gpu.cl"]

    private static func table(
        _ name: String, _ sources: [String], _ arguments: [ArgumentKind], isChained: Bool = false,
        _ macros: @escaping @Sendable (AttentionTuning, _ headSize: Int) -> [(name: String, value: Int)]
    ) -> KernelTable<Key> {
        KernelTable { key in
            let suffix = NumberFormat(key.dtype).rawValue
            let program = ProgramDescriptor(name, sources: sources) { tuning in
                [("CACHE_" + suffix, 1), ("HEAD_SIZE", key.headSize)] + macros(tuning.attention, key.headSize)
            }
            return KernelDescriptor(program, "\(name)_\(suffix.lowercased())", arguments, isChained: isChained)
        }
    }

    static let decode = table("attention_decode", cpuDecodeSources, decodeArguments, isChained: true) { tuning, _ in
        [("DECODE_HEADS", tuning.decodeHeads)]
    }
    static let storeDecode = table(
        "attention_store_decode", cpuDecodeSources, storeDecodeArguments, isChained: true
    ) { tuning, _ in [("DECODE_HEADS", tuning.decodeHeads), ("DECODE_STORES", 1)] }
    static let prefill = table("attention_prefill", cpuPrefillSources, prefillArguments) { tuning, headSize in
        [
            ("PREFILL_ROWS", tuning.registerRows(headSize: headSize)),
            ("PREFILL_POSITIONS", tuning.registerPositions(headSize: headSize)), ("TILE_ROWS", tuning.tileRows),
        ]
    }
    static let decodeGroup = table("attention_decode_group", gpuSources, decodeArguments) { tuning, _ in
        [("DECODE_GROUP", tuning.decodeGroupSize)]
    }
    static let prefillGroup = table("attention_prefill_group", gpuSources, prefillArguments) { tuning, headSize in
        [("PREFILL_POSITIONS", tuning.groupPositions(headSize: headSize))]
    }

    static let merge = KernelDescriptor(
        ProgramDescriptor("attention_merge", sources: ["attention/attention_merge.cl"]), "attention_merge",
        [.tensor, .tensor, .tensor, .uint32, .uint32, .uint32, .uint32, .uint32])
}
