/// A fast hash of short byte strings (multiply and fold, 8 bytes at a time) and their comparison.
enum ByteHash {
    private static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15

    @inline(__always)
    static func hash(_ bytes: ByteBuffer, seed: UInt64) -> UInt64 {
        guard let base = bytes.baseAddress else { return mix(seed, factor) }
        return hash(base, bytes.count, seed: seed)
    }

    @inline(__always)
    static func hash(_ base: UnsafePointer<UInt8>, _ count: Int, seed: UInt64) -> UInt64 {
        let raw = UnsafeRawPointer(base)
        var state = seed ^ (UInt64(truncatingIfNeeded: count) &* factor)
        var offset = 0
        while offset + 8 <= count {
            state = mix(state ^ raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self), factor)
            offset += 8
        }
        var tail: UInt64 = 0
        if offset + 4 <= count {
            tail = UInt64(raw.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            offset += 4
        }
        while offset < count {
            tail = tail << 8 | UInt64(base[offset])
            offset += 1
        }
        return mix(state ^ tail, 0xD6E8_FEB8_6659_FD93)
    }

    /// Hashes a 64-bit key.
    @inline(__always)
    static func hash(_ key: UInt64, seed: UInt64) -> UInt64 {
        mix(key ^ seed, factor)
    }

    @inline(__always)
    private static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }

    /// Whether `token` stands in `pool` at `offset`, where the pool is known to hold that many bytes.
    @inline(__always)
    static func equal(_ pool: ByteBuffer, at offset: Int, _ token: ByteBuffer) -> Bool {
        for index in 0..<token.count where pool[offset + index] != token[index] { return false }
        return true
    }
}
