import Synchronization
internal import VectorKernels

/// The links of the vectors on one layer of a graph, in one array.
struct GraphLayer: Sendable {
    /// Links that a vector may have.
    let limit: Int
    /// The slot of each vector; empty where each has that of its own number, as on the lowest layer.
    private var slots: [UInt32]
    /// Slots of `limit + 1` numbers: how many links, then where they lead.
    private var numbers: [UInt32]

    init(limit: Int, vectorCount: Int, isLowest: Bool) {
        self.limit = limit
        slots = isLowest ? [] : [UInt32](repeating: .max, count: vectorCount)
        numbers = isLowest ? [UInt32](repeating: 0, count: vectorCount * (limit + 1)) : []
    }

    private var stride: Int { limit + 1 }

    /// Gives a vector of a layer above the lowest its slot.
    mutating func add(_ index: UInt32) {
        guard !slots.isEmpty, slots[Int(index)] == .max else { return }
        slots[Int(index)] = UInt32(numbers.count / stride)
        numbers += repeatElement(0, count: stride)
    }

    private func slot(of index: UInt32) -> Int? {
        guard !slots.isEmpty else { return Int(index) }
        return slots[Int(index)] == .max ? nil : Int(slots[Int(index)])
    }

    /// Where a vector's links lead; none where it is not on this layer.
    func links(of index: UInt32) -> ArraySlice<UInt32> {
        guard let slot = slot(of: index) else { return [] }
        let start = slot * stride
        return numbers[start + 1..<start + 1 + Int(numbers[start])]
    }

    /// - Precondition: at most ``limit`` links, and the vector has a slot.
    mutating func setLinks(of index: UInt32, to links: some Collection<UInt32>) {
        precondition(links.count <= limit, "\(links.count) links, at most \(limit)")
        guard let slot = slot(of: index) else { return }
        numbers[slot * stride] = UInt32(links.count)
        for (place, link) in links.enumerated() { numbers[slot * stride + 1 + place] = link }
    }

    /// Links `other` with `index`, in place of a worse link where it has as many as it may.
    mutating func link(_ other: UInt32, to index: UInt32, in table: VectorTable) {
        let (slots, stride, limit) = (slots, stride, limit)
        slots.withUnsafeBufferPointer { slots in
            numbers.withUnsafeMutableBufferPointer { numbers in
                var layer = vector_layer(
                    links: numbers.baseAddress, slots: slots.isEmpty ? nil : slots.baseAddress, stride: Int64(stride))
                table.withTable { vector_link($0, &layer, other, index, Int64(limit)) }
            }
        }
    }

    /// The `width` vectors nearest to a query that a walk from `start` meets, nearest first.
    /// - Parameter allowed: a bit a vector that may be found; empty: all may.
    func walk(
        from start: UInt32, to query: UnsafePointer<Float>, width: Int, in table: VectorTable, by walker: GraphWalker,
        allowed: [UInt64] = [], _ found: inout [UInt32], _ scores: inout [Float]
    ) -> Int {
        if found.count < width {
            found = [UInt32](repeating: 0, count: width)
            scores = [Float](repeating: 0, count: width)
        }
        return slots.withUnsafeBufferPointer { slots in
            numbers.withUnsafeBufferPointer { numbers in
                // The walk only reads the links.
                var layer = vector_layer(
                    links: UnsafeMutablePointer(mutating: numbers.baseAddress),
                    slots: slots.isEmpty ? nil : slots.baseAddress, stride: Int64(stride))
                return table.withTable { table in
                    allowed.withUnsafeBufferPointer { allowed in
                        Int(
                            vector_walk(
                                walker.pointer, table, &layer, query, start, Int64(width),
                                allowed.isEmpty ? nil : allowed.baseAddress, &found, &scores))
                    }
                }
            }
        }
    }
}

/// Memory of a walk.
final class GraphWalker {
    fileprivate let pointer: OpaquePointer

    /// - Returns: `nil` where memory is missing.
    init?(vectorCount: Int) {
        guard let pointer = vector_walker_create(Int64(vectorCount)) else { return nil }
        self.pointer = pointer
    }

    deinit { vector_walker_destroy(pointer) }
}

/// Memory of walks that have ended, for the next ones.
final class GraphWalkerPool: Sendable {
    // SAFETY: a walker is in the pool or with the one walk that took it.
    private struct Held: @unchecked Sendable { let walker: GraphWalker }

    private let vectorCount: Int
    private let free = Mutex<[Held]>([])

    init(vectorCount: Int) { self.vectorCount = vectorCount }

    /// - Returns: `nil` where memory is missing.
    func withWalker<Result>(_ body: (GraphWalker) -> Result) -> Result? {
        let held = free.withLock { $0.popLast() }
        guard let walker = held?.walker ?? GraphWalker(vectorCount: vectorCount) else { return nil }
        let back = Held(walker: walker)
        defer { free.withLock { $0.append(back) } }
        return body(walker)
    }
}
