import ModelIO
import TensorCore

extension RopeConfiguration {
    /// The table for `RopeArguments`, `[positions, 2, rotarySize / 2]` on the device.
    func table(positions: Int, on backend: any Backend) throws -> Tensor {
        try backend.makeTensor(table(positions: positions), [positions, 2, rotarySize / 2])
    }
}
