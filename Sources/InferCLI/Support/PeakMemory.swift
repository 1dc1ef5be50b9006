import Glibc

/// The largest resident size that this process has had.
enum PeakMemory {
    static func byteCount() -> Int {
        var usage = rusage()
        guard getrusage(RUSAGE_SELF, &usage) == 0 else { return 0 }
        return Int(usage.ru_maxrss) * 1024
    }
}
