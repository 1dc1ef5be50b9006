import TensorCore
import Testing

private final class HostBuffer: DeviceBuffer {
    let byteCount: Int
    init(byteCount: Int) { self.byteCount = byteCount }
}

@Suite("tensor views")
struct TensorTests {
    private let buffer = HostBuffer(byteCount: 4096)

    @Test("packed rows")
    func packed() {
        let tensor = Tensor(buffer: buffer, byteOffset: 8, dtype: .float32, shape: [3, 2, 5])
        #expect(tensor.rows == 3)
        #expect(tensor.columns == 10)
        #expect(tensor.rowStride == 10)
        #expect(tensor.isContiguous)
        #expect(tensor.byteCount == 120)
    }

    @Test("a scalar and an empty tensor")
    func degenerate() {
        let scalar = Tensor(buffer: buffer, dtype: .float32, shape: [])
        #expect(scalar.rows == 1 && scalar.columns == 1 && scalar.byteCount == 4)
        let empty = Tensor(buffer: HostBuffer(byteCount: 0), dtype: .float32, shape: [0, 7])
        #expect(empty.rows == 0 && empty.byteCount == 0)
    }

    @Test("rows and columns of strided rows")
    func strided() {
        let tensor = Tensor(buffer: buffer, dtype: .float16, shape: [4, 6], rowStride: 10)
        #expect(!tensor.isContiguous)
        #expect(tensor.byteCount == 48)
        let rows = tensor.rows(1..<3)
        #expect(rows.byteOffset == 20 && rows.shape == [2, 6] && rows.rowStride == 10)
        let columns = rows.columns(2..<5)
        #expect(columns.byteOffset == 24 && columns.shape == [2, 3] && columns.rowStride == 10)
        #expect(tensor.rows(3..<4).isContiguous)
        #expect(tensor.rows(4..<4).rows == 0)
    }

    @Test("the last row needs no gap behind it")
    func lastRow() {
        let exact = HostBuffer(byteCount: (3 * 10 + 6) * 4)
        let tensor = Tensor(buffer: exact, dtype: .float32, shape: [4, 6], rowStride: 10)
        #expect(tensor.rows == 4)
    }

    @Test("reshaping keeps rows or needs packed ones")
    func reshaped() {
        let packed = Tensor(buffer: buffer, dtype: .float32, shape: [4, 6])
        #expect(packed.reshaped([8, 3]).rowStride == 3)
        #expect(packed.reshaped([4, 2, 3]).rowStride == 6)
        let strided = Tensor(buffer: buffer, dtype: .float32, shape: [4, 6], rowStride: 9)
        let heads = strided.reshaped([4, 3, 2])
        #expect(heads.rowStride == 9 && heads.columns == 6 && heads.byteOffset == strided.byteOffset)
    }
}
