/// The bytes of tokens as a tree, in the order of a walk that visits a node before its children.
struct TokenTrie: Sendable {
    struct Node: Sendable {
        var byte: UInt8
        /// Bytes from the root to this node.
        var depth: UInt16
        /// The next node that is not below this one.
        var end: Int32
        /// The tokens that end here, as a range of `tokens`.
        var firstToken: Int32
        var lastToken: Int32
    }

    private(set) var nodes: [Node] = []
    private(set) var tokens: [Int32] = []
    private(set) var maximumDepth = 0

    /// The tokens that end at a node.
    func tokens(at index: Int) -> ArraySlice<Int32> {
        tokens[Int(nodes[index].firstToken)..<Int(nodes[index].lastToken)]
    }

    /// The tokens that end at a node or below it.
    func tokens(below index: Int) -> ArraySlice<Int32> {
        let end = Int(nodes[index].end)
        return tokens[Int(nodes[index].firstToken)..<(end < nodes.count ? Int(nodes[end].firstToken) : tokens.count)]
    }

    /// - Parameter entries: tokens with their bytes, none of them empty.
    init(_ entries: [(token: Int32, bytes: [UInt8])]) {
        let sorted = entries.filter { $0.bytes.count <= Int(UInt16.max) }.sorted {
            $0.bytes == $1.bytes ? $0.token < $1.token : $0.bytes.lexicographicallyPrecedes($1.bytes)
        }
        var path: [Int] = []
        var previous: [UInt8] = []
        func close(to depth: Int, _ nodes: inout [Node]) {
            while path.count > depth { nodes[path.removeLast()].end = Int32(nodes.count) }
        }
        for (token, bytes) in sorted {
            var common = 0
            while common < previous.count, common < bytes.count, previous[common] == bytes[common] { common += 1 }
            close(to: common, &nodes)
            for depth in common..<bytes.count {
                path.append(nodes.count)
                let place = Int32(tokens.count)
                nodes.append(
                    Node(byte: bytes[depth], depth: UInt16(depth), end: 0, firstToken: place, lastToken: place))
            }
            tokens.append(token)
            if let last = path.last { nodes[last].lastToken = Int32(tokens.count) }
            maximumDepth = max(maximumDepth, bytes.count)
            previous = bytes
        }
        close(to: 0, &nodes)
    }
}
