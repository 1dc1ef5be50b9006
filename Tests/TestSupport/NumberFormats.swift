public import TensorCore

/// Rounding to the element types of caches and weights, to the nearest with ties to even.
public enum NumberFormats {
    public static func bfloat16Bits(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16((bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
    }

    public static func float(bfloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

    public static func float16Bits(_ value: Float) -> UInt16 { Float16(value).bitPattern }

    public static func float(float16 bits: UInt16) -> Float { Float(Float16(bitPattern: bits)) }

    /// The bytes of `values` as elements of a floating-point type.
    public static func encode(_ values: [Float], as dtype: DType) -> [UInt8] {
        switch dtype {
        case .float32: values.withUnsafeBytes { Array($0) }
        case .float16: values.map(float16Bits).withUnsafeBytes { Array($0) }
        case .bfloat16: values.map(bfloat16Bits).withUnsafeBytes { Array($0) }
        default: preconditionFailure("\(dtype) is no floating-point type of the backends")
        }
    }

    /// The values of packed elements of a floating-point type.
    public static func decode(_ bytes: [UInt8], as dtype: DType) -> [Float] {
        bytes.withUnsafeBytes { raw in
            switch dtype {
            case .float32: Array(raw.bindMemory(to: Float.self))
            case .float16: raw.bindMemory(to: UInt16.self).map(float(float16:))
            case .bfloat16: raw.bindMemory(to: UInt16.self).map(float(bfloat16:))
            default: preconditionFailure("\(dtype) is no floating-point type of the backends")
            }
        }
    }

    /// `values` after rounding to `dtype` and back.
    public static func rounded(_ values: [Float], to dtype: DType) -> [Float] {
        decode(encode(values, as: dtype), as: dtype)
    }
}
