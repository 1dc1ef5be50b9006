internal import TensorCore

/// Conversions between element types, over raw memory of any alignment. The loops have no branches, so that the
/// compiler vectorises them. All rounding is to nearest, ties to even.
package enum ElementConversion {
    /// Converts `count` elements to float32. FP64 is rounded; the other types are exact.
    /// - Returns: `false` where the type is not ``StoredType/isDecodable``.
    /// - Precondition: `count` is a whole number of the type's blocks, and `source` is the start of one.
    package static func decode(
        _ source: UnsafeRawPointer, _ type: StoredType, count: Int, into output: UnsafeMutablePointer<Float>
    ) -> Bool {
        switch type {
        case .float32: UnsafeMutableRawPointer(output).copyMemory(from: source, byteCount: count * 4)
        case .bfloat16:
            for index in 0..<count {
                let bits = source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
                output[index] = Float(bitPattern: UInt32(bits) &<< 16)
            }
        case .float16:
            for index in 0..<count {
                output[index] = float(half: source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self))
            }
        case .float64:
            for index in 0..<count {
                output[index] = Float(source.loadUnaligned(fromByteOffset: index &* 8, as: Double.self))
            }
        case .q8_0:
            for block in 0..<count / 32 {
                let (start, first) = (block &* 34, block &* 32)
                let scale = float(half: source.loadUnaligned(fromByteOffset: start, as: UInt16.self))
                for index in 0..<32 {
                    let level = source.load(fromByteOffset: start &+ 2 &+ index, as: Int8.self)
                    output[first &+ index] = scale * Float(level)
                }
            }
        default: return BlockDecoding.decode(source, type, count: count, into: output)
        }
        return true
    }

    /// Narrows `count` float32 values to bfloat16; NaNs stay NaNs.
    package static func encodeBFloat16(
        _ source: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<UInt16>
    ) {
        for index in 0..<count { output[index] = bfloat16(source[index]) }
    }

    /// Narrows `count` float32 values to float16; NaNs stay NaNs.
    /// - Returns: whether every finite value stayed finite.
    package static func encodeFloat16(
        _ source: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<UInt16>
    ) -> Bool {
        var overflows: UInt32 = 0
        for index in 0..<count {
            let value = source[index]
            let bits = half(value)
            output[index] = bits
            let isInfinite: UInt32 = bits & 0x7FFF == 0x7C00 ? 1 : 0
            let wasFinite: UInt32 = value.bitPattern & 0x7FFF_FFFF < 0x7F80_0000 ? 1 : 0
            overflows |= isInfinite & wasFinite
        }
        return overflows == 0
    }

    /// The values in memory of their own, as float32, bfloat16 or float16.
    static func encoded(_ values: [Float], as type: StoredType) -> HostAllocation {
        let memory = HostAllocation(byteCount: values.count * type.blockByteCount)
        values.withUnsafeBufferPointer { source in
            guard let start = source.baseAddress, let target = memory.pointer.baseAddress else { return }
            switch type {
            case .bfloat16:
                encodeBFloat16(start, count: source.count, into: target.assumingMemoryBound(to: UInt16.self))
            case .float16:
                // A value that is too large becomes infinite.
                _ = encodeFloat16(start, count: source.count, into: target.assumingMemoryBound(to: UInt16.self))
            default:
                precondition(type == .float32, "values are not encoded as \(type)")
                target.copyMemory(from: start, byteCount: 4 * source.count)
            }
        }
        return memory
    }

    /// Quantises one row to `-127...127` with `scale = max |w| / 127`, so that `w ≈ scale · q`. A row of zeros, or of
    /// values so small that the scale is no float, gets scale 0.
    /// - Returns: the scale, or `nil` where the row holds an infinity or a NaN.
    package static func quantizeInt8(
        _ row: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Int8>
    ) -> Float? {
        var largest: UInt32 = 0
        // The bit patterns of magnitudes order as the magnitudes do, with NaNs above infinity.
        for index in 0..<count { largest = max(largest, row[index].bitPattern & 0x7FFF_FFFF) }
        guard largest < 0x7F80_0000 else { return nil }
        let scale = Float(bitPattern: largest) / 127
        guard scale > 0 else {
            for index in 0..<count { output[index] = 0 }
            return 0
        }
        // Adding 1.5 · 2²³ leaves the rounded integer in the low bits of the mantissa.
        let magic: Float = 12_582_912
        for index in 0..<count {
            let quotient = min(max(row[index] / scale, -127), 127)
            output[index] = Int8(truncatingIfNeeded: (quotient + magic).bitPattern &- magic.bitPattern)
        }
        return scale
    }

    /// The float32 of an IEEE 754 binary16.
    @inline(__always)
    package static func float(half bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) &<< 16
        let exponent = UInt32(bits & 0x7C00)
        let mantissa = UInt32(bits & 0x03FF)
        let shifted = (exponent | mantissa) &<< 13
        let normal = shifted &+ (112 &<< 23)
        let special = shifted | 0x7F80_0000
        // A subnormal is an integer multiple of 2⁻²⁴.
        let subnormal = (Float(Int32(truncatingIfNeeded: mantissa)) * 0x1p-24).bitPattern
        let magnitude = exponent == 0 ? subnormal : (exponent == 0x7C00 ? special : normal)
        return Float(bitPattern: magnitude | sign)
    }

    /// The binary16 nearest to a float32, ties to even.
    @inline(__always)
    package static func half(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let sign = (bits &>> 16) & 0x8000
        let magnitude = bits & 0x7FFF_FFFF
        let odd = (magnitude &>> 13) & 1
        let normal = (magnitude &- (112 &<< 23) &+ 0xFFF &+ odd) &>> 13
        // Below 2⁻¹⁴ the addition of 1/2 does the rounding to a multiple of 2⁻²⁴.
        let subnormal = (Float(bitPattern: magnitude) + 0.5).bitPattern &- Float(0.5).bitPattern
        let isNaN = magnitude > 0x7F80_0000
        let special = isNaN ? 0x7E00 | ((magnitude &>> 13) & 0x3FF) : 0x7C00
        let rounded = magnitude < 0x3880_0000 ? subnormal : (magnitude >= 0x4780_0000 ? special : normal)
        return UInt16(truncatingIfNeeded: rounded | sign)
    }

    /// The bfloat16 nearest to a float32, ties to even.
    @inline(__always)
    package static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        let rounded = (bits &+ 0x7FFF &+ ((bits &>> 16) & 1)) &>> 16
        let quiet = (bits &>> 16) | 0x40
        return UInt16(truncatingIfNeeded: bits & 0x7FFF_FFFF > 0x7F80_0000 ? quiet : rounded)
    }
}
