internal import Dispatch
internal import JSONCore
internal import TensorCore

extension Checkpoint {
    /// The checkpoint with every quantised matrix as float32, under the name that it has in a plain checkpoint. Tensors
    /// that only serve the quantisation (scales, zero points, indices) are removed.
    /// - Throws: `LoadError` naming the tensor that is missing or does not fit the others.
    func dequantized(_ scheme: PrequantizedScheme) throws -> Checkpoint {
        var reader = PrequantizedReader(checkpoint: self, scheme: scheme)
        for name in tensors.keys.sorted() { try reader.take(name) }
        return Checkpoint(path: path, byName: reader.result, metadata: metadata, missingShard: missingShard)
    }
}

/// Goes through the tensors of a quantised checkpoint. Each scheme is in a file of its own.
struct PrequantizedReader {
    let checkpoint: Checkpoint
    let scheme: PrequantizedScheme
    private(set) var result: [String: StoredTensor] = [:]

    init(checkpoint: Checkpoint, scheme: PrequantizedScheme) {
        self.checkpoint = checkpoint
        self.scheme = scheme
    }

    /// The endings of tensors that only belong to others.
    private static let companions = [
        ".qzeros", ".scales", ".g_idx", ".weight_scale", ".weight_scale_inv", ".weight_zero_point", ".weight_shape",
        ".weight_g_idx", ".input_scale", ".input_zero_point", ".output_scale", ".activation_scale", ".k_scale",
        ".v_scale", ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map", ".SCB",
        ".weight_format", ".input_global_scale", "_scales",
    ]

    mutating func take(_ name: String) throws {
        guard let tensor = checkpoint[name] else { return }
        switch scheme {
        case .gptq(let bits, let storesZerosLessOne):
            if let stem = name.dropping(suffix: ".qweight") {
                return add(stem + ".weight", try gptq(tensor, stem, bits: bits, lessOne: storesZerosLessOne))
            }
        case .awq:
            if let stem = name.dropping(suffix: ".qweight") { return add(stem + ".weight", try awq(tensor, stem)) }
        case .fp8(let block):
            if tensor.type == .float8e4m3 || tensor.type == .float8e5m2 {
                return add(name, try fp8(tensor, block: block))
            }
        case .compressedTensors(let bits, let isPacked):
            if isPacked, let stem = name.dropping(suffix: ".weight_packed") {
                return add(stem + ".weight", try packed(tensor, stem, bits: bits))
            }
            if !isPacked, tensor.type == .int8, let stem = name.dropping(suffix: ".weight") {
                return add(name, try integers(tensor, stem))
            }
        case .bitsAndBytes:
            if name.contains(".quant_state.bitsandbytes__") { return }
            if tensor.type == .uint8, let values = try fourBits(tensor) { return add(name, values) }
            if tensor.type == .int8, let stem = name.dropping(suffix: ".weight") {
                return add(name, try eightBits(tensor, stem))
            }
        case .mxfp4:
            if let stem = name.dropping(suffix: "_blocks") { return add(stem, try mxfp4(tensor, stem)) }
        }
        guard !isCompanion(name) else { return }
        result[name] = tensor
    }

    private func isCompanion(_ name: String) -> Bool {
        guard let ending = PrequantizedReader.companions.first(where: name.hasSuffix) else { return false }
        // The experts of plain models may have a tensor that ends in "_scales". It is removed only where the blocks are
        // there too.
        return ending != "_scales" || checkpoint[name.dropLast("_scales".count) + "_blocks"] != nil
    }

    private mutating func add(_ name: String, _ tensor: StoredTensor) { result[name] = tensor.renamed(name) }

    // MARK: What the schemes share

    func broken(_ tensor: StoredTensor, _ reason: String) -> LoadError {
        .invalidTensor(path: tensor.path, tensor: printable(tensor.name), reason: reason)
    }

    /// A tensor that must be there, of one of the types.
    func required(_ name: String, _ types: [StoredType]) throws -> StoredTensor {
        guard let tensor = checkpoint[name] else {
            throw LoadError.missingTensor(path: checkpoint.path, name: name, tried: [])
        }
        guard types.contains(tensor.type) else {
            throw LoadError.unsupportedElement(
                name: name, found: tensor.type.rawValue, expected: types.map(\.rawValue).joined(separator: " or "))
        }
        return tensor
    }

    /// Scales as float32.
    func floats(_ tensor: StoredTensor) throws -> [Float] { try WeightLoader(checkpoint).floats(tensor) }

    /// The words of a packed tensor of two extents.
    func words(_ tensor: StoredTensor) throws -> (rows: Int, columns: Int, values: [UInt32]) {
        guard tensor.shape.rank == 2, tensor.type.blockByteCount == 4, tensor.type != .float32 else {
            throw broken(tensor, "has shape \(tensor.shape) of \(tensor.type.rawValue); expected rows of packed I32")
        }
        let values = withExtendedLifetime(tensor.bytes.owner) {
            (0..<tensor.shape.elementCount).map {
                tensor.bytes.pointer.loadUnaligned(fromByteOffset: $0 * 4, as: UInt32.self)
            }
        }
        return (tensor.shape[0], tensor.shape[1], values)
    }

    /// A float32 matrix beside `source`, row by row on all cores.
    /// - Parameter fill: writes row `row` of `columns` elements.
    func matrix(
        _ source: StoredTensor, rows: Int, columns: Int, shape: [Int]? = nil,
        _ fill: @Sendable (_ row: Int, _ out: UnsafeMutablePointer<Float>) -> Void
    ) throws -> StoredTensor {
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard !overflow, count <= Int.max / 4, let full = Shape(checking: shape ?? [rows, columns]) else {
            throw broken(source, "stands for \(rows) rows of \(columns), more than any file holds")
        }
        let output = HostAllocation(byteCount: count * 4)
        if let base = output.pointer.baseAddress?.assumingMemoryBound(to: Float.self), count > 0 {
            // SAFETY: each iteration writes rows of its own.
            nonisolated(unsafe) let base = base
            let block = max((1 << 16) / columns, 1)
            DispatchQueue.concurrentPerform(iterations: (rows + block - 1) / block) { index in
                for row in index * block..<min((index + 1) * block, rows) { fill(row, base + row * columns) }
            }
        }
        return StoredTensor(
            name: source.name, type: .float32, shape: full, bytes: output.bytes, path: source.path)
    }
}

extension StoredTensor {
    fileprivate func renamed(_ name: String) -> StoredTensor {
        StoredTensor(name: name, type: type, shape: shape, bytes: bytes, path: path)
    }
}

extension String {
    /// The text before `suffix`, or `nil` where it does not end so.
    fileprivate func dropping(suffix: String) -> String? {
        hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil
    }
}
