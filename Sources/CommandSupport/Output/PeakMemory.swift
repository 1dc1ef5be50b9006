import Glibc

/// The largest resident size that this process has had.
package enum PeakMemory {
    package static func byteCount() -> Int {
        var usage = rusage()
        // 0 is RUSAGE_SELF, which the C header declares as an enumeration that does not convert.
        guard getrusage(0, &usage) == 0 else { return 0 }
        return Int(usage.ru_maxrss) * 1024
    }
}
