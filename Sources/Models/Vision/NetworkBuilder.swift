import ModelIO
import TensorCore

/// One op of a network.
struct NetworkStep: Sendable {
    let layer: VisionLayer
    /// Runs it; does nothing in a network that was built without weights.
    let run: @Sendable (any Backend, NetworkMemory) throws -> Void
}

/// A named result of a network.
struct NetworkOutput: Sendable {
    let name: String
    let map: FeatureMap
    let extents: [Int]
    let layout: VisionOutput.Layout

    /// A vector for each image.
    static func vector(_ name: String, _ map: FeatureMap) -> NetworkOutput {
        NetworkOutput(name: name, map: map, extents: [map.channels], layout: .rows)
    }

    /// Channels, height and width.
    static func pixels(_ name: String, _ map: FeatureMap) -> NetworkOutput {
        NetworkOutput(
            name: name, map: map, extents: [map.channels, map.size.height, map.size.width], layout: .pixels)
    }

    /// A row for each token.
    static func tokens(_ name: String, _ map: FeatureMap) -> NetworkOutput {
        NetworkOutput(name: name, map: map, extents: [map.size.pixelCount, map.channels], layout: .rows)
    }
}

/// Builds a network layer by layer, as a model's file writes it down: it names the weights, follows the shapes, and plans
/// memory for one number of images of one size.
///
/// Built without weights, it lists the layers only.
final class NetworkBuilder {
    let weights: VisionWeights?
    private let file: WeightLoader
    let imageCount: Int
    /// What errors of shapes name.
    let path: String
    private(set) var steps: [NetworkStep] = []
    private(set) var memory = MemoryPlan()
    private(set) var scratchFloats = 1
    /// All maps, the storages that convolutions want quantised, and those that some step wants as floats.
    private var wholeMaps: [FeatureMap] = []
    private var wantedQuantised: Set<Int> = []
    private var floatStorages: Set<Int> = []
    private(set) var limits: ExecutionLimits

    /// - Parameter weights: `nil`: the layers are only listed, by what `file` has.
    init(weights: VisionWeights?, file: WeightLoader, imageCount: Int, path: String) {
        self.weights = weights
        self.file = file
        self.imageCount = imageCount
        self.path = path
        limits = ExecutionLimits(
            tokenCount: 1, sequenceCount: imageCount, contextLength: 1, featureCount: 1, matmulInputCount: 1,
            headCount: 1, headSize: 1)
    }

    // MARK: What the checkpoint has

    func contains(_ name: String) -> Bool { file.contains(name) }

    /// The extents of a tensor; `nil` where it is missing.
    func extents(of name: String) -> [Int]? { file.find(name)?.shape.extents }

    /// The rows of a layer's weight: its channels or features.
    /// - Throws: `LoadError.missingTensor`.
    func outputs(of name: String) throws -> Int {
        let weight = name + ".weight"
        guard let count = extents(of: weight)?.first, count > 0 else {
            throw LoadError.missingTensor(path: path, name: weight, tried: [weight])
        }
        return count
    }

    // MARK: Maps and steps

    /// A new result.
    /// - Throws: `LoadError.invalidFile` where it is too large to be addressed.
    func map(size: Extent2D, channels: Int) throws -> FeatureMap {
        guard let count = Shape(checking: [imageCount, size.height, size.width, channels])?.elementCount,
            count <= Int(Int32.max)
        else { throw tooLarge("\(channels) channels of \(size) pixels, \(imageCount) images") }
        let map = FeatureMap(
            storage: memory.add(floats: max(count, 1), step: steps.count), imageCount: imageCount, size: size,
            channels: channels, rowStride: channels, offset: 0)
        wholeMaps.append(map)
        return map
    }

    /// Of maps that only convolutions use, and max pools beside them, which keep them quantised.
    var quantisedStorages: Set<Int> { wantedQuantised.subtracting(floatStorages) }

    /// Lets a step write its output over one of its inputs, where nothing else wants that.
    func overwrite(_ input: FeatureMap, by output: FeatureMap) {
        guard wholeMaps.contains(input), wholeMaps.contains(output) else { return }
        memory.replace(input.storage, by: output.storage)
    }

    /// Takes note that a map must hold floats.
    func useFloats(_ map: FeatureMap) { floatStorages.insert(map.storage) }

    func tooLarge(_ what: String) -> LoadError {
        .invalidFile(path: path, reason: "asks for a layer of \(what), which is too large; use smaller or fewer images")
    }

    /// - Parameter quantisable: maps of the step that may be quantised.
    func add(
        _ name: String, _ operation: String, _ inputs: [FeatureMap?], _ output: FeatureMap, parameters: Int = 0,
        multiplyAdds: Int = 0, quantisable: [FeatureMap] = [],
        run: @escaping @Sendable (any Backend, NetworkMemory) throws -> Void
    ) {
        for case let map? in inputs + [output] {
            memory.use(map.storage, step: steps.count)
            if !quantisable.contains(map) || !wholeMaps.contains(map) { useFloats(map) }
        }
        let layer = VisionLayer(
            name: name, operation: operation,
            outputExtents: [output.channels, output.size.height, output.size.width], parameterCount: parameters,
            multiplyAddCount: multiplyAdds)
        steps.append(NetworkStep(layer: layer, run: run))
    }

    /// A step with weights; without them it only stands in the list.
    func add<Loaded: Sendable>(
        _ name: String, _ operation: String, _ inputs: [FeatureMap?], _ output: FeatureMap, parameters: Int = 0,
        multiplyAdds: Int = 0, quantisable: [FeatureMap] = [], with loaded: Loaded?,
        run: @escaping @Sendable (Loaded, any Backend, NetworkMemory) throws -> Void
    ) {
        add(
            name, operation, inputs, output, parameters: parameters, multiplyAdds: multiplyAdds,
            quantisable: quantisable
        ) { backend, memory in
            if let loaded { try run(loaded, backend, memory) }
        }
    }

    /// Keeps a result to the end, as floats.
    func keep(_ map: FeatureMap) {
        memory.use(map.storage, step: .max)
        useFloats(map)
    }

    /// Takes note of what a matrix product needs.
    func reserve(rows: Int, columns: Int, features: Int) {
        limits.tokenCount = max(limits.tokenCount, rows)
        limits.matmulInputCount = max(limits.matmulInputCount, columns)
        limits.featureCount = max(limits.featureCount, features, columns)
    }

    func reserve(heads: Int, headSize: Int, contextLength: Int) {
        limits.headCount = max(limits.headCount, heads)
        limits.headSize = max(limits.headSize, headSize)
        limits.contextLength = max(limits.contextLength, contextLength)
    }

    func reserve(scratchFloats count: Int) { scratchFloats = max(scratchFloats, count) }

    /// Takes note of what a convolution needs beside its product.
    func reserveScratch(_ weights: [any Weight], window: ImageWindow) {
        guard let backend = self.weights?.loader.target.backend else { return }
        reserve(scratchFloats: backend.convolutionScratchCount(weights: weights, window: window))
    }

    /// The maps of a convolution that it wants quantised.
    func quantisableMaps(
        _ weights: ConvolutionWeights?, window: ImageWindow, x: FeatureMap, residual: FeatureMap?, output: FeatureMap
    ) -> [FeatureMap] {
        guard let backend = self.weights?.loader.target.backend, case .matrices(let matrices) = weights,
            backend.quantisesMaps(weights: matrices, window: window)
        else { return [] }
        let maps = [x, output] + (residual.map { [$0] } ?? [])
        wantedQuantised.formUnion(maps.map(\.storage))
        return maps
    }
}

/// How a layer of windows is laid over its input.
struct Sliding: Sendable {
    var kernel: Extent2D
    var stride = Extent2D(1)
    var padding = Extent2D(0)
    var dilation = Extent2D(1)

    init(_ kernel: Int, stride: Int = 1, padding: Int = 0, dilation: Int = 1) {
        self.init(
            kernel: Extent2D(kernel), stride: Extent2D(stride), padding: Extent2D(padding),
            dilation: Extent2D(dilation))
    }

    init(
        kernel: Extent2D, stride: Extent2D = Extent2D(1), padding: Extent2D = Extent2D(0),
        dilation: Extent2D = Extent2D(1)
    ) {
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
    }

    /// As listings show it.
    var text: String {
        "\(kernel)" + (stride == Extent2D(1) ? "" : " stride \(stride)")
            + (dilation == Extent2D(1) ? "" : " dilation \(dilation)")
    }

    /// As much padding as each output pixel of the stride asks for, the odd pixel below and to the right. Dilated windows are
    /// padded as `transformers` does it.
    func paddingOfTensorFlow(over image: Extent2D) -> (before: Extent2D, behind: Extent2D) {
        func total(_ axis: KeyPath<Extent2D, Int>) -> Int {
            let (size, stride) = (image[keyPath: axis], stride[keyPath: axis])
            let rest = size % stride == 0 ? stride : size % stride
            return max(kernel[keyPath: axis] - rest, 0)
        }
        let (height, width) = (total(\.height), total(\.width))
        return (
            Extent2D(height: height / 2 * dilation.height, width: width / 2 * dilation.width),
            Extent2D(height: (height - height / 2) * dilation.height, width: (width - width / 2) * dilation.width)
        )
    }

    /// The windows over images of a size; `nil` where not one fits.
    func window(imageCount: Int, over image: Extent2D, roundsUp: Bool = false) -> ImageWindow? {
        func positions(_ axis: KeyPath<Extent2D, Int>) -> Int? {
            ImageWindow.positions(
                size: image[keyPath: axis], kernel: kernel[keyPath: axis], stride: stride[keyPath: axis],
                padding: padding[keyPath: axis], dilation: dilation[keyPath: axis], roundsUp: roundsUp)
        }
        guard let height = positions(\.height), let width = positions(\.width) else { return nil }
        return ImageWindow(
            imageCount: imageCount, image: image, grid: Extent2D(height: height, width: width), kernel: kernel,
            stride: stride, padding: padding, dilation: dilation)
    }
}
