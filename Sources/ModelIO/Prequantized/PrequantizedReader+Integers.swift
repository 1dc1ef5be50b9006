internal import TensorCore

/// GPTQ (Frantar et al., 2022), AWQ (Lin et al., 2023) and the integer formats of compressed-tensors.
///
/// Legend: `N` output channels, `K` input features, `G` groups of inputs that share scale and zero point.
extension PrequantizedReader {
    private static let scaleTypes: [StoredType] = [.float16, .bfloat16, .float32, .float64]

    /// `qweight [K / (32/bits), N]` with consecutive inputs in a word, lowest first; `qzeros [G, N / (32/bits)]`,
    /// `scales [G, N]`, and `g_idx [K]`, the group of each input, where inputs were reordered.
    func gptq(_ tensor: StoredTensor, _ stem: String, bits: Int, lessOne: Bool) throws -> StoredTensor {
        let (perWord, mask) = (32 / bits, UInt32(1) << UInt32(bits) - 1)
        let (wordRows, count, words) = try words(tensor)
        let scaleTensor = try required(stem + ".scales", Self.scaleTypes)
        let (inputs, overflow) = wordRows.multipliedReportingOverflow(by: perWord)
        guard !overflow, scaleTensor.shape.rank == 2, scaleTensor.shape[1] == count, scaleTensor.shape[0] > 0 else {
            throw broken(scaleTensor, "has shape \(scaleTensor.shape), which does not fit the weights' \(tensor.shape)")
        }
        let groupCount = scaleTensor.shape[0]
        let (zeroRows, zeroColumns, zeroWords) = try self.words(required(stem + ".qzeros", [.int32, .uint32]))
        guard zeroRows == groupCount, zeroColumns * perWord >= count else {
            throw broken(
                tensor, "has zero points of shape [\(zeroRows), \(zeroColumns)] for \(groupCount) groups of \(count)")
        }
        let groups = try groups(stem + ".g_idx", inputCount: inputs, groupCount: groupCount, tensor)
        let scales = try floats(scaleTensor)
        return try matrix(tensor, rows: count, columns: inputs) { channel, out in
            for input in 0..<inputs {
                let group = groups[input]
                let word = words[input / perWord * count + channel]
                let value = word >> UInt32(input % perWord * bits) & mask
                let zeroWord = zeroWords[group * zeroColumns + channel / perWord]
                let zero = (zeroWord >> UInt32(channel % perWord * bits) & mask) &+ (lessOne ? 1 : 0)
                out[input] = scales[group * count + channel] * Float(Int(value) - Int(zero))
            }
        }
    }

    /// The group of each input: what `name` lists, else groups of equal size.
    private func groups(
        _ name: String, inputCount: Int, groupCount: Int, _ tensor: StoredTensor
    ) throws -> [Int] {
        if let listed = checkpoint[name] {
            guard let groups = listed.integers(), groups.count == inputCount,
                groups.allSatisfy({ (0..<groupCount).contains($0) })
            else { throw broken(listed, "does not name one of \(groupCount) groups for each of \(inputCount) inputs") }
            return groups
        }
        let size = (inputCount + groupCount - 1) / max(groupCount, 1)
        guard size > 0, (inputCount + size - 1) / size == groupCount else {
            throw broken(tensor, "has \(inputCount) inputs, which do not fall into \(groupCount) equal groups")
        }
        return (0..<inputCount).map { $0 / size }
    }

    /// `qweight [K, N / 8]` with the channels of a word interleaved, `qzeros [G, N / 8]`, `scales [G, N]`.
    func awq(_ tensor: StoredTensor, _ stem: String) throws -> StoredTensor {
        // The places in a word of the channels 0, 1, 2, …
        let places: [UInt32] = [0, 16, 4, 20, 8, 24, 12, 28]
        let (inputs, wordColumns, words) = try words(tensor)
        let scaleTensor = try required(stem + ".scales", Self.scaleTypes)
        let (count, overflow) = wordColumns.multipliedReportingOverflow(by: 8)
        guard !overflow, scaleTensor.shape.rank == 2, scaleTensor.shape[1] == count, scaleTensor.shape[0] > 0 else {
            throw broken(scaleTensor, "has shape \(scaleTensor.shape), which does not fit the weights' \(tensor.shape)")
        }
        let groupCount = scaleTensor.shape[0]
        let (zeroRows, zeroColumns, zeroWords) = try self.words(required(stem + ".qzeros", [.int32, .uint32]))
        guard zeroRows == groupCount, zeroColumns == wordColumns else {
            throw broken(
                tensor, "has zero points of shape [\(zeroRows), \(zeroColumns)] for \(groupCount) groups of \(count)")
        }
        let groups = try groups(stem + ".g_idx", inputCount: inputs, groupCount: groupCount, tensor)
        let scales = try floats(scaleTensor)
        return try matrix(tensor, rows: count, columns: inputs) { channel, out in
            let shift = places[channel % 8]
            for input in 0..<inputs {
                let group = groups[input]
                let value = words[input * wordColumns + channel / 8] >> shift & 15
                let zero = zeroWords[group * wordColumns + channel / 8] >> shift & 15
                out[input] = scales[group * count + channel] * Float(Int(value) - Int(zero))
            }
        }
    }

    /// `weight_packed [N, K / (32/bits)]` of numbers from 0 on, `weight_shape`, `weight_scale` for a tensor, channel or
    /// group, and `weight_zero_point [N / (32/bits), G]` where it is not the middle.
    func packed(_ tensor: StoredTensor, _ stem: String, bits: Int) throws -> StoredTensor {
        let (perWord, mask) = (32 / bits, UInt32(1) << UInt32(bits) - 1)
        let (rows, wordColumns, words) = try words(tensor)
        guard let extents = try required(stem + ".weight_shape", [.int64, .int32]).integers(), extents.count == 2,
            extents[0] == rows, extents[1] > 0, (extents[1] + perWord - 1) / perWord == wordColumns
        else { throw broken(tensor, "has shape \(tensor.shape), which is not what its weight_shape takes") }
        let columns = extents[1]
        let scale = try ScaleGrid(
            required(stem + ".weight_scale", Self.scaleTypes), rows: rows, columns: columns, self)
        let groups = try checkpoint[stem + ".weight_g_idx"].map { _ in
            try self.groups(
                stem + ".weight_g_idx", inputCount: columns, groupCount: scale.columnCount, tensor)
        }
        let middle = Int(1) << (bits - 1)
        var zeros: [UInt32] = []
        if let stored = checkpoint[stem + ".weight_zero_point"] {
            let (zeroRows, zeroColumns, values) = try self.words(stored)
            guard zeroRows * perWord >= rows, zeroColumns == scale.columnCount, scale.rowCount == rows else {
                throw broken(stored, "has shape \(stored.shape), which does not fit scales of \(scale.rowCount) rows")
            }
            zeros = values
        }
        let zeroWords = zeros
        return try matrix(tensor, rows: rows, columns: columns) { row, out in
            for column in 0..<columns {
                let value = Int(words[row * wordColumns + column / perWord] >> UInt32(column % perWord * bits) & mask)
                let group = groups?[column] ?? scale.column(of: column)
                var zero = middle
                if !zeroWords.isEmpty {
                    let word = zeroWords[row / perWord * scale.columnCount + group]
                    zero = Int(word >> UInt32(row % perWord * bits) & mask)
                }
                out[column] = scale.value(row: row, group: group) * Float(value - zero)
            }
        }
    }

    /// `weight [N, K]` of int8, `weight_scale` and `weight_zero_point` a tensor, channel or group.
    func integers(_ tensor: StoredTensor, _ stem: String) throws -> StoredTensor {
        guard tensor.shape.rank == 2 else { throw broken(tensor, "has \(tensor.shape.rank) dimensions, expected 2") }
        let (rows, columns) = (tensor.shape[0], tensor.shape[1])
        let scale = try ScaleGrid(
            required(stem + ".weight_scale", Self.scaleTypes), rows: rows, columns: columns, self)
        var zeros: [Int] = []
        if let stored = checkpoint[stem + ".weight_zero_point"] {
            guard let values = stored.integers(), values.count == scale.rowCount * scale.columnCount else {
                throw broken(stored, "has shape \(stored.shape), which is not that of the scales")
            }
            zeros = values
        }
        let zeroPoints = zeros
        let bytes = tensor.bytes
        return try matrix(tensor, rows: rows, columns: columns) { row, out in
            for column in 0..<columns {
                let value = Int(Int8(bitPattern: bytes.pointer[row * columns + column]))
                let group = scale.column(of: column)
                let zero = zeroPoints.isEmpty ? 0 : zeroPoints[scale.index(row: row, group: group)]
                out[column] = scale.value(row: row, group: group) * Float(value - zero)
            }
        }
    }
}

/// The scales of the blocks of a matrix: one for all, one for each row, or one for each block of rows and columns.
struct ScaleGrid: Sendable {
    let rowCount: Int
    let columnCount: Int
    private let values: [Float]
    private let blockRows: Int
    private let blockColumns: Int

    /// - Parameter block: the rows and columns of a block, where the configuration gives them.
    init(
        _ tensor: StoredTensor, rows: Int, columns: Int, block: [Int]? = nil, _ reader: PrequantizedReader
    ) throws {
        values = try reader.floats(tensor)
        let extents = tensor.shape.extents
        switch extents.count {
        case _ where tensor.shape.elementCount == 1: (rowCount, columnCount) = (1, 1)
        case 1: (rowCount, columnCount) = (extents[0], 1)
        case 2: (rowCount, columnCount) = (extents[0], extents[1])
        default: throw reader.broken(tensor, "has \(extents.count) dimensions, expected at most 2")
        }
        func size(_ total: Int, _ count: Int, _ stated: Int?) throws -> Int {
            let size = count == 1 ? total : stated ?? (total + max(count, 1) - 1) / max(count, 1)
            guard count > 0, size > 0, (total + size - 1) / size == count else {
                throw reader.broken(tensor, "has shape \(tensor.shape), which does not fit \(rows) rows of \(columns)")
            }
            return size
        }
        guard rows > 0, columns > 0 else {
            (blockRows, blockColumns) = (1, 1)
            return
        }
        blockRows = try size(rows, rowCount, rowCount == rows ? 1 : block?.first)
        blockColumns = try size(columns, columnCount, columnCount == columns ? 1 : block?.last)
    }

    @inline(__always)
    func column(of column: Int) -> Int { column / blockColumns }

    @inline(__always)
    func index(row: Int, group: Int) -> Int { row / blockRows * columnCount + group }

    @inline(__always)
    func value(row: Int, group: Int) -> Float { values[index(row: row, group: group)] }
}
