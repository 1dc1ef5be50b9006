internal import Glibc
internal import JSONCore
public import TensorCore

/// A file mapped read-only into memory. Pages come in when read and go when discarded or when memory is short.
///
/// A file that another process shortens while it is mapped faults when the lost part is read (the kernel's SIGBUS);
/// checkpoints are replaced by renaming, which is safe.
public final class MappedFile: HostMemory {
    public let path: String
    // SAFETY: mapped read-only for the life of this object.
    nonisolated(unsafe) public let pointer: UnsafeRawBufferPointer

    /// Maps a regular file.
    /// - Throws: `LoadError` naming the path: missing, no permission, a folder, not a regular file, empty.
    public init(path: String) throws {
        let file = try OpenFile(reading: path)
        if let mistake = file.downloadMistake() { throw LoadError.invalidFile(path: path, reason: mistake) }
        let mapped = mmap(nil, file.byteCount, PROT_READ, MAP_PRIVATE, file.descriptor, 0)
        guard let mapped, mapped != MAP_FAILED else {
            throw LoadError.unreadable(path: path, reason: "cannot be mapped: \(OpenFile.reason(errno))")
        }
        self.path = path
        self.pointer = UnsafeRawBufferPointer(start: mapped, count: file.byteCount)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: pointer.baseAddress), pointer.count)
    }

    public var byteCount: Int { pointer.count }
    public var isBackedByFile: Bool { true }

    /// Bytes `range` of the file.
    /// - Precondition: the range lies inside the file.
    public func bytes(_ range: Range<Int>) -> HostBytes {
        HostBytes(owner: self, pointer: UnsafeRawBufferPointer(rebasing: pointer[range]))
    }

    /// Releases the whole pages inside `bytes`; reading them again brings them back from the file.
    public func discard(_ bytes: UnsafeRawBufferPointer) {
        advise(bytes, MADV_DONTNEED)
    }

    /// Asks the kernel to read `bytes` ahead in the background.
    public func prefetch(_ bytes: UnsafeRawBufferPointer) {
        advise(bytes, MADV_WILLNEED)
    }

    private func advise(_ bytes: UnsafeRawBufferPointer, _ advice: Int32) {
        guard let start = bytes.baseAddress, let base = pointer.baseAddress else { return }
        let offset = start - base
        precondition(offset >= 0 && offset + bytes.count <= pointer.count, "bytes outside of \(path)")
        let page = max(Int(sysconf(Int32(_SC_PAGESIZE))), 1)
        let isDiscard = advice == MADV_DONTNEED
        // Only pages that lie inside the range may be released; for reading ahead, any page that it touches counts.
        let first = isDiscard ? (offset + page - 1) / page * page : offset / page * page
        let last =
            isDiscard && offset + bytes.count < pointer.count
            ? (offset + bytes.count) / page * page : offset + bytes.count
        guard last > first else { return }
        _ = madvise(UnsafeMutableRawPointer(mutating: base + first), last - first, advice)
    }
}
