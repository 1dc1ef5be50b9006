/// What the paged cache refuses.
public enum KVCacheError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The pool cannot give as many blocks as are needed. Nothing was changed; preempt a sequence or wait for one to
    /// end.
    case outOfBlocks(needed: Int, free: Int)
    /// The sizes of a cache are not positive or their product overflows.
    case invalidSize(reason: String)

    public var description: String {
        switch self {
        case .outOfBlocks(let needed, let free):
            "the KV cache is full: \(needed) blocks needed, \(free) free; use a larger cache or fewer sequences"
        case .invalidSize(let reason): "the KV cache cannot be made: \(reason)"
        }
    }
}
