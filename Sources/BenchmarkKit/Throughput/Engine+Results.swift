internal import Inference

extension Engine {
    /// Runs requests together and waits for all. Results come in the order in which the requests end.
    /// - Throws: `InferenceError`, `BackendError`.
    func results(of requests: [GenerationRequest]) async throws -> [GenerationResult] {
        try await withThrowingTaskGroup(of: GenerationResult?.self) { group in
            for request in requests {
                let stream = try generate(request)
                group.addTask {
                    var result: GenerationResult?
                    for try await update in stream { result = update.result ?? result }
                    return result
                }
            }
            var results: [GenerationResult] = []
            for try await result in group { if let result { results.append(result) } }
            guard results.count == requests.count else {
                throw InferenceError.engineStopped(reason: "a stream ended without a result")
            }
            return results
        }
    }
}
