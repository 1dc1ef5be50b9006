/// Words met earlier in the same text and their ids. Bounded; made anew for each text, so nothing is shared or locked.
struct WordCache {
    /// Longer words are rare and not worth keeping.
    static let maximumWordByteCount = 64
    private static let maximumSlotCount = 1 << 17

    private struct Slot {
        var hash: UInt64 = 0
        var wordOffset: UInt32 = 0
        var idOffset: UInt32 = 0
        var wordLength: UInt16 = 0
        /// 0 is free; words without ids are not stored.
        var idCount: UInt16 = 0
    }

    private var slots: [Slot]
    private var words: [UInt8] = []
    private var ids: [UInt32] = []
    private var count = 0
    private let seed = UInt64.random(in: .min ... .max)

    /// - Parameter byteCount: the length of the text to come.
    init(byteCount: Int) {
        var slotCount = 64
        while slotCount < byteCount / 16, slotCount < 1 << 12 { slotCount *= 2 }
        slots = [Slot](repeating: Slot(), count: slotCount)
    }

    @inline(__always)
    func hash(_ word: ByteBuffer) -> UInt64 { ByteHash.hash(word, seed: seed) }

    /// Appends the ids of a word that was stored; false where it was not.
    @inline(__always)
    func append(_ word: ByteBuffer, hash: UInt64, to output: inout [UInt32]) -> Bool {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while true {
            let slot = slots[index]
            if slot.idCount == 0 { return false }
            if slot.hash == hash, Int(slot.wordLength) == word.count,
                words.withUnsafeBufferPointer({ ByteHash.equal($0, at: Int(slot.wordOffset), word) })
            {
                if slot.idCount == 1 {
                    output.append(ids[Int(slot.idOffset)])
                } else {
                    output.append(contentsOf: ids[Int(slot.idOffset)..<Int(slot.idOffset) + Int(slot.idCount)])
                }
                return true
            }
            index = (index + 1) & mask
        }
    }

    /// Remembers a word that ``append(_:hash:to:)`` did not find, while there is room.
    mutating func store(_ word: ByteBuffer, hash: UInt64, ids new: ArraySlice<UInt32>) {
        guard !new.isEmpty, new.count <= Int(UInt16.max) else { return }
        if (count + 1) * 2 > slots.count {
            guard slots.count < WordCache.maximumSlotCount else { return }
            grow()
        }
        let slot = Slot(
            hash: hash, wordOffset: UInt32(words.count), idOffset: UInt32(ids.count), wordLength: UInt16(word.count),
            idCount: UInt16(new.count))
        words.append(contentsOf: word)
        ids.append(contentsOf: new)
        place(slot)
        count += 1
    }

    private mutating func place(_ slot: Slot) {
        let mask = slots.count - 1
        var index = Int(truncatingIfNeeded: slot.hash) & mask
        while slots[index].idCount != 0 { index = (index + 1) & mask }
        slots[index] = slot
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: old.count * 2)
        for slot in old where slot.idCount != 0 { place(slot) }
    }
}
