internal import Synchronization
internal import TensorCore

/// Counts a device's memory, because some drivers promise more than there is and fail only when it is touched.
final class MemoryBudget: Sendable {
    let deviceName: String
    let maxAllocationByteCount: Int
    let totalByteCount: Int
    private let used = Mutex(0)

    init(device: OpenCLDevice) {
        deviceName = device.name
        maxAllocationByteCount = device.maxAllocationByteCount > 0 ? device.maxAllocationByteCount : .max
        totalByteCount = device.memoryByteCount > 0 ? device.memoryByteCount : .max
    }

    /// - Throws: `BackendError.outOfMemory`.
    func take(_ byteCount: Int) throws {
        let fits = used.withLock { used in
            guard byteCount <= maxAllocationByteCount, byteCount <= totalByteCount - used else { return false }
            used += byteCount
            return true
        }
        guard fits else { throw BackendError.outOfMemory(requestedByteCount: byteCount, device: deviceName) }
    }

    func give(_ byteCount: Int) { used.withLock { $0 -= byteCount } }
}
