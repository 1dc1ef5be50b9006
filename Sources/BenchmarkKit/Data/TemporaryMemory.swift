import Glibc
import TensorCore

/// Memory backed by a file without a name, so that pages that were copied elsewhere can go, as those of a model's file do.
final class TemporaryMemory: HostMemory {
    // SAFETY: written only by `init`, before it is shared.
    nonisolated(unsafe) private let pointer: UnsafeMutableRawBufferPointer

    /// `count` numbers, each made by `next`. `nil` where no file can be had.
    init?(floats count: Int, next: () -> Float) {
        let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var path = Array("\(folder)/infer-bench-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        unlink(path)
        // Room for all of it: a write that finds none would be a fault.
        let byteCount = max(count, 1) * MemoryLayout<Float>.size
        guard posix_fallocate(descriptor, 0, byteCount) == 0,
            let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), start != MAP_FAILED
        else { return nil }
        pointer = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
        let values = pointer.bindMemory(to: Float.self)
        for index in 0..<count { values[index] = next() }
        discard(UnsafeRawBufferPointer(pointer))
    }

    deinit { munmap(pointer.baseAddress, pointer.count) }

    var isBackedByFile: Bool { true }

    var bytes: HostBytes { HostBytes(owner: self, pointer: UnsafeRawBufferPointer(pointer)) }

    func discard(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, let base = UnsafeRawPointer(pointer.baseAddress) else { return }
        let page = max(Int(sysconf(Int32(_SC_PAGESIZE))), 1)
        let (offset, isLast) = (start - base, start - base + bytes.count == pointer.count)
        let first = (offset + page - 1) / page * page
        let end = isLast ? pointer.count : (offset + bytes.count) / page * page
        guard end > first else { return }
        madvise(pointer.baseAddress.map { $0 + first }, end - first, MADV_DONTNEED)
    }
}
