internal import TensorCore

/// Times of ops by kernel name, collected while profiling is on.
struct CPUProfile {
    private var entries: [String: ProfileEntry] = [:]
    var isEnabled = false {
        didSet { if isEnabled, !oldValue { entries = [:] } }
    }

    mutating func add(_ kernel: String, elapsed: Duration, byteCount: Int, flopCount: Int) {
        let parts = elapsed.components
        var entry = entries[kernel] ?? ProfileEntry(kernel: kernel)
        entry.launches += 1
        entry.seconds += Double(parts.seconds) + Double(parts.attoseconds) * 1e-18
        entry.byteCount += byteCount
        entry.flopCount += flopCount
        entries[kernel] = entry
    }

    /// Costliest first.
    var sorted: [ProfileEntry] {
        entries.values.sorted { ($0.seconds, $1.kernel) > ($1.seconds, $0.kernel) }
    }
}
