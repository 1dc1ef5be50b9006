package import CommandSupport
import Inference
package import TensorCore

/// Times one op on a device: warm-up, runs of calls that end with `synchronize()`, one sample a run.
package struct OpTiming: Sendable {
    /// Seconds that the runs of one case may take in all; five are made in any case.
    package var budgetSeconds: Double
    /// A run is at least this long, so that the clock and the barrier weigh little.
    package var runSeconds: Double

    package init(budgetSeconds: Double = 0.1, runSeconds: Double = 0.002) {
        self.budgetSeconds = budgetSeconds
        self.runSeconds = runSeconds
    }

    private static let leastRuns = 5
    private static let mostRuns = 200
    private static let mostCallsOfARun = 256

    /// Seconds of one call. Blocks.
    /// - Parameter call: enqueues the op on the operands of a number that counts up, so that operands can rotate.
    package func measure(on backend: any Backend, _ call: (Int) throws -> Void) throws -> SampleStatistics {
        var index = 0
        func run(_ count: Int) throws -> Double {
            let start = ContinuousClock.now
            for _ in 0..<count {
                try call(index)
                index += 1
            }
            try backend.synchronize()
            return (ContinuousClock.now - start).seconds
        }
        // Compiles kernels and brings clocks and caches to where they stay.
        _ = try run(2)
        let estimate = max(try run(1), 1e-9)
        let count = min(max(Int(runSeconds / estimate), 1), OpTiming.mostCallsOfARun)
        var samples: [Double] = []
        let start = ContinuousClock.now
        while samples.count < OpTiming.leastRuns
            || (samples.count < OpTiming.mostRuns && (ContinuousClock.now - start).seconds < budgetSeconds)
        {
            samples.append(try run(count) / Double(count))
        }
        return SampleStatistics(samples)
    }
}
