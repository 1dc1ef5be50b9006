/// Tokens and their ids: byte strings in one pool, found by id through a table and by content through an
/// open-addressing hash. Tokens compare byte for byte (never by Unicode equivalence, as Swift strings do).
public struct Vocabulary: Sendable {
    /// The largest id accepted; far above any real vocabulary, so that a damaged id cannot claim gigabytes.
    public static let maximumID = 1 << 24 - 1
    /// The longest token accepted, in bytes.
    public static let maximumTokenByteCount = 4096

    private struct Slot {
        /// Upper half of the hash, then the index of the token + 1; 0 is free.
        var tag: UInt32 = 0
        var tokenPlusOne: UInt32 = 0
    }

    private struct Token {
        var offset: UInt32
        var byteCount: UInt32
        var id: UInt32
    }

    private var pool: [UInt8] = []
    private var tokens: [Token] = []
    /// By id: the index of its token + 1, or 0.
    private var tokenOfID: [UInt32] = []
    private var slots: [Slot]
    private let seed: UInt64
    /// How many distinct tokens there are.
    public private(set) var count = 0
    /// Whether an id belongs to several tokens.
    private(set) var sharesIDs = false
    /// The length of the longest token in bytes.
    public private(set) var longestTokenByteCount = 0

    /// An empty vocabulary with room for about `capacity` tokens.
    public init(capacity: Int = 0) {
        let clamped = min(max(capacity, 8), Vocabulary.maximumID)
        slots = [Slot](repeating: Slot(), count: Vocabulary.slotCount(for: clamped))
        tokens.reserveCapacity(clamped)
        tokenOfID.reserveCapacity(clamped)
        pool.reserveCapacity(clamped * 8)
        // Random, so that no file can be built to make all its tokens collide.
        seed = UInt64.random(in: .min ... .max)
    }

    /// The tokens in order, ids from 0.
    ///
    /// - Throws: ``TokenizationError/invalidVocabulary(reason:)``.
    public init(tokens: [String]) throws {
        self.init(capacity: tokens.count)
        for (id, token) in tokens.enumerated() { try insert(token, id: id) }
    }

    /// One more than the largest id.
    public var endID: Int { tokenOfID.count }

    /// Adds a token. A token present already moves to `id`. Where two tokens share an id, as in vocabularies that were
    /// edited by hand, both are found and the first is what the id decodes to.
    ///
    /// - Throws: ``TokenizationError/invalidVocabulary(reason:)`` for an id that is out of range, or a token that is too
    ///   long.
    public mutating func insert(_ token: String, id: Int) throws {
        var token = token
        try token.withUTF8 { try insert($0, id: id, replacingOldID: true) }
    }

    /// As ``insert(_:id:)``; with `replacingOldID` false, a repeated token keeps its old id for decoding too.
    mutating func insert(_ token: ByteBuffer, id: Int, replacingOldID: Bool) throws {
        guard id >= 0, id <= Vocabulary.maximumID else {
            throw TokenizationError.invalidVocabulary(
                reason: "token \(quoted(token)) has id \(id), which is not in 0...\(Vocabulary.maximumID)")
        }
        guard token.count <= Vocabulary.maximumTokenByteCount else {
            throw TokenizationError.invalidVocabulary(
                reason: "token \(id) has \(token.count) bytes; at most \(Vocabulary.maximumTokenByteCount) are allowed")
        }
        guard pool.count + token.count < Int(UInt32.max) else {
            throw TokenizationError.invalidVocabulary(reason: "the tokens together have more than 4 GiB")
        }
        if id >= tokenOfID.count {
            tokenOfID.append(contentsOf: repeatElement(0, count: id + 1 - tokenOfID.count))
        }
        if (count + 1) * 2 > slots.count { grow() }
        let hash = ByteHash.hash(token, seed: seed)
        let index = find(token, hash: hash)
        if slots[index].tokenPlusOne != 0 {
            let known = slots[index].tokenPlusOne
            let oldID = Int(tokens[Int(known) - 1].id)
            if oldID == id { return }
            if replacingOldID, tokenOfID[oldID] == known { tokenOfID[oldID] = 0 }
        } else {
            count += 1
        }
        tokens.append(Token(offset: UInt32(pool.count), byteCount: UInt32(token.count), id: UInt32(id)))
        pool.append(contentsOf: token)
        longestTokenByteCount = max(longestTokenByteCount, token.count)
        let number = UInt32(tokens.count)
        if tokenOfID[id] == 0 { tokenOfID[id] = number } else { sharesIDs = true }
        slots[index] = Slot(tag: UInt32(truncatingIfNeeded: hash >> 32), tokenPlusOne: number)
    }

    /// The id of a token, or nil.
    public func id(of token: String) -> Int? {
        var token = token
        return token.withUTF8 { id(of: $0) }
    }

    /// The id of a token given as UTF-8, or nil.
    func id(of token: ByteBuffer) -> Int? {
        let slot = slots[find(token, hash: ByteHash.hash(token, seed: seed))]
        return slot.tokenPlusOne == 0 ? nil : Int(tokens[Int(slot.tokenPlusOne) - 1].id)
    }

    func id(of token: [UInt8]) -> Int? {
        token.withUnsafeBufferPointer { id(of: $0) }
    }

    /// The UTF-8 of the token with this id, or nil.
    public func bytes(of id: Int) -> [UInt8]? {
        guard contains(id: id) else { return nil }
        return withBytes(of: id) { [UInt8]($0) }
    }

    /// Whether a token has this id.
    public func contains(id: Int) -> Bool {
        id >= 0 && id < tokenOfID.count && tokenOfID[id] != 0
    }

    /// Calls `body` with the bytes of a token; empty for an id that no token has.
    func withBytes<R>(of id: Int, _ body: (ByteBuffer) throws -> R) rethrows -> R {
        try withBytes(of: tokenOfID[id] == 0 ? nil : tokens[Int(tokenOfID[id]) - 1], body)
    }

    private func withBytes<R>(of token: Token?, _ body: (ByteBuffer) throws -> R) rethrows -> R {
        let start = Int(token?.offset ?? 0)
        return try pool.withUnsafeBufferPointer { pool in
            try body(ByteBuffer(rebasing: pool[start..<start + Int(token?.byteCount ?? 0)]))
        }
    }

    private static func slotCount(for capacity: Int) -> Int {
        var count = 16
        while count < capacity * 2 { count *= 2 }
        return count
    }

    /// The slot that holds `token`, or the free one where it belongs.
    private func find(_ token: ByteBuffer, hash: UInt64) -> Int {
        let mask = slots.count - 1
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        return slots.withUnsafeBufferPointer { slots in
            pool.withUnsafeBufferPointer { pool in
                tokens.withUnsafeBufferPointer { tokens in
                    var index = Int(truncatingIfNeeded: hash) & mask
                    while true {
                        let slot = slots[index]
                        if slot.tokenPlusOne == 0 { return index }
                        if slot.tag == tag {
                            let known = tokens[Int(slot.tokenPlusOne) - 1]
                            if Int(known.byteCount) == token.count, ByteHash.equal(pool, at: Int(known.offset), token) {
                                return index
                            }
                        }
                        index = (index + 1) & mask
                    }
                }
            }
        }
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: old.count * 2)
        for slot in old where slot.tokenPlusOne != 0 {
            let (index, hash) = withBytes(of: tokens[Int(slot.tokenPlusOne) - 1]) { token in
                let hash = ByteHash.hash(token, seed: seed)
                return (find(token, hash: hash), hash)
            }
            slots[index] = Slot(tag: UInt32(truncatingIfNeeded: hash >> 32), tokenPlusOne: slot.tokenPlusOne)
        }
    }
}

/// A token for an error message: cut short, with its odd characters escaped.
func quoted(_ bytes: some Collection<UInt8>) -> String {
    String(decoding: bytes.prefix(60), as: UTF8.self).debugDescription
}
