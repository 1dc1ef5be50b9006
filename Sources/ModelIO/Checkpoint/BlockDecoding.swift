internal import TensorCore

/// Values of GGUF's block formats, element by element, over raw memory of any alignment. (ggml-quants.c of ggml)
enum BlockDecoding {
    /// The values that the quants of `iq4_NL` and `iq4_XS` stand for.
    private static let table: [Float] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ]

    /// Twice the values of E2M1, four bits with a sign (OCP Microscaling Formats, 2023).
    private static let e2m1: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]

    /// Dequantises `count` elements, whole blocks, to float32.
    /// - Returns: `false` where the type is none of these formats.
    static func decode(
        _ source: UnsafeRawPointer, _ type: StoredType, count: Int, into output: UnsafeMutablePointer<Float>
    ) -> Bool {
        guard let value = element(of: type) else { return false }
        let (size, byteCount) = (type.blockSize, type.blockByteCount)
        for block in 0..<count / size {
            let start = Block(source + block * byteCount)
            for index in 0..<size { output[block * size + index] = value(start, index) }
        }
        return true
    }

    private struct Block {
        private let start: UnsafeRawPointer

        init(_ start: UnsafeRawPointer) { self.start = start }

        subscript(_ offset: Int) -> Int { Int(start.load(fromByteOffset: offset, as: UInt8.self)) }

        func half(_ offset: Int) -> Float {
            ElementConversion.float(half: start.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        }

        /// The quant of element `index` of 32: first the low halves of 16 bytes, then their high halves.
        func nibble(_ offset: Int, _ index: Int) -> Int { self[offset + index % 16] >> (index / 16 * 4) & 15 }

        /// The two bits of element `index` of 256: 32 bytes hold 128 elements, each next 32 of them two bits higher.
        func pair(_ offset: Int, _ index: Int) -> Int {
            self[offset + index / 128 * 32 + index % 32] >> (index % 128 / 32 * 2) & 3
        }

        /// The trit of element `index` of 256: 32 bytes hold five of 32 elements each, 16 bytes five of 16, and 4 bytes four
        /// of 4. Digit n to the base of 3 is what a byte, times 3ⁿ and cut to 8 bits, is of 256, in thirds.
        func trit(_ index: Int) -> Int {
            let (offset, digit) =
                index < 160
                ? (index % 32, index / 32)
                : index < 240 ? (32 + index % 16, (index - 160) / 16) : (48 + index % 4, (index - 240) / 4)
            let power = [1, 3, 9, 27, 81][digit]
            return ((self[offset] * power & 255) * 3) >> 8
        }

        /// Half of the power of two that an E8M0 byte stands for.
        func halfExponent(_ offset: Int) -> Float {
            let exponent = UInt32(self[offset])
            return Float(bitPattern: exponent < 2 ? 0x0020_0000 << exponent : (exponent - 1) << 23)
        }

        /// Bit `index` of the bytes from `offset` on.
        func bit(_ offset: Int, _ index: Int) -> Int { self[offset + index / 8] >> (index % 8) & 1 }

        /// Scale and offset of 32 elements, 6 bits each, of `q4_K` and `q5_K`.
        func scaleAndOffset(_ group: Int) -> (scale: Float, offset: Float) {
            let (scale, offset): (Int, Int) =
                group < 4
                ? (self[4 + group] & 63, self[8 + group] & 63)
                : (
                    self[8 + group] & 15 | (self[group] >> 6) << 4, self[8 + group] >> 4 | (self[4 + group] >> 6) << 4
                )
            return (half(0) * Float(scale), half(2) * Float(offset))
        }
    }

    private static func element(of type: StoredType) -> ((Block, Int) -> Float)? {
        switch type {
        case .q4_0: { $0.half(0) * Float($0.nibble(2, $1) - 8) }
        case .q4_1: { $0.half(0) * Float($0.nibble(4, $1)) + $0.half(2) }
        case .q5_0: { $0.half(0) * Float($0.nibble(6, $1) + 16 * $0.bit(2, $1) - 16) }
        case .q5_1: { $0.half(0) * Float($0.nibble(8, $1) + 16 * $0.bit(4, $1)) + $0.half(2) }
        case .iq4_NL: { $0.half(0) * table[$0.nibble(2, $1)] }
        case .iq4_XS: iq4XS
        case .mxfp4: { $0.halfExponent(0) * e2m1[$0.nibble(1, $1)] }
        case .tq2_0: { $0.half(64) * Float($0.pair(0, $1) - 1) }
        case .tq1_0: { $0.half(52) * Float($0.trit($1) - 1) }
        case .q2_K: q2K
        case .q3_K: q3K
        case .q4_K: q4K
        case .q5_K: q5K
        case .q6_K: q6K
        default: nil
        }
    }

    private static func iq4XS(_ block: Block, _ index: Int) -> Float {
        let group = index / 32
        let low = block[4 + group / 2] >> (group % 2 * 4) & 15
        let high = (block[2] | block[3] << 8) >> (2 * group) & 3
        return block.half(0) * Float((low | high << 4) - 32) * table[block.nibble(8 + 16 * group, index % 32)]
    }

    private static func q2K(_ block: Block, _ index: Int) -> Float {
        let scales = block[index / 16]
        let quant = block.pair(16, index)
        return block.half(80) * Float(scales & 15) * Float(quant) - block.half(82) * Float(scales >> 4)
    }

    private static func q3K(_ block: Block, _ index: Int) -> Float {
        let group = index / 16
        let low = block[96 + group % 8] >> (group / 8 * 4) & 15
        let high = block[104 + group % 4] >> (group / 4 * 2) & 3
        let quant = block.pair(32, index)
        let bit = block[index % 32] >> (index / 32) & 1
        return block.half(108) * Float((low | high << 4) - 32) * Float(quant + 4 * bit - 4)
    }

    private static func q4K(_ block: Block, _ index: Int) -> Float {
        let (scale, offset) = block.scaleAndOffset(index / 32)
        let quant = block[16 + index / 64 * 32 + index % 32] >> (index / 32 % 2 * 4) & 15
        return scale * Float(quant) - offset
    }

    private static func q5K(_ block: Block, _ index: Int) -> Float {
        let (scale, offset) = block.scaleAndOffset(index / 32)
        let quant = block[48 + index / 64 * 32 + index % 32] >> (index / 32 % 2 * 4) & 15
        let bit = block[16 + index % 32] >> (index / 32) & 1
        return scale * Float(quant + 16 * bit) - offset
    }

    private static func q6K(_ block: Block, _ index: Int) -> Float {
        let (half, quarter, place) = (index / 128, index % 128 / 32, index % 32)
        let low = block[half * 64 + quarter % 2 * 32 + place] >> (quarter / 2 * 4) & 15
        let high = block[128 + half * 32 + place] >> (quarter * 2) & 3
        let scale = Int(Int8(truncatingIfNeeded: block[192 + index / 16]))
        return block.half(208) * Float(scale) * Float((low | high << 4) - 32)
    }
}
