internal import COpenCL
internal import TensorCore

/// Device memory, or host memory that the device reads where it lies.
package final class OpenCLBuffer: DeviceBuffer, @unchecked Sendable {
    // SAFETY: immutable after `init` but for the address, which the backend's one user sets; the OpenCL handle may be
    // used by any thread.
    package let byteCount: Int
    let handle: OpaquePointer
    /// Where the memory lies on a CPU device, once a chain has asked.
    var deviceAddress: UInt64?
    private let queue: CommandQueue
    private let budget: MemoryBudget
    private let owner: (any HostMemory)?

    /// Uninitialised device memory.
    init(byteCount: Int, queue: CommandQueue, budget: MemoryBudget) throws {
        precondition(byteCount >= 0, "negative byte count")
        let allocated = max(byteCount, 1)
        try budget.take(allocated)
        do {
            handle = try checkedObject("clCreateBuffer", device: queue.device.name, requestedByteCount: allocated) {
                ocl_create_buffer(queue.context, OCL_MEM_READ_WRITE, allocated, nil, $0)
            }
        } catch {
            budget.give(allocated)
            throw error
        }
        self.byteCount = byteCount
        self.queue = queue
        self.budget = budget
        owner = nil
    }

    /// Host memory, read where it lies. `region` starts at a multiple of a page, which drivers need not to copy it.
    init(
        readingInPlace region: UnsafeRawBufferPointer, owner: any HostMemory, queue: CommandQueue, budget: MemoryBudget
    )
        throws
    {
        let flags = OCL_MEM_READ_ONLY | OCL_MEM_USE_HOST_PTR
        handle = try checkedObject("clCreateBuffer", device: queue.device.name, requestedByteCount: region.count) {
            ocl_create_buffer(
                queue.context, flags, region.count, UnsafeMutableRawPointer(mutating: region.baseAddress), $0)
        }
        byteCount = region.count
        self.queue = queue
        self.budget = budget
        self.owner = owner
    }

    deinit {
        // Kernels in flight may still read the owner's memory, so wait for them. OpenCL keeps memory of its own alive
        // by itself.
        if owner != nil { try? queue.finish() }
        _ = ocl_release_mem_object(handle)
        if owner == nil { budget.give(max(byteCount, 1)) }
    }
}
