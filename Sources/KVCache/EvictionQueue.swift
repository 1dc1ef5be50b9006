/// An ordered set of block numbers, oldest first: a doubly linked list over arrays. Every operation takes constant
/// time.
struct EvictionQueue: Sendable {
    // Entry `count` is the list's own end, so that no link needs to be optional.
    private var next: [Int32]
    private var previous: [Int32]
    private var members: [Bool]
    private let end: Int32
    private(set) var count = 0

    init(capacity: Int) {
        end = Int32(capacity)
        next = [Int32](repeating: end, count: capacity + 1)
        previous = next
        members = [Bool](repeating: false, count: capacity)
    }

    func contains(_ block: Int32) -> Bool { members[Int(block)] }

    /// Adds a block as the newest.
    mutating func append(_ block: Int32) {
        precondition(!members[Int(block)], "block \(block) is queued twice")
        let last = previous[Int(end)]
        next[Int(last)] = block
        previous[Int(block)] = last
        next[Int(block)] = end
        previous[Int(end)] = block
        members[Int(block)] = true
        count += 1
    }

    mutating func remove(_ block: Int32) {
        precondition(members[Int(block)], "block \(block) is not queued")
        let (before, after) = (previous[Int(block)], next[Int(block)])
        next[Int(before)] = after
        previous[Int(after)] = before
        members[Int(block)] = false
        count -= 1
    }

    /// Takes the oldest block out.
    mutating func popFirst() -> Int32? {
        let first = next[Int(end)]
        guard first != end else { return nil }
        remove(first)
        return first
    }
}
