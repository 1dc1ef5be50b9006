extension Reference {
    /// Whether column `a` of a row comes before column `b`: larger first, lower column on a tie, NaNs last.
    private static func precedes(_ row: ArraySlice<Float>, _ a: Int, _ b: Int) -> Bool {
        let (left, right) = (row[row.startIndex + a], row[row.startIndex + b])
        if left.isNaN || right.isNaN { return left.isNaN == right.isNaN ? a < b : right.isNaN }
        return left == right ? a < b : left > right
    }

    /// The columns of the `count` largest elements of one row, in the order that `SelectionOps` says.
    public static func topColumns(_ row: ArraySlice<Float>, count: Int) -> [Int32] {
        Array((0..<row.count).sorted { precedes(row, $0, $1) }.prefix(count).map(Int32.init))
    }

    public static func argmax(_ row: ArraySlice<Float>) -> Int32 {
        Int32((0..<row.count).min { precedes(row, $0, $1) } ?? 0)
    }
}
