/// A trie over byte strings whose edges lie in one open-addressing hash table.
struct ByteTrie: Sendable {
    private static let noValue = UInt32.max

    private struct Edge {
        /// Parent node in the upper bits, byte in the lower 8; `UInt64.max` is free.
        var key: UInt64 = .max
        var child: UInt32 = 0
    }

    private var edges: [Edge]
    private var values: [UInt32] = [ByteTrie.noValue]
    private let seed = UInt64.random(in: .min ... .max)

    init(capacity: Int) {
        var count = 64
        while count < capacity { count *= 2 }
        edges = [Edge](repeating: Edge(), count: count)
    }

    /// Stores a value for a string; an empty string is ignored.
    mutating func insert(_ bytes: ByteBuffer, value: UInt32) {
        guard !bytes.isEmpty else { return }
        var node = 0
        for byte in bytes {
            let key = UInt64(node) << 8 | UInt64(byte)
            let slot = find(key)
            if edges[slot].key == key {
                node = Int(edges[slot].child)
                continue
            }
            node = values.count
            values.append(ByteTrie.noValue)
            edges[slot] = Edge(key: key, child: UInt32(node))
            if values.count * 2 > edges.count { grow() }
        }
        values[node] = value
    }

    /// Calls `body` with the length and value of every stored string that the text continues with at `start`, shortest
    /// first.
    @inline(__always)
    func forEachPrefix(of text: ByteBuffer, from start: Int, _ body: (Int, UInt32) -> Void) {
        edges.withUnsafeBufferPointer { edges in
            let mask = edges.count - 1
            var node = 0
            var index = start
            while index < text.count {
                let key = UInt64(node) << 8 | UInt64(text[index])
                var slot = Int(truncatingIfNeeded: ByteHash.hash(key, seed: seed)) & mask
                while edges[slot].key != key {
                    if edges[slot].key == .max { return }
                    slot = (slot + 1) & mask
                }
                node = Int(edges[slot].child)
                index += 1
                if values[node] != ByteTrie.noValue { body(index - start, values[node]) }
            }
        }
    }

    private func find(_ key: UInt64) -> Int {
        let mask = edges.count - 1
        var slot = Int(truncatingIfNeeded: ByteHash.hash(key, seed: seed)) & mask
        while edges[slot].key != .max, edges[slot].key != key { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        let old = edges
        edges = [Edge](repeating: Edge(), count: old.count * 2)
        for edge in old where edge.key != .max { edges[find(edge.key)] = edge }
    }
}
