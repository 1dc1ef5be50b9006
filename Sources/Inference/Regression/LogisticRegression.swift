internal import Glibc

/// Logistic regression with an L2 penalty, as scikit-learn's `LogisticRegression` has it: the least of
/// `C · Σ −log p(label | vector) + ½ ‖weights‖²`, where the intercepts go unpunished. Two labels have one row of weights, more
/// have one each (softmax).
public struct LogisticRegression: Sendable {
    public var inverseStrength: Double
    public var maximumIterationCount: Int
    /// Ends where no part of the gradient is larger.
    public var tolerance: Double

    /// - Parameter inverseStrength: scikit-learn's `C`, above 0; smaller ones punish weights more.
    public init(inverseStrength: Double = 1, maximumIterationCount: Int = 1000, tolerance: Double = 1e-6) {
        self.inverseStrength = inverseStrength
        self.maximumIterationCount = maximumIterationCount
        self.tolerance = tolerance
    }

    /// Fits by L-BFGS on the host. Blocks.
    /// - Parameters:
    ///   - vectors: `[N, D]`.
    ///   - answers: places among `labels`, one a vector.
    /// - Throws: `InferenceError.invalidParameter` where there are fewer than two labels, or one that no vector has.
    public func fit(_ vectors: [[Float]], _ answers: [Int], labels: [String]) throws -> FittedHead {
        let table = try VectorRows(vectors)
        precondition(answers.count == vectors.count, "\(answers.count) answers for \(vectors.count) vectors")
        guard labels.count >= 2 else {
            throw InferenceError.invalidParameter(
                name: "labels", value: labels.joined(separator: ", "), expected: "at least two different labels")
        }
        let present = Set(answers)
        if let absent = labels.indices.first(where: { !present.contains($0) }) {
            throw InferenceError.invalidParameter(
                name: "labels", value: labels[absent], expected: "labels that each have an example")
        }
        let rows = labels.count == 2 ? 1 : labels.count
        let (size, width) = (table.width, table.width + 1)
        let solver = LBFGS(maximumIterationCount: maximumIterationCount, tolerance: tolerance)
        let solution = solver.minimise(from: [Double](repeating: 0, count: rows * width)) { point, gradient in
            addLoss(table, answers, rows: rows, point, to: &gradient)
        }
        var weight = (0..<rows).map { row in Array(solution.point[row * width..<row * width + size]) }
        var bias = (0..<rows).map { solution.point[$0 * width + size] }
        if rows == 1 {
            // A row a label: the softmax of (0, z) is the sigmoid of z.
            weight = [[Double](repeating: 0, count: size)] + weight
            bias = [0] + bias
        }
        return FittedHead(
            kind: .logistic, labels: labels, weight: weight, bias: bias, iterationCount: solution.iterationCount,
            gradient: solution.gradient)
    }

    /// The gradient. A row of `point` has the weights of a label and, at its end, the intercept.
    private func addLoss(
        _ table: VectorRows, _ answers: [Int], rows: Int, _ point: [Double], to gradient: inout [Double]
    ) {
        let (size, width) = (table.width, table.width + 1)
        for index in gradient.indices { gradient[index] = index % width == size ? 0 : point[index] }
        var scores = [Double](repeating: 0, count: rows)
        point.withUnsafeBufferPointer { point in
            gradient.withUnsafeMutableBufferPointer { gradient in
                for (number, answer) in answers.enumerated() {
                    for row in 0..<rows {
                        scores[row] = table.dot(number, point, at: row * width) + point[row * width + size]
                    }
                    if rows == 1 {
                        scores[0] = 1 / (1 + exp(-scores[0])) - (answer == 1 ? 1 : 0)
                    } else {
                        let most = scores.max() ?? 0
                        var total = 0.0
                        for row in 0..<rows {
                            scores[row] = exp(scores[row] - most)
                            total += scores[row]
                        }
                        for row in 0..<rows { scores[row] = scores[row] / total - (answer == row ? 1 : 0) }
                    }
                    for row in 0..<rows {
                        let factor = inverseStrength * scores[row]
                        table.add(number, times: factor, to: gradient, at: row * width)
                        gradient[row * width + size] += factor
                    }
                }
            }
        }
    }
}

/// Linear regression: the least of `Σ (number − answer)² + alpha · ‖weights‖²`, as scikit-learn's `Ridge` has it, solved by the
/// normal equations; with alpha 0 ordinary least squares.
public struct LinearRegression: Sendable {
    public var alpha: Double

    public init(alpha: Double = 1) { self.alpha = alpha }

    /// Blocks.
    /// - Parameters:
    ///   - vectors: `[N, D]`.
    ///   - answers: one a vector.
    /// - Throws: `InferenceError.invalidParameter` where the vectors leave the weights open.
    public func fit(_ vectors: [[Float]], _ answers: [Double], label: String = "score") throws -> FittedHead {
        let table = try VectorRows(vectors)
        precondition(answers.count == vectors.count, "\(answers.count) answers for \(vectors.count) vectors")
        let (size, count) = (table.width, Double(vectors.count))
        var means = [Double](repeating: 0, count: size)
        for row in vectors { for column in 0..<size { means[column] += Double(row[column]) / count } }
        let mean = answers.reduce(0, +) / count
        // XᵀX and Xᵀy of what differs from the means; the lower half.
        var gram = [Double](repeating: 0, count: size * size)
        var right = [Double](repeating: 0, count: size)
        var centred = [Double](repeating: 0, count: size)
        for (number, row) in vectors.enumerated() {
            for column in 0..<size { centred[column] = Double(row[column]) - means[column] }
            gram.withUnsafeMutableBufferPointer { gram in
                for column in 0..<size {
                    let value = centred[column]
                    right[column] += value * (answers[number] - mean)
                    let start = column * size
                    for other in 0...column { gram[start + other] += value * centred[other] }
                }
            }
        }
        for column in 0..<size { gram[column * size + column] += alpha }
        guard let weight = Cholesky.solve(gram, right, size: size) else {
            throw InferenceError.invalidParameter(
                name: "--alpha", value: "\(alpha)",
                expected: "more: the vectors' \(size) numbers depend on one another, so that many weights fit alike")
        }
        let bias = mean - zip(weight, means).reduce(0) { $0 + $1.0 * $1.1 }
        return FittedHead(
            kind: .linear, labels: [label], weight: [weight], bias: [bias], iterationCount: 1, gradient: 0)
    }
}

/// Solves systems of a symmetric positive definite matrix.
enum Cholesky {
    /// - Parameter matrix: `[size, size]`, of which the lower half is read.
    /// - Returns: `nil` where the matrix is not positive definite to the numbers' accuracy.
    static func solve(_ matrix: [Double], _ right: [Double], size: Int) -> [Double]? {
        var factor = matrix
        let scale = (0..<size).reduce(0.0) { max($0, matrix[$1 * size + $1]) }
        for row in 0..<size {
            for column in 0...row {
                var sum = factor[row * size + column]
                for index in 0..<column { sum -= factor[row * size + index] * factor[column * size + index] }
                if row == column {
                    guard sum > 1e-12 * scale else { return nil }
                    factor[row * size + row] = sum.squareRoot()
                } else {
                    factor[row * size + column] = sum / factor[column * size + column]
                }
            }
        }
        var solution = right
        for row in 0..<size {
            for index in 0..<row { solution[row] -= factor[row * size + index] * solution[index] }
            solution[row] /= factor[row * size + row]
        }
        for row in (0..<size).reversed() {
            for index in row + 1..<max(size, row + 1) { solution[row] -= factor[index * size + row] * solution[index] }
            solution[row] /= factor[row * size + row]
        }
        return solution
    }
}

/// Vectors of one size, one behind the other.
struct VectorRows {
    let width: Int
    private let values: [Float]

    /// - Throws: `InferenceError.invalidParameter` where there are none, or one holds a number that is not finite.
    init(_ vectors: [[Float]]) throws {
        guard let first = vectors.first, !first.isEmpty else {
            throw InferenceError.invalidParameter(name: "vectors", value: "none", expected: "at least one")
        }
        width = first.count
        precondition(vectors.allSatisfy { $0.count == first.count }, "vectors of different sizes")
        values = Array(vectors.joined())
        guard values.allSatisfy(\.isFinite) else {
            throw InferenceError.invalidParameter(
                name: "vectors", value: "one that is not finite", expected: "finite numbers")
        }
    }

    func dot(_ row: Int, _ other: UnsafeBufferPointer<Double>, at start: Int) -> Double {
        values.withUnsafeBufferPointer { values in
            var sums = SIMD8<Double>.zero
            let from = row * width
            var column = 0
            while column + 8 <= width {
                var (left, right) = (SIMD8<Float>.zero, SIMD8<Double>.zero)
                for lane in 0..<8 {
                    left[lane] = values[from + column + lane]
                    right[lane] = other[start + column + lane]
                }
                sums += SIMD8<Double>(left) * right
                column += 8
            }
            var sum = sums.sum()
            while column < width {
                sum += Double(values[from + column]) * other[start + column]
                column += 1
            }
            return sum
        }
    }

    func add(_ row: Int, times factor: Double, to other: UnsafeMutableBufferPointer<Double>, at start: Int) {
        values.withUnsafeBufferPointer { values in
            let from = row * width
            for column in 0..<width { other[start + column] += factor * Double(values[from + column]) }
        }
    }
}
