internal import TensorCore

/// How a collection keeps the vectors of chunks. Rows lie one behind the other, little-endian.
public enum VectorFormat: String, Sendable, CaseIterable {
    /// FP16 numbers.
    case float16 = "f16"
    /// Quants from -127 to 127, then the FP32 scale that they are multiplied by: the vector's largest magnitude / 127.
    case int8

    private static let scaleByteCount = MemoryLayout<Float>.size

    func rowByteCount(_ dimensionCount: Int) -> Int {
        switch self {
        case .float16: dimensionCount * MemoryLayout<Float16>.size
        case .int8: dimensionCount + VectorFormat.scaleByteCount
        }
    }

    func append(_ vector: [Float], to bytes: inout [UInt8]) {
        switch self {
        case .float16: for number in vector { withUnsafeBytes(of: Float16(number)) { bytes.append(contentsOf: $0) } }
        case .int8:
            // Numbers that are none would have no quant; a search finds such a vector nowhere.
            let largest = vector.reduce(Float(0)) { $1.isFinite ? max($0, abs($1)) : $0 }
            let scale = largest / 127
            for number in vector {
                let quant = scale > 0 && number.isFinite ? (number / scale).rounded(.toNearestOrEven) : 0
                bytes.append(UInt8(bitPattern: Int8(max(min(quant, 127), -127))))
            }
            withUnsafeBytes(of: scale) { bytes.append(contentsOf: $0) }
        }
    }

    /// The bits of the rows' numbers in FP16.
    func halfBits(_ rows: [UInt8], dimensionCount: Int) -> [UInt16] {
        switch self {
        case .float16: return SegmentBlob.numbers(rows, as: UInt16.self) ?? []
        case .int8:
            let rowByteCount = rowByteCount(dimensionCount)
            let rowCount = rows.count / rowByteCount
            return [UInt16](unsafeUninitializedCapacity: rowCount * dimensionCount) { output, count in
                rows.withUnsafeBytes { bytes in
                    for row in 0..<rowCount {
                        let start = row * rowByteCount
                        let scale = bytes.loadUnaligned(fromByteOffset: start + dimensionCount, as: Float.self)
                        for column in 0..<dimensionCount {
                            let quant = bytes.load(fromByteOffset: start + column, as: Int8.self)
                            output[row * dimensionCount + column] = Float16(Float(quant) * scale).bitPattern
                        }
                    }
                }
                count = rowCount * dimensionCount
            }
        }
    }

    /// The rows as a matrix for products with queries.
    func matrix(_ rows: UnsafeRawBufferPointer, count: Int, dimensionCount: Int) -> WeightSource {
        switch self {
        case .float16:
            let memory = HostAllocation(byteCount: rows.count)
            memory.pointer.copyMemory(from: rows)
            return WeightSource(
                name: "vectors", format: .float16, columns: dimensionCount,
                parts: [WeightPart(rows: count, bytes: memory.bytes)])
        case .int8:
            let quants = HostAllocation(byteCount: count * dimensionCount)
            let scales = HostAllocation(byteCount: count * VectorFormat.scaleByteCount)
            let rowByteCount = rowByteCount(dimensionCount)
            for row in 0..<count {
                let source = UnsafeRawBufferPointer(rebasing: rows[row * rowByteCount..<(row + 1) * rowByteCount])
                UnsafeMutableRawBufferPointer(
                    rebasing: quants.pointer[row * dimensionCount..<(row + 1) * dimensionCount]
                ).copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<dimensionCount]))
                UnsafeMutableRawBufferPointer(
                    rebasing: scales.pointer[
                        row * VectorFormat.scaleByteCount..<(row + 1) * VectorFormat.scaleByteCount]
                ).copyMemory(from: UnsafeRawBufferPointer(rebasing: source[dimensionCount...]))
            }
            return WeightSource(
                name: "vectors", format: .int8, columns: dimensionCount,
                parts: [WeightPart(rows: count, bytes: quants.bytes, scales: scales.bytes)])
        }
    }
}
