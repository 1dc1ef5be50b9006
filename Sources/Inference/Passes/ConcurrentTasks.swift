internal import Dispatch
internal import Synchronization

/// Work on the host that several threads share.
package enum ConcurrentTasks {
    private struct State<Result: Sendable> {
        var next = 0
        var results: [Result?]
        var failure: (place: Int, error: any Error)?
    }

    /// What `body` makes of each element, in their order; each worker takes the next element when it is done with one.
    /// Blocks.
    /// - Parameter body: takes the number of the worker, `0..<workerCount`, which no two calls have at once.
    /// - Throws: what `body` threw for the first element that it threw for; those behind that were not begun are left out.
    package static func map<Elements: RandomAccessCollection & Sendable, Result: Sendable>(
        _ elements: Elements, on workerCount: Int, _ body: @Sendable (Int, Elements.Element) throws -> Result
    ) throws -> [Result] {
        guard workerCount > 1, elements.count > 1 else { return try elements.map { try body(0, $0) } }
        let state = Mutex(State<Result>(results: [Result?](repeating: nil, count: elements.count)))
        DispatchQueue.concurrentPerform(iterations: workerCount) { worker in
            while let place = take(state) {
                do {
                    let result = try body(worker, elements[elements.index(elements.startIndex, offsetBy: place)])
                    state.withLock { $0.results[place] = result }
                } catch {
                    state.withLock { if place < $0.failure?.place ?? .max { $0.failure = (place, error) } }
                }
            }
        }
        return try state.withLock {
            if let failure = $0.failure { throw failure.error }
            return $0.results.compactMap { $0 }
        }
    }

    private static func take<Result: Sendable>(_ state: borrowing Mutex<State<Result>>) -> Int? {
        state.withLock {
            guard $0.failure == nil, $0.next < $0.results.count else { return nil }
            $0.next += 1
            return $0.next - 1
        }
    }
}
