extension Reference {
    /// Row `ids[t]` of the table, added to `initial` where it is given.
    public static func embed(_ ids: [Int32], _ table: Matrix, addingTo initial: Matrix? = nil) -> Matrix {
        let picked = gatherRows(table, rows: ids)
        return initial.map { $0 + picked } ?? picked
    }

    public static func gatherRows(_ x: Matrix, rows: [Int32]) -> Matrix {
        Matrix(rows: rows.count, columns: x.columns, values: rows.flatMap { x.row(Int($0)) })
    }
}
