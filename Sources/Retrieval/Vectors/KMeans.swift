package import TensorCore

/// Clusters of vectors. (Lloyd, 1982; k-means++, Arthur and Vassilvitskii, 2007)
///
/// Choose centres; put every vector to its nearest one, by one matrix product a batch on the backend; move each centre to
/// the mean of its vectors; again until nothing moves. Of several starts the one with the smallest distances stays.
package struct KMeans {
    /// `[count, dimensionCount]`.
    package let centers: [[Float]]
    /// The centre of each vector.
    package let assignment: [Int]
    /// The sum of the squared distances.
    package let inertia: Double

    private static let batchRowCount = 4096

    /// Blocks.
    /// - Parameters:
    ///   - count: of clusters; at most one a vector.
    ///   - restarts: starts from other centres.
    ///   - sampleCount: vectors that centres are learned from; all are assigned in the end.
    ///   - backend: for this call alone; ops of others must not run at the same time.
    package init(
        _ table: VectorTable, count: Int, restarts: Int = 2, iterationCount: Int = 12, sampleCount: Int = 65_536,
        seed: UInt64 = 1, on backend: any Backend
    ) throws {
        precondition(count > 0 && count <= table.count, "\(count) clusters of \(table.count) vectors")
        var generator = SplitMix64(seed: seed)
        let sample = KMeans.sample(table.count, max(sampleCount, count), &generator)
        let assigner = try Assigner(table, centerCount: count, on: backend)
        var best: (centers: [[Float]], inertia: Double)?
        for _ in 0..<max(restarts, 1) {
            var centers = KMeans.firstCenters(table, sample, count, &generator)
            var inertia = Double.infinity
            for _ in 0..<iterationCount {
                let (places, distance) = try assigner.assign(sample, to: centers)
                // Stops once the distances get no smaller.
                guard distance < inertia * (1 - 1e-4) else { break }
                inertia = distance
                centers = KMeans.means(table, sample, places, centers, &generator)
            }
            if inertia < best?.inertia ?? .infinity { best = (centers, inertia) }
        }
        centers = best?.centers ?? []
        (assignment, inertia) = try assigner.assign(Array(0..<table.count), to: centers)
    }

    /// `wanted` of the numbers below `count`, each once, in ascending order.
    private static func sample(_ count: Int, _ wanted: Int, _ generator: inout SplitMix64) -> [Int] {
        guard wanted < count else { return Array(0..<count) }
        // Floyd's algorithm, which draws exactly as many numbers as are wanted.
        var chosen: Set<Int> = []
        for limit in count - wanted..<count {
            let draw = generator.next(below: limit + 1)
            chosen.insert(chosen.contains(draw) ? limit : draw)
        }
        return chosen.sorted()
    }

    /// Each next centre is a vector drawn by its squared distance to the nearest centre so far.
    private static func firstCenters(
        _ table: VectorTable, _ sample: [Int], _ count: Int, _ generator: inout SplitMix64
    ) -> [[Float]] {
        var chosen = [sample[generator.next(below: sample.count)]]
        var distances = [Double](repeating: .infinity, count: sample.count)
        while chosen.count < count {
            let last = chosen[chosen.count - 1]
            let own = Double(table.product(last, last))
            for (place, index) in sample.enumerated() {
                let distance = own + Double(table.product(index, index)) - 2 * Double(table.product(index, last))
                distances[place] = min(distances[place], max(distance, 0))
            }
            let total = distances.reduce(0, +)
            guard total > 0 else {
                // Every vector equals a centre already, so the rest are drawn uniformly.
                chosen.append(sample[generator.next(below: sample.count)])
                continue
            }
            var left = total * generator.unit()
            let place = distances.firstIndex { distance in
                left -= distance
                return left < 0
            }
            chosen.append(sample[place ?? sample.count - 1])
        }
        return chosen.map { Array(table.vector($0)) }
    }

    private static func means(
        _ table: VectorTable, _ sample: [Int], _ places: [Int], _ centers: [[Float]], _ generator: inout SplitMix64
    ) -> [[Float]] {
        var sums = [[Double]](
            repeating: [Double](repeating: 0, count: table.dimensionCount), count: centers.count)
        var counts = [Int](repeating: 0, count: centers.count)
        for (index, place) in zip(sample, places) {
            counts[place] += 1
            for (column, value) in table.vector(index).enumerated() { sums[place][column] += Double(value) }
        }
        return centers.indices.map { place in
            // A centre that no vector is nearest to starts again from a random vector.
            guard counts[place] > 0 else { return Array(table.vector(sample[generator.next(below: sample.count)])) }
            return sums[place].map { Float($0 / Double(counts[place])) }
        }
    }

    /// The nearest centre of many vectors: the largest `x · c - |c|² / 2`.
    private struct Assigner {
        let table: VectorTable
        let backend: any Backend
        let input: Tensor
        let output: Tensor

        init(_ table: VectorTable, centerCount: Int, on backend: any Backend) throws {
            self.table = table
            self.backend = backend
            let rows = min(KMeans.batchRowCount, table.count)
            try backend.reserve(
                ExecutionLimits(
                    tokenCount: rows, sequenceCount: 1, contextLength: 1,
                    featureCount: max(centerCount, table.dimensionCount), matmulInputCount: table.dimensionCount,
                    headCount: 1, headSize: 1))
            input = try backend.makeTensor(.float32, [rows, table.dimensionCount])
            output = try backend.makeTensor(.float32, [rows, centerCount])
        }

        func assign(_ indices: [Int], to centers: [[Float]]) throws -> (places: [Int], distance: Double) {
            let memory = HostAllocation(byteCount: centers.count * table.dimensionCount * MemoryLayout<Float>.size)
            centers.flatMap { $0 }.withUnsafeBytes { memory.pointer.copyMemory(from: $0) }
            let matrix = try backend.prepare(
                WeightSource(
                    name: "centres", format: .float32, columns: table.dimensionCount,
                    parts: [WeightPart(rows: centers.count, bytes: memory.bytes)]))
            let halves = centers.map { $0.reduce(0) { $0 + $1 * $1 } / 2 }
            var places: [Int] = []
            places.reserveCapacity(indices.count)
            var distance = 0.0
            for start in stride(from: 0, to: indices.count, by: input.shape[0]) {
                let batch = indices[start..<min(start + input.shape[0], indices.count)]
                let (x, y) = (input.rows(0..<batch.count), output.rows(0..<batch.count))
                try batch.flatMap { table.vector($0) }.withUnsafeBytes { try backend.write($0, to: x) }
                try backend.matmul(x, matrix, into: y, epilogue: .none)
                let scores = try backend.readFloats(y)
                for (row, index) in batch.enumerated() {
                    var (best, bestValue) = (0, -Float.infinity)
                    for place in centers.indices {
                        let value = scores[row * centers.count + place] - halves[place]
                        if value > bestValue { (best, bestValue) = (place, value) }
                    }
                    places.append(best)
                    distance += max(Double(table.product(index, index)) - 2 * Double(bestValue), 0)
                }
            }
            return (places, distance)
        }
    }
}
