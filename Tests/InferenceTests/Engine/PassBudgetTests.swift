import Inference
import Testing

@Suite("Pass budget")
struct PassBudgetTests {
    /// A device that takes 5 ms and 1 ms a decoding sequence, and 2 ms a token of a prompt.
    private func seconds(_ decodeCount: Int, _ prefillCount: Int) -> Double {
        0.005 + 0.001 * Double(decodeCount) + 0.002 * Double(prefillCount)
    }

    @Test("prompts alone may fill a pass")
    func alone() {
        #expect(PassBudget(targetSeconds: 0.1).prefillTokenCount(decodeCount: 0) == .max)
    }

    @Test("beside streams a pass comes to take at most twice as long, whatever the device")
    func learnt() {
        var budget = PassBudget(targetSeconds: 0.1, leastSeconds: 0.02, stretch: 2, leastTokenCount: 1)
        for _ in 0..<20 { budget.record(decodeCount: 20, prefillTokenCount: 0, seconds: seconds(20, 0)) }
        for _ in 0..<50 {
            let count = budget.prefillTokenCount(decodeCount: 20)
            budget.record(decodeCount: 20, prefillTokenCount: count, seconds: seconds(20, count))
        }
        let count = budget.prefillTokenCount(decodeCount: 20)
        #expect((11...13).contains(count))
        // Fewer streams decode faster, and get what is due to them once they were seen.
        for _ in 0..<50 { budget.record(decodeCount: 1, prefillTokenCount: 0, seconds: seconds(1, 0)) }
        #expect((6...8).contains(budget.prefillTokenCount(decodeCount: 1)))
    }

    @Test("where decoding alone takes the target, prompts still advance")
    func slow() {
        var budget = PassBudget(targetSeconds: 0.1, leastTokenCount: 16)
        budget.record(decodeCount: 8, prefillTokenCount: 0, seconds: 0.5)
        budget.record(decodeCount: 0, prefillTokenCount: 100, seconds: 10)
        #expect(budget.prefillTokenCount(decodeCount: 8) == 16)
    }
}
