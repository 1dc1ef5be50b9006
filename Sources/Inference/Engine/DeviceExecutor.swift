import Dispatch

/// Runs the engine's jobs one after another on a queue of its own, so that a step that waits for the device blocks no
/// thread of Swift's cooperative pool.
final class DeviceExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "infer.engine", qos: .userInitiated)

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        queue.async { unowned.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
