/// A backend whose threads can each compute a pass of their own, rather than share every op of one pass.
///
/// Passes beside each other wait for nobody at the end of an op, keep their activations in the caches of one core, and what
/// the host does for one of them overlaps with what others compute. It takes more passes than threads.
public protocol LanedBackend: Backend {
    /// Passes that can run beside each other; 1: they cannot.
    var laneCount: Int { get }

    /// Backends of one thread each, as many as `laneCount`, within the limits reserved so far. They take weights prepared by
    /// this backend and compute the same bits. Each is used by one thread at a time, all of them at once, but not beside
    /// this one, and only for ops with weights that this backend has computed before (which packs them).
    func makeLanes() throws -> [any Backend]
}
