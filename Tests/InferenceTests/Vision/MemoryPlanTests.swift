import Models
import Testing

@Suite("memory of networks of images")
struct MemoryPlanTests {
    /// A map that step 0 writes and step 1 reads last, unless `isWantedLater`, beside the one that step 1 writes.
    private func offsets(
        isWantedLater: Bool = false, floats: Int = 1000, quantised: Set<Int> = []
    ) -> (map: Int, sum: Int, byteCount: Int) {
        var plan = MemoryPlan()
        let map = plan.add(floats: 1000, step: 0)
        let sum = plan.add(floats: floats, step: 1)
        plan.use(map, step: isWantedLater ? 2 : 1)
        plan.use(sum, step: 3)
        plan.replace(map, by: sum)
        let byteCount = plan.place(quantised: quantised)
        return (plan.byteOffsets[map], plan.byteOffsets[sum], byteCount)
    }

    @Test("a result takes the place of a map that nothing else wants")
    func replaces() {
        let placed = offsets()
        #expect(placed.map == placed.sum && placed.byteCount < 2 * 4000)
        let both = offsets(quantised: [0, 1])
        #expect(both.map == both.sum)
    }

    @Test("not of one that is wanted later, is smaller, or holds other numbers")
    func keeps() {
        for placed in [offsets(isWantedLater: true), offsets(floats: 2000), offsets(quantised: [0])] {
            #expect(placed.map != placed.sum && placed.byteCount >= 2 * 4000)
        }
    }

    @Test("what follows does not overlap a result in another's place")
    func others() {
        var plan = MemoryPlan()
        let map = plan.add(floats: 1000, step: 0)
        let sum = plan.add(floats: 1000, step: 1)
        plan.use(map, step: 1)
        plan.replace(map, by: sum)
        let next = plan.add(floats: 500, step: 2)
        plan.use(sum, step: 3)
        _ = plan.place(quantised: [])
        #expect(abs(plan.byteOffsets[next] - plan.byteOffsets[sum]) >= 4000)
    }
}
