internal import COpenCL
public import TensorCore

/// Host memory that small writes are copied to, so that they need not wait for the queue.
final class StagingArea {
    static let byteCount = 1 << 20
    private static let alignment = 64
    private let memory = HostAllocation(byteCount: StagingArea.byteCount)
    private var used = 0

    /// A place for `byteCount` bytes, valid until `reset()`; `nil` where there is no room.
    func place(byteCount: Int) -> UnsafeMutableRawBufferPointer? {
        guard byteCount <= StagingArea.byteCount - used else { return nil }
        let start = used
        used += (byteCount + StagingArea.alignment - 1) / StagingArea.alignment * StagingArea.alignment
        return UnsafeMutableRawBufferPointer(rebasing: memory.pointer[start..<start + byteCount])
    }

    /// Frees all places, once everything enqueued has finished.
    func reset() { used = 0 }
}

extension OpenCLBackend {
    public func write(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) throws {
        guard tensor.isContiguous, bytes.count == tensor.byteCount else {
            throw BackendError.invalidArgument(
                op: "write", reason: "\(bytes.count) bytes for a tensor \(tensor.shape) of \(tensor.byteCount) bytes")
        }
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        try runChain()
        var place = staging.place(byteCount: bytes.count)
        if place == nil, bytes.count <= StagingArea.byteCount {
            try finish()
            place = staging.place(byteCount: bytes.count)
        }
        place?.copyMemory(from: bytes)
        let code = ocl_enqueue_write_buffer(
            queue.handle, tensor.openCLBuffer.handle, place == nil, tensor.byteOffset, bytes.count,
            place.map { UnsafeRawPointer($0.baseAddress) } ?? source)
        try check(code, "clEnqueueWriteBuffer", device: device.name)
        counts.bytesWritten += bytes.count
    }

    /// Waits for everything enqueued, after which the staging area is free. Only `clFinish` proves that: Intel's runtime
    /// returns from a blocking transfer before earlier writes to other buffers have read their source.
    func finish() throws {
        try runChain()
        try queue.finish()
        staging.reset()
        chain.inFlight.removeAll(keepingCapacity: true)
    }

    public func read(_ transfers: [HostTransfer]) throws {
        for transfer in transfers where transfer.bytes.count != transfer.tensor.byteCount {
            throw BackendError.invalidArgument(
                op: "read",
                reason: "\(transfer.bytes.count) bytes for a tensor \(transfer.tensor.shape) of "
                    + "\(transfer.tensor.byteCount) bytes")
        }
        counts.synchronizations += 1
        do {
            try runChain()
            for transfer in transfers { try enqueue(transfer) }
        } catch {
            // The enqueued read still writes to the caller's memory.
            try? finish()
            throw error
        }
        try finish()
    }

    private func enqueue(_ transfer: HostTransfer) throws {
        let (tensor, bytes) = (transfer.tensor, transfer.bytes)
        counts.bytesRead += bytes.count
        guard let destination = bytes.baseAddress, bytes.count > 0 else { return }
        let rowCount = tensor.isContiguous ? 1 : tensor.rows
        let rowByteCount = bytes.count / rowCount
        for row in 0..<rowCount {
            let code = ocl_enqueue_read_buffer(
                queue.handle, tensor.openCLBuffer.handle, false,
                tensor.byteOffset + row * tensor.rowStride * tensor.dtype.byteCount, rowByteCount,
                destination + row * rowByteCount)
            try check(code, "clEnqueueReadBuffer", device: device.name)
        }
    }
}
