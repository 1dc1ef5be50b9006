internal import COpenCL
internal import Synchronization
internal import TensorCore

/// A context with one in-order queue on one device.
final class CommandQueue: @unchecked Sendable {
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
    ///
    /// A kernel that failed fails the marker behind it, which `clFinish` alone does not tell on every driver.
    func finish() throws {
        var marker: OpaquePointer?
        try check(ocl_enqueue_marker(handle, nil, &marker), "clEnqueueMarkerWithWaitList")
        defer { if let marker { _ = ocl_release_event(marker) } }
        try check(ocl_finish(handle), "clFinish")
        guard let marker else { return }
        var status: Int32 = 0
        try check(
            ocl_get_event_info(
                marker, OCL_EVENT_COMMAND_EXECUTION_STATUS, MemoryLayout<Int32>.size, &status, nil),
            "clGetEventInfo")
        guard status < 0 else { return }
        let detail = notifications.takeLast().map { ": \($0)" } ?? ""
        throw BackendError.deviceFailure(
            op: "an enqueued kernel", code: Int(status), name: clErrorName(status) + detail)
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

    /// Enqueues a command that fails, so that tests can see what `finish` makes of it.
    func enqueueFailure() throws {
        let event = try checkedObject("clCreateUserEvent") { ocl_create_user_event(context, $0) }
        defer { _ = ocl_release_event(event) }
        try check(ocl_enqueue_marker(handle, event, nil), "clEnqueueMarkerWithWaitList")
        try check(ocl_set_user_event_status(event, OCL_OUT_OF_RESOURCES), "clSetUserEventStatus")
    }
}

/// What the driver told through the context's callback, from a thread of its own.
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
