/// Blocks of integers at the least width that holds the largest of them, lowest bits first, without gaps.
///
///     value 0          value 1          …
///     |<-- width -->|<-- width -->|     (little-endian bits, a whole number of bytes at the end)
package enum BitPacking {
    /// Bytes behind the last packed one that a reader may load, since it loads eight bytes at a time.
    package static let paddingByteCount = 8

    package static func width(of values: ArraySlice<UInt32>) -> Int {
        32 - values.reduce(0) { $0 | $1 }.leadingZeroBitCount
    }

    package static func byteCount(count: Int, width: Int) -> Int { (count * width + 7) / 8 }

    package static func append(_ values: ArraySlice<UInt32>, width: Int, to bytes: inout [UInt8]) {
        var pending: UInt64 = 0
        var pendingBits = 0
        for value in values {
            pending |= UInt64(value) << UInt64(pendingBits)
            pendingBits += width
            while pendingBits >= 8 {
                bytes.append(UInt8(truncatingIfNeeded: pending))
                pending >>= 8
                pendingBits -= 8
            }
        }
        if pendingBits > 0 { bytes.append(UInt8(truncatingIfNeeded: pending)) }
    }

    /// - Parameter bytes: `byteCount(count:width:)` bytes and ``paddingByteCount`` more that may be read.
    package static func unpack(
        _ bytes: UnsafePointer<UInt8>, count: Int, width: Int, into values: UnsafeMutablePointer<UInt32>
    ) {
        guard width > 0 else {
            values.update(repeating: 0, count: count)
            return
        }
        let mask = UInt64(1) << UInt64(width) - 1
        let raw = UnsafeRawPointer(bytes)
        var bit = 0
        for index in 0..<count {
            let word = raw.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self)
            values[index] = UInt32(truncatingIfNeeded: (word >> UInt64(bit & 7)) & mask)
            bit += width
        }
    }
}

/// Packed integers that are read one by one where they lie, with ``BitPacking/paddingByteCount`` readable bytes behind them.
struct PackedNumbers {
    private let start: UnsafeRawPointer
    private let width: UInt
    private let mask: UInt64

    init(_ start: UnsafePointer<UInt8>, width: Int) {
        self.start = UnsafeRawPointer(start)
        self.width = UInt(width)
        mask = UInt64(1) << UInt64(width) - 1
    }

    subscript(index: Int) -> UInt32 {
        let bit = UInt(truncatingIfNeeded: index) &* width
        let word = start.loadUnaligned(fromByteOffset: Int(truncatingIfNeeded: bit >> 3), as: UInt64.self)
        return UInt32(truncatingIfNeeded: (word &>> UInt64(bit & 7)) & mask)
    }
}
