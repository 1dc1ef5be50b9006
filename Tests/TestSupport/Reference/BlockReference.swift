public import TensorCore

/// The values of GGUF's block formats, in the order in which ggml's own description walks over a block: a second reading,
/// for random bytes. Formats without one here are tested with the golden blocks alone.
public enum BlockReference {
    private static let table: [Double] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ]

    private static let formats: Set<WeightFormat> = [
        .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .q2_K, .q3_K, .q4_K, .q5_K, .q6_K, .iq4_NL, .iq4_XS, .tq2_0,
    ]

    /// Where a block keeps its binary16 numbers.
    static func halves(_ format: WeightFormat) -> [Int] {
        switch format {
        case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
        case .q2_K: [80, 82]
        case .q3_K: [108]
        case .q6_K: [208]
        case .tq2_0: [64]
        default: [0]
        }
    }

    /// Whether there is a second reading of the format.
    public static func reads(_ format: WeightFormat) -> Bool { formats.contains(format) }

    /// - Precondition: bytes of golden blocks where there is no second reading.
    public static func decode(_ bytes: [UInt8], _ format: WeightFormat) -> [Double] {
        guard reads(format) else { return GoldenBlocks.decode(bytes, format.numberFormat) }
        return stride(from: 0, to: bytes.count, by: format.blockByteCount).flatMap { start in
            block(Array(bytes[start..<start + format.blockByteCount]), format)
        }
    }

    private static func block(_ b: [UInt8], _ format: WeightFormat) -> [Double] {
        let scales = halves(format).map { Double(Float16(bitPattern: UInt16(b[$0]) | UInt16(b[$0 + 1]) << 8)) }
        switch format {
        case .q8_0: return b[2...].map { scales[0] * Double(Int8(bitPattern: $0)) }
        case .q4_0: return nibbles(b[2...]).map { scales[0] * Double($0 - 8) }
        case .q4_1: return nibbles(b[4...]).map { scales[0] * Double($0) + scales[1] }
        case .q5_0: return fives(b[2..<6], b[6...]).map { scales[0] * Double($0 - 16) }
        case .q5_1: return fives(b[4..<8], b[8...]).map { scales[0] * Double($0) + scales[1] }
        case .iq4_NL: return nibbles(b[2...]).map { scales[0] * table[$0] }
        case .iq4_XS:
            let high = Int(b[2]) | Int(b[3]) << 8
            return (0..<8).flatMap { group in
                let low = Int(b[4 + group / 2]) >> (4 * (group % 2)) & 15
                let scale = Double((low | (high >> (2 * group) & 3) << 4) - 32)
                return nibbles(b[(8 + 16 * group)..<(24 + 16 * group)]).map { scales[0] * scale * table[$0] }
            }
        case .q2_K:
            return quarters(b[16..<80], bits: 2).enumerated().map { index, level in
                let scale = Int(b[index / 16])
                return scales[0] * Double(scale & 15) * Double(level) - scales[1] * Double(scale >> 4)
            }
        case .tq2_0: return quarters(b[..<64], bits: 2).map { scales[0] * Double($0 - 1) }
        case .q3_K:
            let sixBits = q3Scales(Array(b[96..<108]))
            return quarters(b[32..<96], bits: 2).enumerated().map { index, level in
                let isHigh = Int(b[index % 32]) >> (index / 32) & 1 == 1
                return scales[0] * Double(sixBits[index / 16]) * Double(level - (isHigh ? 0 : 4))
            }
        case .q4_K, .q5_K:
            let isFive = format == .q5_K
            let levels = isFive ? b[48..<176] : b[16..<144]
            let pairs = kScales(Array(b[4..<16]))
            return (0..<256).map { index in
                var level = Int(levels[levels.startIndex + index / 64 * 32 + index % 32])
                level = index / 32 % 2 == 0 ? level & 15 : level >> 4
                if isFive, Int(b[16 + index % 32]) >> (index / 32) & 1 == 1 { level += 16 }
                let (scale, offset) = pairs[index / 32]
                return scales[0] * Double(scale) * Double(level) - scales[1] * Double(offset)
            }
        case .q6_K:
            return (0..<256).map { index in
                let (half, within) = (index / 128, index % 128)
                let byte = Int(b[half * 64 + within % 64])
                let low = within < 64 ? byte & 15 : byte >> 4
                let high = Int(b[128 + half * 32 + within % 32]) >> (within / 32 * 2) & 3
                return scales[0] * Double(Int8(bitPattern: b[192 + index / 16])) * Double(low + 16 * high - 32)
            }
        default: preconditionFailure("\(format) has no blocks")
        }
    }

    private static func nibbles(_ bytes: ArraySlice<UInt8>) -> [Int] {
        bytes.map { Int($0 & 15) } + bytes.map { Int($0 >> 4) }
    }

    private static func fives(_ high: ArraySlice<UInt8>, _ low: ArraySlice<UInt8>) -> [Int] {
        nibbles(low).enumerated().map { index, level in
            level + 16 * (Int(high[high.startIndex + index / 8]) >> (index % 8) & 1)
        }
    }

    /// Two halves of 32 bytes, each four times over, two bits higher every time.
    private static func quarters(_ bytes: ArraySlice<UInt8>, bits: Int) -> [Int] {
        (0..<2).flatMap { half in
            (0..<4).flatMap { quarter in
                (0..<32).map { Int(bytes[bytes.startIndex + half * 32 + $0]) >> (bits * quarter) & 3 }
            }
        }
    }

    private static func q3Scales(_ q: [UInt8]) -> [Int] {
        (0..<16).map { index in
            let low = index < 8 ? Int(q[index]) & 15 : Int(q[index - 8]) >> 4
            let high = Int(q[8 + index % 4]) >> (2 * (index / 4)) & 3
            return low + 16 * high - 32
        }
    }

    private static func kScales(_ q: [UInt8]) -> [(Int, Int)] {
        (0..<8).map { index in
            if index < 4 { return (Int(q[index]) & 63, Int(q[index + 4]) & 63) }
            let shared = Int(q[index + 4])
            return ((shared & 15) + 16 * (Int(q[index - 4]) >> 6), (shared >> 4) + 16 * (Int(q[index]) >> 6))
        }
    }
}
