/// How the weights of a folder were quantised before they were published, by `quantization_config` of its
/// `config.json`.
enum PrequantizedScheme: Equatable {
    /// Eight-bit floats with a scale for the tensor, each row or each block of the given rows and columns.
    case fp8(block: [Int]?)
    /// `bits` for each weight, packed along the input, with a zero point and a scale for each group.
    /// `storesZerosLessOne` in all files except those of the format's second version.
    case gptq(bits: Int, storesZerosLessOne: Bool)
    case awq
    case compressedTensors(bits: Int, isPacked: Bool)
    case bitsAndBytes
    case mxfp4

    static let supported = [
        "fp8", "fbgemm_fp8", "gptq (2, 4, 8 bits)", "awq (gemm, 4 bits)", "compressed-tensors (int4, int8, fp8)",
        "bitsandbytes", "mxfp4",
    ]

    /// The scheme of a configuration; `nil` where its weights are plain.
    /// - Throws: `LoadError.unsupportedValue` naming a scheme that is not supported.
    init?(_ configuration: ModelConfiguration) throws {
        let whole = configuration.keys
        guard let keys = try whole.object("quantization_config") ?? whole.object("compression_config") else {
            return nil
        }
        let method =
            try keys.optionalString("quant_method") ?? (keys.value("load_in_4bit") == nil ? "" : "bitsandbytes")
        func unsupported(_ detail: String) -> LoadError {
            .unsupportedValue(
                path: configuration.path, key: "quantization_config",
                value: printable(detail.isEmpty ? method : "\(method) (\(detail))"),
                supported: PrequantizedScheme.supported)
        }
        switch method {
        case "fp8", "fbgemm_fp8", "finegrained_fp8":
            self = .fp8(block: try keys.integers("weight_block_size", in: 1...SizeLimit.width))
        case "gptq":
            let bits = try keys.optionalSize("bits", maximum: 16) ?? 4
            guard [2, 4, 8].contains(bits) else { throw unsupported("\(bits) bits") }
            let format = try keys.optionalString("checkpoint_format", "format") ?? "gptq"
            guard ["gptq", "gptq_v2"].contains(format) else { throw unsupported(format) }
            self = .gptq(bits: bits, storesZerosLessOne: format == "gptq")
        case "awq":
            let version = try keys.optionalString("version", "format")?.lowercased() ?? "gemm"
            guard version == "gemm" else { throw unsupported("version \(version)") }
            let bits = try keys.optionalSize("bits", "w_bit", maximum: 16) ?? 4
            guard bits == 4 else { throw unsupported("\(bits) bits") }
            self = .awq
        case "compressed-tensors", "sparseml":
            guard let scheme = try PrequantizedScheme.compressed(keys, unsupported: unsupported) else { return nil }
            self = scheme
        case "bitsandbytes": self = .bitsAndBytes
        case "mxfp4": self = .mxfp4
        case "modelopt":
            let algorithm = try keys.optionalString("quant_algo") ?? "of unknown algorithm"
            guard algorithm == "FP8" else { throw unsupported(algorithm) }
            self = .fp8(block: nil)
        default: throw unsupported(method.isEmpty ? "of unknown method" : "")
        }
    }

    private static func compressed(
        _ keys: ConfigurationReader, unsupported: (String) -> LoadError
    ) throws -> PrequantizedScheme? {
        if try keys.optionalString("quantization_status") == "frozen" { return nil }
        let format = try keys.optionalString("format") ?? "naive-quantized"
        if format == "dense" { return nil }
        if let sparsity = try keys.object("sparsity_config"),
            let kind = try sparsity.optionalString("format"), kind != "dense"
        {
            throw unsupported("sparsity \(kind)")
        }
        guard let groups = try keys.object("config_groups") else { throw unsupported("no config_groups") }
        var found: Set<Int> = []
        var isFloat = false
        var block: [Int]?
        for name in groups.source.keys {
            guard let weights = try groups.object(name)?.object("weights") else { continue }
            found.insert(try weights.size("num_bits", maximum: 64))
            isFloat = try weights.optionalString("type") == "float"
            block = try weights.integers("block_structure", in: 1...SizeLimit.width)
        }
        guard found.count <= 1, let bits = found.first else { throw unsupported("groups of different widths") }
        switch (format, isFloat, bits) {
        case ("float-quantized", _, 8), ("naive-quantized", true, 8): return .fp8(block: block)
        case ("pack-quantized", false, 4), ("pack-quantized", false, 8):
            return .compressedTensors(bits: bits, isPacked: true)
        case ("int-quantized", false, 8), ("naive-quantized", false, 8), ("int-quantized", false, 4),
            ("naive-quantized", false, 4):
            return .compressedTensors(bits: bits, isPacked: false)
        default: throw unsupported("\(format), \(bits) bits")
        }
    }
}
