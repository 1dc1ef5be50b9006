import TensorCore
import Testing

@Suite("shapes and types")
struct ShapeTests {
    @Test("element counts", arguments: [([], 1), ([3], 3), ([2, 3, 4], 24), ([0, 5], 0), ([1 << 40, 0], 0)])
    func elementCount(_ extents: [Int], _ count: Int) {
        #expect(Shape(extents).elementCount == count)
        #expect(Shape(extents).rank == extents.count)
    }

    @Test(
        "untrusted extents that cannot be", arguments: [[-1], [2, -3], [Int.max, 2], [1 << 32, 1 << 32], [0, -1]])
    func refuses(_ extents: [Int]) {
        #expect(Shape(checking: extents) == nil)
    }

    @Test("description")
    func description() {
        #expect("\(Shape([2, 3]))" == "[2, 3]")
        #expect("\(Shape([]))" == "[]")
    }

    @Test("bytes of the element types")
    func byteCounts() {
        #expect(DType.allCases.map(\.byteCount) == [8, 4, 2, 2, 8, 4, 2, 1, 1, 1])
    }

    @Test("bytes of a weight's row")
    func rowByteCounts() {
        #expect(WeightFormat.float32.rowByteCount(columns: 3) == 12)
        #expect(WeightFormat.bfloat16.rowByteCount(columns: 3) == 6)
        #expect(WeightFormat.float16.rowByteCount(columns: 0) == 0)
        #expect(WeightFormat.int8.rowByteCount(columns: 5) == 5)
        #expect(WeightFormat.q8_0.rowByteCount(columns: 64) == 68)
        #expect(WeightFormat.q8_0.rowByteCount(columns: 33) == nil)
        #expect(WeightFormat.float32.rowByteCount(columns: -1) == nil)
        #expect(WeightFormat.float32.rowByteCount(columns: .max) == nil)
    }
}
