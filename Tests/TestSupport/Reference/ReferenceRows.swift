extension Reference {
    /// `scale` times row `ids[t]` of the table, added to `initial` where it is given.
    public static func embed(
        _ ids: [Int32], _ table: Matrix, scale: Float = 1, addingTo initial: Matrix? = nil
    ) -> Matrix {
        var picked = gatherRows(table, rows: ids)
        picked.values = picked.values.map { $0 * Double(scale) }
        return initial.map { $0 + picked } ?? picked
    }

    public static func gatherRows(_ x: Matrix, rows: [Int32]) -> Matrix {
        Matrix(rows: rows.count, columns: x.columns, values: rows.flatMap { x.row(Int($0)) })
    }
}
