internal import JSONCore
internal import TensorCore

/// FP8 with scales, bitsandbytes' codes of four bits (Dettmers et al., 2023) and its int8, and MXFP4 (OCP, 2023).
extension PrequantizedReader {
    private static let scaleTypes: [StoredType] = [.float16, .bfloat16, .float32, .float64, .float8e8m0]

    /// `weight` of E4M3 or E5M2, and `weight_scale_inv` or `weight_scale`, which it is multiplied by, whatever the name:
    /// of the tensor, of each row, or of blocks.
    func fp8(_ tensor: StoredTensor, block: [Int]?) throws -> StoredTensor {
        let table = (0..<256).map { Self.value(ofFP8: UInt8($0), tensor.type) }
        let rows = tensor.shape.rank == 2 ? tensor.shape[0] : 1
        let columns = rows == 0 ? 0 : tensor.shape.elementCount / max(rows, 1)
        var grid: ScaleGrid?
        for suffix in ["_scale_inv", "_scale"] where grid == nil {
            guard let scale = checkpoint[tensor.name + suffix] else { continue }
            guard Self.scaleTypes.contains(scale.type), scale.type != .float8e8m0 else {
                throw broken(scale, "holds \(scale.type.rawValue), expected scales of 16 bits or more")
            }
            grid = try ScaleGrid(scale, rows: rows, columns: columns, block: block, self)
        }
        let (scales, bytes) = (grid, tensor.bytes)
        return try matrix(tensor, rows: rows, columns: columns, shape: tensor.shape.extents) { row, out in
            for column in 0..<columns {
                let value = table[Int(bytes.pointer[row * columns + column])]
                out[column] = scales.map { $0.value(row: row, group: $0.column(of: column)) * value } ?? value
            }
        }
    }

    /// An eight-bit float: E4M3 without infinities (`fn`), or E5M2 as IEEE 754 would have it. (Micikevicius et al., 2022)
    static func value(ofFP8 byte: UInt8, _ type: StoredType) -> Float {
        let isE5M2 = type == .float8e5m2
        let (mantissaBits, bias): (UInt8, Int) = isE5M2 ? (2, 15) : (3, 7)
        let magnitude = byte & 0x7F
        let exponent = Int(magnitude >> mantissaBits)
        let mantissa = Float(magnitude & (1 << mantissaBits - 1)) / Float(1 << Int(mantissaBits))
        let sign: Float = byte & 0x80 == 0 ? 1 : -1
        if isE5M2, exponent == 31 { return mantissa == 0 ? sign * .infinity : .nan }
        if !isE5M2, magnitude == 0x7F { return .nan }
        let significand = exponent == 0 ? mantissa : 1 + mantissa
        return sign * significand * Float(sign: .plus, exponent: max(exponent, 1) - bias, significand: 1)
    }

    /// `NAME_blocks [E, N, K / 32, 16]` of two codes a byte, the lower first, and `NAME_scales [E, N, K / 32]`, exponents.
    /// - Returns: `[E, K, N]`, as the plain checkpoints have it.
    func mxfp4(_ tensor: StoredTensor, _ stem: String) throws -> StoredTensor {
        let codes: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6]
        let scales = try required(stem + "_scales", [.uint8])
        let extents = tensor.shape.extents
        guard tensor.type == .uint8, extents.count == 4, extents[3] == 16,
            scales.shape.extents == Array(extents.dropLast())
        else {
            throw broken(tensor, "has shape \(tensor.shape) and scales of \(scales.shape); expected [E, N, K/32, 16]")
        }
        let (experts, channels, blocks) = (extents[0], extents[1], extents[2])
        let inputs = blocks * 32
        let (codeBytes, scaleBytes) = (tensor.bytes, scales.bytes)
        return try matrix(
            tensor, rows: experts * inputs, columns: channels, shape: [experts, inputs, channels]
        ) { row, out in
            let (expert, input) = (row / inputs, row % inputs)
            for channel in 0..<channels {
                let block = (expert * channels + channel) * blocks + input / 32
                let byte = codeBytes.pointer[block * 16 + input % 32 / 2]
                let code = input % 2 == 0 ? byte & 15 : byte >> 4
                let exponent = Int(scaleBytes.pointer[block]) - 127
                out[channel] = codes[Int(code)] * Float(sign: .plus, exponent: exponent, significand: 1)
            }
        }
    }

    // MARK: bitsandbytes

    /// `weight [⌈N · K / 2⌉, 1]` of two codes a byte, the higher first; `weight.absmax` of each block, itself quantised where
    /// `weight.nested_absmax` is there; `weight.quant_map`, what the codes stand for; and the rest as JSON.
    /// - Returns: `nil` for a tensor of bytes that is not quantised.
    func fourBits(_ tensor: StoredTensor) throws -> StoredTensor? {
        let prefix = tensor.name + ".quant_state.bitsandbytes__"
        guard let stateName = checkpoint.tensors.keys.first(where: { $0.hasPrefix(prefix) }),
            let stored = checkpoint[stateName]
        else { return nil }
        guard stored.type == .uint8 else { throw broken(stored, "holds \(stored.type.rawValue), expected U8") }
        let state: ConfigurationReader
        do {
            state = ConfigurationReader(
                json: try JSONDocument(parsing: Array(stored.bytes.pointer), source: stateName).root,
                path: checkpoint.path, prefix: stateName + ": ")
        } catch {
            throw LoadError.json(error)
        }
        guard let extents = try state.integers("shape", in: 0...SizeLimit.vocabulary),
            let shape = Shape(checking: extents)
        else { throw state.missing(["shape"]) }
        let count = shape.elementCount
        let blockSize = try state.size("blocksize", maximum: 1 << 20)
        guard tensor.shape.elementCount >= (count + 1) / 2, count > 0 else {
            throw broken(tensor, "has \(tensor.shape.elementCount) bytes, too few for \(count) codes of four bits")
        }
        let codes = try floats(required(tensor.name + ".quant_map", [.float32, .float16, .bfloat16]))
        let scales = try blockScales(tensor, state, count: (count + blockSize - 1) / blockSize)
        guard codes.count == 16 else { throw broken(tensor, "has a map of \(codes.count) codes, expected 16") }
        let columns = extents.last ?? count
        let bytes = tensor.bytes
        return try matrix(tensor, rows: count / columns, columns: columns, shape: extents) { row, out in
            for column in 0..<columns {
                let index = row * columns + column
                let byte = bytes.pointer[index / 2]
                out[column] = codes[Int(index % 2 == 0 ? byte >> 4 : byte & 15)] * scales[index / blockSize]
            }
        }
    }

    /// The largest magnitude of each block.
    private func blockScales(_ tensor: StoredTensor, _ state: ConfigurationReader, count: Int) throws -> [Float] {
        let stored = try required(tensor.name + ".absmax", [.float32, .uint8])
        guard stored.shape.elementCount >= count else {
            throw broken(stored, "has \(stored.shape.elementCount) scales, too few for \(count) blocks")
        }
        guard stored.type == .uint8 else { return try floats(stored) }
        let map = try floats(required(tensor.name + ".nested_quant_map", [.float32]))
        let outer = try floats(required(tensor.name + ".nested_absmax", [.float32]))
        let blockSize = try state.size("nested_blocksize", maximum: 1 << 20)
        let offset = Float(try state.number("nested_offset"))
        guard map.count == 256, outer.count >= (count + blockSize - 1) / blockSize else {
            throw broken(stored, "has \(outer.count) outer scales and a map of \(map.count); expected 256")
        }
        return (0..<count).map { map[Int(stored.bytes.pointer[$0])] * outer[$0 / blockSize] + offset }
    }

    /// `weight [N, K]` of int8 and `SCB [N]`, the largest magnitude of each row.
    func eightBits(_ tensor: StoredTensor, _ stem: String) throws -> StoredTensor {
        let scales = try floats(required(stem + ".SCB", [.float32, .float16]))
        guard tensor.shape.rank == 2, scales.count == tensor.shape[0] else {
            throw broken(tensor, "has shape \(tensor.shape) and \(scales.count) scales; expected one a row")
        }
        let columns = tensor.shape[1]
        let bytes = tensor.bytes
        return try matrix(tensor, rows: scales.count, columns: columns) { row, out in
            let scale = scales[row] / 127
            for column in 0..<columns {
                out[column] = scale * Float(Int8(bitPattern: bytes.pointer[row * columns + column]))
            }
        }
    }
}
