import ModelIO
import TensorCore

/// What a convolution's tensors are: `[N, C / G, kernel]`, or of a transposed one `[C, N / G, kernel]`.
struct ConvolutionShape: Sendable {
    var inputs: Int
    var outputs: Int
    var kernel: Extent2D
    var groups = 1
    var isTransposed = false

    /// The tensor's extents.
    var extents: [Int] {
        isTransposed
            ? [inputs, outputs / groups, kernel.height, kernel.width]
            : [outputs, inputs / groups, kernel.height, kernel.width]
    }
    var weightCount: Int { extents.reduce(1, *) }
    var isDepthwise: Bool { !isTransposed && groups == inputs && groups == outputs && groups > 1 }
}

/// A batch norm behind a convolution: scale and offset of each channel, from running statistics. (Ioffe and Szegedy, 2015)
struct BatchNorm: Sendable {
    /// What the checkpoint calls it.
    var name: String
    var epsilon = 1e-5
}

/// A convolution's weights on the device.
enum ConvolutionWeights: Sendable {
    /// Of each group, as `ConvolutionOps` takes them.
    case matrices([any Weight])
    /// `[K, C]`, of a depthwise convolution.
    case depthwise(Tensor)
}

/// The weights of a model of images, put on its backend once, whatever networks of other sizes use them.
final class VisionWeights: Sendable {
    let loader: LayerLoader
    var file: WeightLoader { loader.weights }
    // SAFETY (both): as a backend, a model is used by one thread at a time.
    nonisolated(unsafe) private var convolutions: [String: (ConvolutionWeights, Tensor?)] = [:]
    nonisolated(unsafe) private var vectors: [String: Tensor] = [:]
    nonisolated(unsafe) private var linears: [String: Linear] = [:]

    init(_ weights: WeightLoader, target: LoadTarget) {
        loader = LayerLoader(weights: weights, target: target)
    }

    private var backend: any Backend { loader.target.backend }

    /// A tensor made once and kept under a name of its own.
    func tensor(_ key: String, _ make: () throws -> Tensor) throws -> Tensor {
        if let known = vectors[key] { return known }
        let made = try make()
        vectors[key] = made
        return made
    }

    func linear(_ key: String, _ make: () throws -> Linear) throws -> Linear {
        if let known = linears[key] { return known }
        let made = try make()
        linears[key] = made
        return made
    }

    /// The weights and bias of a convolution; a batch norm behind it is folded into both: `w · s` and
    /// `(b - mean) · s + offset`, with `s = scale / sqrt(variance + epsilon)`.
    ///
    /// - Parameter scale: multiplies each output after that, such as a layer's scale.
    func convolution(
        _ name: String, _ shape: ConvolutionShape, hasBias: Bool, norm: BatchNorm?, scale: [Float]? = nil
    ) throws -> (weights: ConvolutionWeights, bias: Tensor?) {
        let key = name + " " + (norm?.name ?? "")
        if let known = convolutions[key] { return known }
        let tensor = try file.tensor(name + ".weight", shape: shape.extents)
        var values = try file.floats(tensor)
        tensor.bytes.discard()
        var bias = hasBias ? try file.vector(name + ".bias", count: shape.outputs).map(Double.init) : nil
        var factors = [Double](repeating: 1, count: shape.outputs)
        if let norm {
            let folded = try fold(norm, count: shape.outputs)
            factors = folded.scale
            let before = bias ?? [Double](repeating: 0, count: shape.outputs)
            bias = zip(before, zip(folded.scale, folded.offset)).map { $0 * $1.0 + $1.1 }
        }
        if let scale {
            factors = zip(factors, scale).map { $0 * Double($1) }
            bias = bias.map { zip($0, scale).map { $0 * Double($1) } }
        }
        values = shape.reordered(values, factors: factors)
        let made = (
            try prepare(values, shape, name: name),
            try bias.map { try backend.makeTensor($0.map(Float.init), [shape.outputs]) }
        )
        convolutions[key] = made
        return made
    }

    private func fold(_ norm: BatchNorm, count: Int) throws -> (scale: [Double], offset: [Double]) {
        func numbers(_ part: String) throws -> [Double] {
            try file.vector("\(norm.name).\(part)", count: count).map(Double.init)
        }
        // A norm without scale and offset (`affine=False`) has neither.
        let isAffine = file.contains(norm.name + ".weight")
        let weight = try isAffine ? numbers("weight") : [Double](repeating: 1, count: count)
        let bias = try isAffine ? numbers("bias") : [Double](repeating: 0, count: count)
        let (mean, variance) = (try numbers("running_mean"), try numbers("running_var"))
        let scale = zip(weight, variance).map { $0 / ($1 + norm.epsilon).squareRoot() }
        return (scale, zip(bias, zip(mean, scale)).map { $0 - $1.0 * $1.1 })
    }

    private func prepare(
        _ values: [Float], _ shape: ConvolutionShape, name: String
    ) throws -> ConvolutionWeights {
        if shape.isDepthwise {
            return .depthwise(try backend.makeTensor(values, [shape.kernel.pixelCount, shape.outputs]))
        }
        let columns = shape.columns
        let rows = values.count / (columns * shape.groups)
        return .matrices(
            try (0..<shape.groups).map { group in
                let part = Array(values[group * rows * columns..<(group + 1) * rows * columns])
                return try matrix(part, rows: rows, columns: columns, name: name + ".weight")
            })
    }

    /// A matrix of computed numbers in the format that is wanted, as far as it is one of plain numbers.
    func matrix(_ values: [Float], rows: Int, columns: Int, name: String) throws -> any Weight {
        let memory = HostAllocation(byteCount: values.count * MemoryLayout<Float>.size)
        values.withUnsafeBytes { memory.pointer.copyMemory(from: $0) }
        return try matrix(source(memory, rows: rows, columns: columns, name: name))
    }

    /// The format of matrices: the one that is wanted, as far as it is one of plain numbers.
    var matrixFormat: WeightFormat {
        let wanted = loader.target.format ?? .float32
        return wanted.blockSize == 1 ? wanted : .float32
    }

    /// Rows of float32 numbers that are nobody else's, in the format of matrices.
    func source(_ memory: HostAllocation, rows: Int, columns: Int, name: String) throws -> WeightSource {
        let tensor = StoredTensor(
            name: name, type: .float32, shape: [rows, columns], bytes: memory.bytes, path: file.checkpoint.path)
        return try file.weight([tensor], columns: columns, as: matrixFormat)
    }

    func matrix(_ source: WeightSource) throws -> any Weight {
        // Every pixel is multiplied with the same few weights, so that rounding pays for smaller layers than others.
        let precision = loader.target.precision
        let isSmall = source.rows * source.columns < VisionWeights.leastWeightsWorthRounding
        return try backend.prepare(source, precision: precision == .automatic && isSmall ? .highest : precision)
    }

    private static let leastWeightsWorthRounding = 1 << 12
}

extension ConvolutionShape {
    /// `K`, columns of a group's matrix.
    fileprivate var columns: Int { isTransposed ? inputs / groups : kernel.pixelCount * (inputs / groups) }

    /// The tensor's elements in the order that `ConvolutionOps` takes them in, group by group, times `factors` of the
    /// outputs.
    fileprivate func reordered(_ values: [Float], factors: [Double]) -> [Float] {
        let taps = kernel.pixelCount
        var result = [Float](repeating: 0, count: values.count)
        if isDepthwise {
            for c in 0..<outputs {
                for k in 0..<taps { result[k * outputs + c] = Float(Double(values[c * taps + k]) * factors[c]) }
            }
            return result
        }
        let (inner, outer) = (inputs / groups, outputs / groups)
        if isTransposed {
            // [C, N / G, K] becomes [G, K, N / G, C / G].
            for group in 0..<groups {
                for n in 0..<outer {
                    let factor = factors[group * outer + n]
                    for k in 0..<taps {
                        let row = ((group * taps + k) * outer + n) * inner
                        for c in 0..<inner {
                            let source = ((group * inner + c) * outer + n) * taps + k
                            result[row + c] = Float(Double(values[source]) * factor)
                        }
                    }
                }
            }
            return result
        }
        // [N, C / G, K] becomes [N, K, C / G].
        for n in 0..<outputs {
            for c in 0..<inner {
                for k in 0..<taps {
                    result[(n * taps + k) * inner + c] = Float(Double(values[(n * inner + c) * taps + k]) * factors[n])
                }
            }
        }
        return result
    }
}
