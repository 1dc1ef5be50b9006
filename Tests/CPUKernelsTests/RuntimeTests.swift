import CPUBackend
import CPUKernelsProbe
import TestSupport
import Testing

@Suite("partition, threads and scratch")
struct RuntimeTests {
    @Test("a product is cut into tasks that compute each output once", arguments: 1...9)
    func partition(_ threads: Int) {
        for outputs in [1, 63, 64, 65, 200, 1000] {
            for (panels, panelTokens, packing) in [(1, 16, 4), (3, 16, 4), (40, 16, 4), (130, 1, 24), (1300, 1, 24)] {
                var counts = [Int32](repeating: 0, count: outputs * panels)
                let tasks = probe_partition(
                    Int64(outputs), Int64(panels), Int64(panelTokens), Int64(packing), Int64(threads), &counts)
                let name = "\(outputs) outputs, \(panels) panels of \(panelTokens), \(threads) threads"
                #expect(counts.allSatisfy { $0 == 1 }, "\(name)")
                // One that ends a product is cut only where threads would wait for it.
                #expect(tasks >= (outputs + 63) / 64 && tasks <= (outputs + 63) / 64 * 4 + threads * threads, "\(name)")
            }
        }
    }

    @Test("rows are cut into ranges that follow on each other")
    func rows() {
        for threads in [1, 2, 7] {
            for count in [1, 2, 5, 64, 1001] {
                for bytes in [1, 100, 1 << 20] {
                    var isWhole = false
                    let tasks = probe_row_tasks(Int64(threads), Int64(count), Int64(bytes), &isWhole)
                    #expect(isWhole && tasks >= 1 && tasks <= min(count, 4 * threads), "\(count) rows of \(bytes)")
                    // What takes a few microseconds is not shared.
                    #expect(count * bytes > 24 * 1024 || tasks == 1, "\(count) rows of \(bytes)")
                }
            }
        }
    }

    @Test("the sequence of a task is the last that begins before it")
    func sequences() {
        // The second and the last two have no task.
        let first: [Int64] = [0, 3, 3, 10, 11, 11, 11]
        for task in 0..<11 {
            let expected = first.indices.last { first[$0] <= task && $0 < 6 } ?? 0
            #expect(probe_sequence(first, 6, Int64(task)) == Int64(expected), "task \(task)")
        }
    }

    @Test("every task of a job runs once, job after job", arguments: [1, 2, 3, 8], [0, 1, 2, 5, 1000])
    func pool(_ threads: Int, _ count: Int) {
        var runs = [Int32](repeating: 0, count: max(count, 1))
        #expect(probe_pool(Int32(threads), 50, Int64(count), &runs))
        #expect(runs.prefix(count).allSatisfy { $0 == 50 })
    }

    @Test("memory that cannot be had leaves what there was", arguments: [Int64.max, Int64.max / 64, 1 << 56, -1])
    func scratch(_ bytes: Int64) {
        #expect(probe_refuses_scratch(bytes))
    }

    /// What a kernel needs on a thread, such as tile registers, is set up around its work and nothing else.
    @Test("hooks of a kernel enclose its calls", arguments: RunningSet.ofFloats, [1, 3])
    func hooks(_ running: RunningSet, _ threads: Int) {
        let tokens = 200, outputs = 300, columns = 40
        var random = SplitMix64(name: "hooks")
        let weight = random.floats(outputs * columns), x = random.floats(tokens * columns)
        var y = [Float](repeating: .nan, count: tokens * outputs)
        let hooks = probe_hooks_of_product(
            running.number, Int32(threads), weight, x, Int64(tokens), Int64(outputs), Int64(columns), &y)
        #expect(hooks.begins >= 5 && hooks.begins == hooks.ends && hooks.outside == 0, "\(hooks)")
        let last = (0..<columns).reduce(0.0) {
            $0 + Double(weight[(outputs - 1) * columns + $1]) * Double(x[(tokens - 1) * columns + $1])
        }
        #expect(abs(Double(y[tokens * outputs - 1]) - last) < 1e-4)
    }
}
