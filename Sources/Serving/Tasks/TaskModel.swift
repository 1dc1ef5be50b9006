internal import Dispatch
package import Inference
package import Tokenization

/// A model that answers about texts instead of continuing them.
package struct TaskModel: Sendable {
    package enum Task: Sendable {
        case embedder(Embedder)
        case reranker(Reranker)
        case classifier(Classifier)

        var summary: String {
            switch self {
            case .embedder: "makes vectors of texts"
            case .reranker: "ranks documents"
            case .classifier: "classifies texts"
            }
        }
    }

    package let name: String
    package let aliases: [String]
    package let task: Task
    /// Unix time at which it was loaded.
    package let created: Int
    let tokenizer: Tokenizer?
    private let worker = TaskWorker()

    package init(name: String, aliases: [String] = [], task: Task, tokenizer: Tokenizer?, created: Int) {
        self.name = name
        self.aliases = aliases
        self.task = task
        self.tokenizer = tokenizer
        self.created = created
    }

    var names: [String] { [name] + aliases }

    /// Runs a task's texts on the model's own thread.
    func run<Work: TextTask>(_ task: Work, _ inputs: [Work.Input]) async throws -> [Work.Output] {
        try Swift.Task.checkCancellation()
        return try await worker.run(task, inputs)
    }

    var vocabularySize: Int { tokenizer?.vocabularySize ?? 0 }
}

/// Lets one request at a time through. The work runs on a queue of its own, so that no thread of Swift's pool waits for
/// the device.
private actor TaskWorker {
    private let executor = TaskExecutor()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    func run<Work: TextTask>(_ task: Work, _ inputs: [Work.Input]) throws -> [Work.Output] {
        try Swift.Task.checkCancellation()
        return try task.run(inputs)
    }
}

private final class TaskExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "infer.task")

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        queue.async { unowned.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
