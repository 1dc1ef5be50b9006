/// The stacks of a pushdown automaton. Equal stacks are stored once. A stack is the number of its top frame; 0 is the
/// empty one.
struct StackArena: Sendable {
    struct Frame: Hashable, Sendable {
        /// The node that the frame is in.
        var node: Int32
        /// The place in the node: the state of a lexeme, the part of a sequence, the count of a repetition, the state
        /// of an object.
        var state: Int32
        var parent: Int32
    }

    /// How far an object has been read.
    struct ObjectState: Hashable, Sendable {
        enum Phase: UInt8, Sendable { case opened, key, colon, value, comma }

        var phase: Phase
        /// The member that is being read. Named members come first, then the kinds of others.
        var member: Int32
        /// The named members that were read, a bit each.
        var seen: [UInt64]
        var otherCount: Int32

        func contains(_ member: Int) -> Bool {
            member >> 6 < seen.count && seen[member >> 6] >> UInt64(member & 63) & 1 != 0
        }

        mutating func insert(_ member: Int) {
            while seen.count <= member >> 6 { seen.append(0) }
            seen[member >> 6] |= 1 << UInt64(member & 63)
        }

        var seenCount: Int { seen.reduce(0) { $0 + $1.nonzeroBitCount } }
    }

    private(set) var frames = [Frame(node: -1, state: 0, parent: -1)]
    private var numbers: [Frame: Int32] = [:]
    private(set) var objectStates: [ObjectState] = []
    private var objectNumbers: [ObjectState: Int32] = [:]

    mutating func push(_ node: Int32, _ state: Int32, _ parent: Int32) -> Int32 {
        let frame = Frame(node: node, state: state, parent: parent)
        if let known = numbers[frame] { return known }
        let new = Int32(frames.count)
        frames.append(frame)
        numbers[frame] = new
        return new
    }

    mutating func number(of state: ObjectState) -> Int32 {
        if let known = objectNumbers[state] { return known }
        let new = Int32(objectStates.count)
        objectStates.append(state)
        objectNumbers[state] = new
        return new
    }
}
