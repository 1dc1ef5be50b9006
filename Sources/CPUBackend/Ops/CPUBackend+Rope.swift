internal import CPUKernels
public import TensorCore

extension RopeArguments {
    var kernelArguments: cpuk_rope_args {
        cpuk_rope_args(
            table: table.floats, table_rows: Int64(table.rows), positions: positions.int32s,
            rotary_size: Int64(rotarySize), interleaved: layout == .interleaved)
    }
}

extension CPUBackend {
    public func rope(_ x: Tensor, headSize: Int, _ arguments: RopeArguments) throws {
        try ArgumentChecks(op: "rope").rope(x, headSize: headSize, arguments)
        var kernelArguments = arguments.kernelArguments
        let bad = launch(
            "rope_f32", byteCount: 2 * x.byteCount, flopCount: 3 * x.shape.elementCount, isAccepted: { $0 < 0 }
        ) {
            cpuk_rope(
                context, x.floatRows, Int64(x.rows), Int64(x.columns / headSize), Int64(headSize), &kernelArguments)
        }
        guard bad < 0 else {
            throw BackendError.invalidArgument(
                op: "rope", reason: "the position of token \(bad) is not in 0..<\(arguments.table.rows)")
        }
    }
}
