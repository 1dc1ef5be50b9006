public import TensorCore

extension Reference {
    /// What `MatmulEpilogue` says, with host values.
    public struct Epilogue: Sendable {
        public var bias: [Float]?
        public var activation: Activation?
        public var isGated: Bool
        public var residual: Matrix?

        public init(
            bias: [Float]? = nil, activation: Activation? = nil, isGated: Bool = false, residual: Matrix? = nil
        ) {
            self.bias = bias
            self.activation = activation
            self.isGated = isGated
            self.residual = residual
        }
    }

    /// `epilogue(Σ_k x[t, k] · weight[n, k])`: bias, activation, gate, residual in this order.
    public static func matmul(_ x: Matrix, _ weight: Matrix, epilogue: Epilogue = Epilogue()) -> Matrix {
        var product = product(x, weight)
        if let bias = epilogue.bias {
            for t in 0..<product.rows {
                for n in 0..<product.columns { product[t, n] += Double(bias[n]) }
            }
        }
        let act = { (value: Double) in epilogue.activation.map { activate(value, $0) } ?? value }
        var output = product
        if epilogue.isGated {
            let half = product.columns / 2
            output = Matrix(rows: product.rows, columns: half)
            for t in 0..<output.rows {
                for n in 0..<half { output[t, n] = act(product[t, n]) * product[t, half + n] }
            }
        } else {
            output.values = product.values.map(act)
        }
        return epilogue.residual.map { output + $0 } ?? output
    }

    /// `x · weightᵀ`. Eight partial sums, because the cases have some 10⁹ products.
    static func product(_ x: Matrix, _ weight: Matrix) -> Matrix {
        precondition(x.columns == weight.columns, "inner sizes \(x.columns) and \(weight.columns)")
        let depth = x.columns
        var result = Matrix(rows: x.rows, columns: weight.rows)
        result.values.withUnsafeMutableBufferPointer { out in
            x.values.withUnsafeBufferPointer { a in
                weight.values.withUnsafeBufferPointer { b in
                    for t in 0..<x.rows {
                        for n in 0..<weight.rows { out[t * weight.rows + n] = dot(a, t * depth, b, n * depth, depth) }
                    }
                }
            }
        }
        return result
    }

    private static func dot(
        _ a: UnsafeBufferPointer<Double>, _ aStart: Int, _ b: UnsafeBufferPointer<Double>, _ bStart: Int, _ count: Int
    ) -> Double {
        var lanes = SIMD8<Double>()
        var k = 0
        while k + 8 <= count {
            let (i, j) = (aStart + k, bStart + k)
            let left = SIMD8(a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4], a[i + 5], a[i + 6], a[i + 7])
            let right = SIMD8(b[j], b[j + 1], b[j + 2], b[j + 3], b[j + 4], b[j + 5], b[j + 6], b[j + 7])
            lanes += left * right
            k += 8
        }
        var sum = lanes.sum()
        while k < count {
            sum += a[aStart + k] * b[bStart + k]
            k += 1
        }
        return sum
    }
}
