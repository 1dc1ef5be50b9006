import Dispatch
internal import ModelIO
package import TensorCore

/// Random weights in any number format: never zeros, which some processors multiply faster and some caches compress.
///
/// Legend: `N` rows, `K` columns.
package struct RandomWeight: Sendable {
    package let source: WeightSource

    /// A matrix `[N, K]` whose products with values of variance 1 have about variance 1.
    /// - Precondition: `columns` is a whole number of the format's blocks.
    package init(_ name: String, format: WeightFormat, rows: Int, columns: Int, seed: UInt64) {
        self = RandomWeight.copies(1, name, format: format, rows: rows, columns: columns, seed: seed)[0]
    }

    private init(_ source: WeightSource) { self.source = source }

    /// Several different matrices of one size, behind one another in memory.
    /// - Precondition: `columns` is a whole number of the format's blocks.
    package static func copies(
        _ count: Int, _ name: String, format: WeightFormat, rows: Int, columns: Int, seed: UInt64
    ) -> [RandomWeight] {
        let rowByteCount = format.rowByteCount(columns: columns) ?? 0
        precondition(rowByteCount > 0 && count > 0, "\(name): \(columns) columns are no whole blocks of \(format)")
        let byteCount = rows * rowByteCount
        let memory = HostAllocation(byteCount: count * byteCount)
        // Uniform over ±√(3 / K) has the variance 1 / K.
        let scale = (3 / Float(columns)).squareRoot()
        fill(memory, format: format, scale: scale, seed: seed)
        var scales: HostBytes?
        if format == .int8 {
            let values = HostAllocation(byteCount: rows * 4)
            values.pointer.bindMemory(to: Float.self).update(repeating: scale / 127)
            scales = values.bytes
        }
        return (0..<count).map { index in
            let piece = UnsafeRawBufferPointer(
                rebasing: UnsafeRawBufferPointer(memory.pointer)[index * byteCount..<(index + 1) * byteCount])
            return RandomWeight(
                WeightSource(
                    name: name, format: format, columns: columns,
                    parts: [
                        WeightPart(rows: rows, bytes: HostBytes(owner: memory, pointer: piece), scales: scales)
                    ]))
        }
    }

    /// Row `row`, dequantised by the loader's own code, which no backend shares.
    package func values(row: Int) -> [Float] {
        let part = source.parts[0]
        let rowByteCount = part.bytes.byteCount / part.rows
        let columns = source.columns
        return [Float](unsafeUninitializedCapacity: columns) { buffer, initialized in
            guard let output = buffer.baseAddress, let start = part.bytes.pointer.baseAddress else { return }
            let bytes = start + row * rowByteCount
            if let scales = part.scales?.pointer.bindMemory(to: Float.self) {
                for column in 0..<columns {
                    output[column] = scales[row] * Float(bytes.load(fromByteOffset: column, as: Int8.self))
                }
            } else if let type = StoredType(source.format) {
                _ = ElementConversion.decode(bytes, type, count: columns, into: output)
            }
            initialized = columns
        }
    }

    /// Fills memory with elements of a format, in parallel pieces that do not depend on the number of threads.
    package static func fill(_ memory: HostAllocation, format: WeightFormat, scale: Float, seed: UInt64) {
        let blockCount = memory.pointer.count / format.blockByteCount
        let pieceSize = max(1, (1 << 20) / format.blockByteCount)
        let pieceCount = (blockCount + pieceSize - 1) / pieceSize
        DispatchQueue.concurrentPerform(iterations: pieceCount) { piece in
            let blocks = piece * pieceSize..<min((piece + 1) * pieceSize, blockCount)
            let bytes = UnsafeMutableRawBufferPointer(
                rebasing: memory.pointer[
                    blocks.lowerBound * format.blockByteCount..<blocks.upperBound * format.blockByteCount])
            var random = SplitMix64(seed: seed &+ UInt64(piece) &* 0x2545_f491_4f6c_dd1d)
            format.fill(bytes, scale: scale, random: &random)
        }
    }
}

extension StoredType {
    /// The type under which a file holds a weight format; `int8` has none.
    package init?(_ format: WeightFormat) {
        guard format.numberFormat.weightFormat == format else { return nil }
        self = format.numberFormat
    }
}

extension WeightFormat {
    /// Fills whole blocks.
    fileprivate func fill(_ bytes: UnsafeMutableRawBufferPointer, scale: Float, random: inout SplitMix64) {
        switch self {
        case .float32:
            for index in 0..<bytes.count / 4 {
                bytes.storeBytes(of: random.float(scale: scale), toByteOffset: index * 4, as: Float.self)
            }
        case .bfloat16:
            for index in 0..<bytes.count / 2 {
                let bits = UInt16(truncatingIfNeeded: random.float(scale: scale).bitPattern >> 16)
                bytes.storeBytes(of: bits, toByteOffset: index * 2, as: UInt16.self)
            }
        case .float16:
            for index in 0..<bytes.count / 2 {
                bytes.storeBytes(of: half(below: scale, random.next()), toByteOffset: index * 2, as: UInt16.self)
            }
        default:
            fillBytes(bytes, random: &random)
            if self == .int8 {
                for index in bytes.indices where bytes[index] == 0x80 { bytes[index] = 0x81 }
            } else {
                setScales(bytes, scale: scale, random: &random)
            }
        }
    }

    private func fillBytes(_ bytes: UnsafeMutableRawBufferPointer, random: inout SplitMix64) {
        let words = bytes.count / 8
        for word in 0..<words { bytes.storeBytes(of: random.next(), toByteOffset: word * 8, as: UInt64.self) }
        for index in words * 8..<bytes.count { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
    }

    /// Any bytes are quants and small scales; only the numbers of a block that multiply them must be sane.
    private func setScales(_ bytes: UnsafeMutableRawBufferPointer, scale: Float, random: inout SplitMix64) {
        let size = numberFormat.scaleFormat.blockByteCount
        let offsets = (0..<numberFormat.scaleCount).map { numberFormat.scaleByteOffset + $0 * size }
        let bound = scale / numberFormat.largestScaled
        for block in 0..<bytes.count / blockByteCount {
            for offset in offsets {
                let place = block * blockByteCount + offset
                if numberFormat.scaleFormat == .float8e8m0 {
                    // An exponent alone, biased by 127.
                    bytes[place] = UInt8(clamping: Int(bound.exponent) + 127 - Int(random.next() & 3))
                } else {
                    bytes.storeBytes(of: half(below: bound, random.next()), toByteOffset: place, as: UInt16.self)
                }
            }
        }
    }

    /// A binary16 of random sign between `bound / 16` and `bound`, both rounded to powers of two.
    private func half(below bound: Float, _ bits: UInt64) -> UInt16 {
        let exponent = max(min(bound.exponent + 14, 28), 4) - Int(bits >> 20 & 3)
        return UInt16(truncatingIfNeeded: bits & 0x83ff) | UInt16(exponent) << 10
    }
}
