internal import CPUKernels
public import TensorCore

extension CPUBackend {
    public func embed(
        _ ids: Tensor, _ table: any Weight, scale: Float, accumulate: Bool, into output: Tensor
    ) throws {
        let table = Check.weight(table)
        let count = ids.shape.elementCount
        try ArgumentChecks(op: "embed").embed(ids, table, scale: scale, output: output)
        guard table.prepareLookups() else {
            throw BackendError.unsupported(
                op: "embed", reason: "\(table.name) was packed for products, and its rows were not kept")
        }
        let bad = launch("embed_\(table.format)", byteCount: 2 * output.byteCount, isAccepted: { $0 < 0 }) {
            cpuk_embed(context, ids.int32s, Int64(count), table.kernelWeight, scale, accumulate, output.floatRows)
        }
        guard bad < 0 else {
            throw BackendError.invalidArgument(
                op: "embed", reason: "id \(ids.int32s[Int(bad)]) of token \(bad) is not in 0..<\(table.rows)")
        }
    }

    public func gatherRows(_ x: Tensor, rows: Tensor, into output: Tensor) throws {
        let count = rows.shape.elementCount
        try ArgumentChecks(op: "gatherRows").gatherRows(x, rows: rows, output: output)
        let bad = launch("gather_rows_f32", byteCount: 2 * output.byteCount, isAccepted: { $0 < 0 }) {
            cpuk_gather_rows(
                context, x.floatRows, Int64(x.rows), Int64(x.columns), rows.int32s, Int64(count), output.floatRows)
        }
        guard bad < 0 else {
            throw BackendError.invalidArgument(
                op: "gatherRows", reason: "row \(rows.int32s[Int(bad)]) is not in 0..<\(x.rows)")
        }
    }
}
