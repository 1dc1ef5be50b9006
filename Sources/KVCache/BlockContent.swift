/// Names the content of one cached block for as long as it is cached. Never reused: content that is evicted and
/// computed again gets a new identity, so that nothing can be found by way of a block that no longer holds it.
public struct ContentID: Sendable, Hashable {
    let number: UInt64
}

/// Why equal tokens do not mean equal keys and values, or must not be found by others: sequences of different namespaces
/// share no blocks.
public struct CacheNamespace: Sendable, Hashable {
    /// The adapter that the keys and values were computed with; 0: none.
    public var adapter: Int
    /// What a client asked for to keep its prompts apart from those of others.
    public var salt: String?
    /// The text that an encoder read before, on which the keys and values depend; empty: there is no encoder.
    public var source: [Int32]

    public init(adapter: Int = 0, salt: String? = nil, source: [Int32] = []) {
        self.adapter = adapter
        self.salt = salt
        self.source = source
    }
}

/// What a block holds: its own tokens behind a whole prefix. Two blocks hold the same keys and values exactly where
/// these are equal.
struct BlockContent: Sendable, Hashable {
    /// What comes before the block.
    enum Parent: Sendable, Hashable {
        /// Nothing; sequences of different namespaces share nothing.
        case root(CacheNamespace)
        case block(ContentID)
    }

    let parent: Parent
    let tokens: [Int32]
    /// Only finds the candidates; equality compares parent and tokens, so a collision cannot share wrong content.
    let hash: Int

    init(parent: Parent, tokens: [Int32], hash: Int) {
        self.parent = parent
        self.tokens = tokens
        self.hash = hash
    }

    static func == (left: BlockContent, right: BlockContent) -> Bool {
        left.parent == right.parent && left.tokens == right.tokens
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(hash)
    }

    /// The hash of the standard library, seeded anew in each process, so that nobody can prepare collisions.
    static func standardHash(parent: Parent, tokens: [Int32]) -> Int {
        var hasher = Hasher()
        hasher.combine(parent)
        hasher.combine(tokens)
        return hasher.finalize()
    }
}
