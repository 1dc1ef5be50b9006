/// Minimises a smooth convex function with the memory of its last gradients. (Liu and Nocedal, 1989, "On the limited memory
/// BFGS method for large scale optimization")
struct LBFGS {
    struct Solution {
        var point: [Double]
        var iterationCount: Int
        /// The largest part of the gradient at the end.
        var gradient: Double
    }

    /// Pairs of steps and changes of the gradient that are kept.
    var memory = 10
    var maximumIterationCount = 1000
    /// Ends where no part of the gradient is larger.
    var tolerance = 1e-6

    /// - Parameters:
    ///   - start: where the search begins.
    ///   - gradient: writes the gradient at a point.
    func minimise(from start: [Double], gradient: ([Double], inout [Double]) -> Void) -> Solution {
        var point = start
        var slope = [Double](repeating: 0, count: start.count)
        gradient(point, &slope)
        var pairs: [(step: [Double], change: [Double], curvature: Double)] = []
        var iteration = 0
        while iteration < maximumIterationCount, largest(slope) > tolerance {
            iteration += 1
            var direction = descent(slope, pairs)
            var initial = dot(direction, slope)
            if initial >= 0 {
                // The memory misleads; the gradient itself does not.
                pairs = []
                direction = slope.map { -$0 }
                initial = dot(direction, slope)
            }
            let first = pairs.isEmpty ? 1 / max(dot(slope, slope).squareRoot(), 1) : 1
            guard let next = search(point, direction, initial, first, gradient) else { break }
            let step = zip(next.point, point).map { $0 - $1 }
            let change = zip(next.slope, slope).map { $0 - $1 }
            let curvature = dot(step, change)
            (point, slope) = (next.point, next.slope)
            guard curvature > 0 else { continue }
            pairs.append((step, change, curvature))
            if pairs.count > memory { pairs.removeFirst() }
        }
        return Solution(point: point, iterationCount: iteration, gradient: largest(slope))
    }

    /// The two loops over the memory.
    private func descent(
        _ slope: [Double], _ pairs: [(step: [Double], change: [Double], curvature: Double)]
    ) -> [Double] {
        var direction = slope
        var weights: [Double] = []
        for pair in pairs.reversed() {
            let weight = dot(pair.step, direction) / pair.curvature
            weights.append(weight)
            for index in direction.indices { direction[index] -= weight * pair.change[index] }
        }
        if let last = pairs.last {
            let scale = last.curvature / dot(last.change, last.change)
            for index in direction.indices { direction[index] *= scale }
        }
        for (pair, weight) in zip(pairs, weights.reversed()) {
            let correction = weight - dot(pair.change, direction) / pair.curvature
            for index in direction.indices { direction[index] += correction * pair.step[index] }
        }
        return direction.map { -$0 }
    }

    /// A step along a direction at whose end the slope is at most half as steep. Of a convex function the slope alone tells on
    /// which side the minimum lies, and it stays exact where values no longer differ.
    private func search(
        _ point: [Double], _ direction: [Double], _ initial: Double, _ first: Double,
        _ gradient: ([Double], inout [Double]) -> Void
    ) -> (point: [Double], slope: [Double])? {
        var (low, lowSlope) = (0.0, initial)
        var high: (step: Double, slope: Double)?
        var step = first
        var next = point
        var slope = [Double](repeating: 0, count: point.count)
        for _ in 0..<60 {
            for index in point.indices { next[index] = point[index] + step * direction[index] }
            gradient(next, &slope)
            let along = dot(slope, direction)
            guard along.isFinite else {
                high = (step, .infinity)
                step = (low + step) / 2
                continue
            }
            if abs(along) <= -0.5 * initial { return (next, slope) }
            if along > 0 { high = (step, along) } else { (low, lowSlope) = (step, along) }
            guard let high else {
                step *= 4
                continue
            }
            // Where the line through both slopes is zero, kept off the ends.
            let width = high.step - low
            let share = high.slope.isFinite ? -lowSlope / (high.slope - lowSlope) : 0.5
            step = low + width * min(max(share, 0.1), 0.9)
            guard width > 1e-14 * max(high.step, 1e-300) else { break }
        }
        // The minimum along the line is as exact as numbers allow.
        return low > 0 ? (next, slope) : nil
    }

    private func dot(_ a: [Double], _ b: [Double]) -> Double {
        var sum = 0.0
        for index in a.indices { sum += a[index] * b[index] }
        return sum
    }

    private func largest(_ vector: [Double]) -> Double { vector.reduce(0) { max($0, abs($1)) } }
}
