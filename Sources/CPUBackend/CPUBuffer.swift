internal import CPUKernels
internal import Glibc
internal import TensorCore

/// Memory of the CPU backend: page-aligned, uninitialised, and not touched before it is used.
final class CPUBuffer: DeviceBuffer {
    let byteCount: Int
    // SAFETY: only one thread at a time uses a backend and its buffers.
    nonisolated(unsafe) let pointer: UnsafeMutableRawPointer

    static let alignment = 4096
    private static let hugePageByteCount = 2 << 20

    /// Fails where the memory cannot be had.
    convenience init?(byteCount: Int) { self.init(byteCount: byteCount, alignment: CPUBuffer.alignment) }

    private init?(byteCount: Int, alignment: Int) {
        guard byteCount >= 0, byteCount <= Int.max - alignment else { return nil }
        let rounded = max(byteCount + CPUBuffer.alignment - 1, 1) / CPUBuffer.alignment * CPUBuffer.alignment
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, alignment, max(rounded, CPUBuffer.alignment)) == 0, let memory else {
            return nil
        }
        self.byteCount = byteCount
        pointer = memory
    }

    /// Memory that is read from end to end again and again: in huge pages as far as it fills them, where the kernel has them.
    /// Fails where the memory cannot be had.
    convenience init?(streamedByteCount byteCount: Int) {
        let isLarge = byteCount >= 2 * CPUBuffer.hugePageByteCount
        self.init(byteCount: byteCount, alignment: isLarge ? CPUBuffer.hugePageByteCount : CPUBuffer.alignment)
        guard isLarge else { return }
        _ = madvise(
            pointer, byteCount / CPUBuffer.hugePageByteCount * CPUBuffer.hugePageByteCount, Int32(MADV_HUGEPAGE))
    }

    deinit { free(pointer) }
}

extension Tensor {
    /// The first element.
    /// - Precondition: the buffer is the CPU backend's.
    var hostPointer: UnsafeMutableRawPointer {
        guard let buffer = buffer as? CPUBuffer else { preconditionFailure("a buffer of another backend") }
        return buffer.pointer + byteOffset
    }

    var floats: UnsafeMutablePointer<Float> { hostPointer.assumingMemoryBound(to: Float.self) }
    var int32s: UnsafeMutablePointer<Int32> { hostPointer.assumingMemoryBound(to: Int32.self) }
    var floatRows: cpuk_rows { cpuk_rows(data: floats, stride: Int64(rowStride)) }
}

extension Tensor? {
    /// Rows without data where there is no tensor.
    var floatRows: cpuk_rows { self?.floatRows ?? cpuk_rows(data: nil, stride: 0) }
}
