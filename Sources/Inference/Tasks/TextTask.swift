/// A model's task over texts: many at a time, each by itself.
public protocol TextTask: Sendable {
    associatedtype Input: Sendable
    associatedtype Output: Sendable

    /// The answers for some inputs, in their order. They are sorted by length and share passes. Blocks.
    func run(_ inputs: [Input]) throws -> [Output]
}

extension TextTask {
    /// The answers for inputs that come one after another, in their order. Holds `batchSize` inputs and their answers at
    /// a time; the device's work blocks none of Swift's threads.
    public func results<Inputs: AsyncSequence>(
        for inputs: Inputs, batchSize: Int = 256
    ) -> TextTaskResults<Self, Inputs> where Inputs.Element == Input {
        TextTaskResults(task: self, inputs: inputs, batchSize: max(batchSize, 1))
    }
}

/// The answers of a task for a sequence of inputs.
public struct TextTaskResults<Task: TextTask, Inputs: AsyncSequence>: AsyncSequence
where Inputs.Element == Task.Input {
    public typealias Element = Task.Output

    let task: Task
    let inputs: Inputs
    let batchSize: Int

    public struct AsyncIterator: AsyncIteratorProtocol {
        let task: Task
        let worker = DeviceWorker()
        var inputs: Inputs.AsyncIterator
        let batchSize: Int
        private var ready: [Task.Output] = []
        private var position = 0

        init(task: Task, inputs: Inputs.AsyncIterator, batchSize: Int) {
            self.task = task
            self.inputs = inputs
            self.batchSize = batchSize
        }

        public mutating func next() async throws -> Task.Output? {
            if position == ready.count {
                var batch: [Task.Input] = []
                while batch.count < batchSize, let input = try await inputs.next() { batch.append(input) }
                guard !batch.isEmpty else { return nil }
                ready = try await worker.run(task, batch)
                position = 0
            }
            defer { position += 1 }
            return ready[position]
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(task: task, inputs: inputs.makeAsyncIterator(), batchSize: batchSize)
    }
}

/// Runs what waits for a device on a thread of its own.
actor DeviceWorker {
    private let executor = DeviceExecutor()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    func run<Task: TextTask>(_ task: Task, _ inputs: [Task.Input]) throws -> [Task.Output] {
        try task.run(inputs)
    }
}
