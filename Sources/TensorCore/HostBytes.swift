internal import Glibc

/// Something that keeps host memory alive: a mapped file or an allocation.
public protocol HostMemory: AnyObject, Sendable {
    /// Tells that `bytes` has been copied elsewhere and will hardly be read again, so its pages may leave memory.
    func discard(_ bytes: UnsafeRawBufferPointer)
    /// Whether the bytes can be had elsewhere again, so that keeping them costs no memory once they are discarded.
    var isBackedByFile: Bool { get }
}

extension HostMemory {
    public var isBackedByFile: Bool { false }
}

/// Read-only bytes in host memory together with what keeps them alive.
public struct HostBytes: Sendable {
    public let owner: any HostMemory
    // SAFETY: the memory is never written after this value is made and lives as long as `owner`.
    nonisolated(unsafe) public let pointer: UnsafeRawBufferPointer

    public init(owner: any HostMemory, pointer: UnsafeRawBufferPointer) {
        self.owner = owner
        self.pointer = pointer
    }

    public var byteCount: Int { pointer.count }

    /// A copy of rows of `rowByteCount` bytes in another order, in memory of its own; the pages copied may go.
    func reordered(_ order: [Range<Int>], rowByteCount: Int) -> HostBytes {
        let copy = HostAllocation(byteCount: byteCount)
        var offset = 0
        for rows in order {
            let source = pointer[rows.lowerBound * rowByteCount..<rows.upperBound * rowByteCount]
            UnsafeMutableRawBufferPointer(rebasing: copy.pointer[offset..<offset + source.count]).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: source))
            offset += source.count
        }
        discard()
        return copy.bytes
    }

    /// Lets the pages go after a copy was made.
    public func discard() { owner.discard(pointer) }
}

/// Host memory of our own, aligned for vector loads and for zero-copy use by OpenCL.
public final class HostAllocation: HostMemory {
    /// The alignment of every allocation in bytes: a page, which every driver accepts for zero-copy buffers.
    public static let alignment = 4096

    /// Bytes from which on memory is mapped, so that the system has it back when it is let go: between blocks of a heap that
    /// are still in use it would stay the process's.
    private static let leastMappedByteCount = 1 << 18

    // SAFETY: written only by whoever created it, before it is shared.
    nonisolated(unsafe) public let pointer: UnsafeMutableRawBufferPointer
    private let isMapped: Bool

    /// Uninitialised memory of `byteCount` bytes.
    public init(byteCount: Int) {
        precondition(byteCount >= 0, "negative byte count")
        if byteCount >= HostAllocation.leastMappedByteCount, let mapped = HostAllocation.map(byteCount) {
            (pointer, isMapped) = (mapped, true)
        } else {
            (pointer, isMapped) = (.allocate(byteCount: byteCount, alignment: HostAllocation.alignment), false)
        }
    }

    deinit {
        if isMapped { munmap(pointer.baseAddress, pointer.count) } else { pointer.deallocate() }
    }

    private static func map(_ byteCount: Int) -> UnsafeMutableRawBufferPointer? {
        let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        return start == MAP_FAILED ? nil : UnsafeMutableRawBufferPointer(start: start, count: byteCount)
    }

    public func discard(_ bytes: UnsafeRawBufferPointer) {}

    public var bytes: HostBytes { HostBytes(owner: self, pointer: UnsafeRawBufferPointer(pointer)) }
}
