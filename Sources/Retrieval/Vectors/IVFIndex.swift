package import TensorCore

/// Approximate search by an inverted file: vectors are listed under the nearest of some centres, and a query searches
/// the lists of its nearest centres. (Jégou et al., 2011)
package struct IVFIndex: Sendable {
    package let table: VectorTable
    package let centers: [[Float]]
    /// Places in the table, ascending; one list for each centre.
    package let lists: [[UInt32]]

    /// Blocks.
    /// - Parameter listCount: `nil`: the root of the number of vectors, times two.
    package init(_ table: VectorTable, listCount: Int? = nil, on backend: any Backend) throws {
        let count = listCount ?? max(Int(2 * Double(table.count).squareRoot()), 1)
        let means = try KMeans(table, count: min(max(count, 1), table.count), on: backend)
        var lists = [[UInt32]](repeating: [], count: means.centers.count)
        for (index, place) in means.assignment.enumerated() { lists[place].append(UInt32(index)) }
        self.init(table, centers: means.centers, lists: lists)
    }

    init(_ table: VectorTable, centers: [[Float]], lists: [[UInt32]]) {
        self.table = table
        self.centers = centers
        self.lists = lists
    }

    /// - Parameters:
    ///   - probeCount: lists to look at; with a filter more, until enough chunks were seen that it lets through.
    ///   - allowed: chunks that may be found; `nil`: all.
    package func search(
        _ query: [Float], count: Int, probeCount: Int, allowed: Set<Int64>? = nil
    ) -> [Hit] {
        precondition(query.count == table.dimensionCount, "a vector of \(query.count) for \(table.dimensionCount)")
        let order = nearestCenters(query)
        var best = TopHits(count: count, keepsAll: true)
        var seen = 0
        query.withUnsafeBufferPointer { buffer in
            guard let vector = buffer.baseAddress else { return }
            for (rank, place) in order.enumerated() where rank < probeCount || seen < count {
                for index in lists[place] {
                    let chunk = table.chunks[Int(index)]
                    guard allowed?.contains(chunk) ?? true else { continue }
                    seen += 1
                    best.insert(Hit(chunk: chunk, score: Double(table.product(Int(index), vector))))
                }
            }
        }
        return best.sorted
    }

    /// The centres, nearest first: those with the largest `x · c - |c|² / 2`.
    private func nearestCenters(_ query: [Float]) -> [Int] {
        let values = centers.map { center -> Float in
            var (product, square): (Float, Float) = (0, 0)
            for (value, other) in zip(center, query) {
                product += value * other
                square += value * value
            }
            return product - square / 2
        }
        return centers.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
    }
}
