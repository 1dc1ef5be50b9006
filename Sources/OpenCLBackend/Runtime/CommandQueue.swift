internal import COpenCL
internal import Synchronization
package import TensorCore

/// A context with one in-order queue on one device.
package final class CommandQueue: @unchecked Sendable {
    // SAFETY: handles are only replaced by the backend's one user (`setProfiling`); OpenCL calls on them are thread-safe.
    let device: OpenCLDevice
    let context: OpaquePointer
    private(set) var handle: OpaquePointer
    private(set) var isProfiling = false
    private let notifications: DriverNotifications

    init(device: OpenCLDevice) throws {
        self.device = device
        let notifications = DriverNotifications()
        self.notifications = notifications
        let context = try checkedObject("clCreateContext", device: device.name) {
            ocl_create_context(
                device.platformHandle, device.handle, DriverNotifications.receive,
                Unmanaged.passUnretained(notifications).toOpaque(), $0)
        }
        self.context = context
        do {
            handle = try checkedObject("clCreateCommandQueue", device: device.name) {
                ocl_create_command_queue(context, device.handle, 0, $0)
            }
        } catch {
            _ = ocl_release_context(context)
            throw error
        }
    }

    deinit {
        try? finish()
        _ = ocl_release_command_queue(handle)
        _ = ocl_release_context(context)
    }

    /// Waits for everything that was enqueued. The only caller of `clFinish`.
    func finish() throws {
        var marker: OpaquePointer?
        try check(ocl_enqueue_marker(handle, &marker), "clEnqueueMarkerWithWaitList", device: device.name)
        defer { if let marker { _ = ocl_release_event(marker) } }
        let finishCode = ocl_finish(handle)
        var status = OCL_SUCCESS
        if let marker {
            let size = MemoryLayout<Int32>.size
            let code = ocl_get_event_info(marker, OCL_EVENT_COMMAND_EXECUTION_STATUS, size, &status, nil)
            if code != OCL_SUCCESS { status = code }
        }
        let failure = CommandQueue.failure(
            finishCode: finishCode, markerStatus: status, notification: notifications.takeLast())
        if let failure { throw failure }
    }

    /// The error of the enqueued work, or `nil`. Drivers report it through `clFinish`, or only through the status of
    /// the marker that waited for the failed command; their message to the context says more.
    package static func failure(finishCode: Int32, markerStatus: Int32, notification: String?) -> BackendError? {
        let code = finishCode != OCL_SUCCESS ? finishCode : min(markerStatus, OCL_SUCCESS)
        guard code != OCL_SUCCESS else { return nil }
        let detail = notification.map { ": \($0)" } ?? ""
        return .deviceFailure(op: "enqueued work", code: Int(code), name: clErrorName(code) + detail)
    }

    /// Hands what is enqueued to the device without waiting.
    func flush() throws { try check(ocl_flush(handle), "clFlush") }

    /// Replaces the queue by one that times its commands, or that does not. Waits for the old one.
    func setProfiling(_ enabled: Bool) throws {
        guard enabled != isProfiling, device.canProfile else { return }
        try finish()
        let properties = enabled ? OCL_QUEUE_PROFILING_ENABLE : 0
        let replacement = try checkedObject("clCreateCommandQueue", device: device.name) {
            ocl_create_command_queue(context, device.handle, properties, $0)
        }
        _ = ocl_release_command_queue(handle)
        handle = replacement
        isProfiling = enabled
    }
}

/// The last message of the driver to the context's callback, which comes from a thread of its own.
private final class DriverNotifications: Sendable {
    private let last = Mutex<String?>(nil)

    static let receive: ocl_context_notify = { message, _, _, box in
        guard let message, let box else { return }
        let text = String(cString: message).split(whereSeparator: \.isNewline).joined(separator: " | ")
        Unmanaged<DriverNotifications>.fromOpaque(box).takeUnretainedValue().last.withLock { $0 = text }
    }

    func takeLast() -> String? {
        last.withLock { text in
            defer { text = nil }
            return text
        }
    }
}
