internal import Glibc
import ModelIO
import TensorCore

extension StoredTensor {
    /// One row of a matrix, where it lies.
    func row(_ index: Int) -> StoredTensor {
        let byteCount = bytes.byteCount / shape[0]
        let part = bytes.pointer[index * byteCount..<(index + 1) * byteCount]
        return StoredTensor(
            name: name, type: type, shape: [shape[1]],
            bytes: HostBytes(owner: bytes.owner, pointer: UnsafeRawBufferPointer(rebasing: part)), path: path)
    }
}

func exponential(_ x: Double) -> Double { exp(x) }
