import Dispatch

/// Runs searches on threads of their own: they block while they read files and wait for a device, and none of Swift's own
/// threads, which answer everybody else, shall wait with them.
final class SearchThreads: TaskExecutor {
    private let queue = DispatchQueue(label: "infer.search", attributes: .concurrent)

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        queue.async { unowned.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }

    func run(_ body: @escaping @Sendable () -> Void) { queue.async(execute: body) }
}
