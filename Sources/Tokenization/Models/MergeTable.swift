/// The merges of a BPE model: pairs of token ids to the rank of their merge and the id it makes, in a flat hash table.
struct MergeTable: Sendable {
    struct Merge {
        var rank: UInt32
        var newID: UInt32
    }

    fileprivate struct Slot {
        /// Left id in the upper half, right id in the lower; ids stay below 2^24, so all ones is free.
        var key: UInt64 = .max
        var merge = Merge(rank: 0, newID: 0)
    }

    private var slots: [Slot]
    private let seed: UInt64

    init(capacity: Int) {
        var slotCount = 16
        while slotCount < capacity * 2 { slotCount *= 2 }
        slots = [Slot](repeating: Slot(), count: slotCount)
        seed = UInt64.random(in: .min ... .max)
    }

    /// Sets the merge of a pair; a later one of the same pair replaces the earlier.
    mutating func insert(left: UInt32, right: UInt32, _ merge: Merge) {
        let key = UInt64(left) << 32 | UInt64(right)
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: ByteHash.hash(key, seed: seed)) & mask
        while slots[index].key != .max, slots[index].key != key { index = (index + 1) & mask }
        slots[index] = Slot(key: key, merge: merge)
    }

    func withLookup<R>(_ body: (Lookup) throws -> R) rethrows -> R {
        try slots.withUnsafeBufferPointer { try body(Lookup(slots: $0, mask: slots.count - 1, seed: seed)) }
    }

    /// Read access without bounds or reference-count work, valid inside ``withLookup(_:)``.
    struct Lookup {
        fileprivate let slots: UnsafeBufferPointer<Slot>
        fileprivate let mask: Int
        fileprivate let seed: UInt64

        /// Rank in the upper half and new id in the lower, or all ones where the pair does not merge.
        @inline(__always)
        func packed(_ left: UInt32, _ right: UInt32) -> UInt64 {
            let key = UInt64(left) << 32 | UInt64(right)
            var index = Int(truncatingIfNeeded: ByteHash.hash(key, seed: seed)) & mask
            while true {
                let slot = slots[index]
                if slot.key == key { return UInt64(slot.merge.rank) << 32 | UInt64(slot.merge.newID) }
                if slot.key == .max { return .max }
                index = (index + 1) & mask
            }
        }
    }
}
