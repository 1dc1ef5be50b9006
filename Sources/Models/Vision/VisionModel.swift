public import ModelIO
public import TensorCore

/// How an architecture is read and built.
struct VisionArchitecture: Sendable {
    var description: VisionDescription
    /// What may stand before the names of tensors.
    var prefixes: [String] = [""]
    /// Ends of names that the checkpoint writes otherwise; see `WeightLoader.endings`.
    var endings: [String: String] = [:]
    /// Builds the network over its input and returns its results.
    var build: @Sendable (NetworkBuilder, FeatureMap) throws -> [NetworkOutput]

    func plan(_ configuration: ModelConfiguration) -> VisionPlan {
        VisionPlan(configuration: configuration, architecture: self)
    }

    func weights(_ checkpoint: Checkpoint) -> WeightLoader {
        WeightLoader(checkpoint, prefixes: prefixes, endings: endings)
    }
}

/// A model of images whose configuration has been read and checked.
public struct VisionPlan: Sendable {
    public let configuration: ModelConfiguration
    let architecture: VisionArchitecture

    public var description: VisionDescription { architecture.description }

    /// Makes the model's weights ready to be loaded, which happens with its first network.
    public func load(_ checkpoint: Checkpoint, to target: LoadTarget) throws -> VisionModel {
        VisionModel(
            architecture, path: checkpoint.path,
            weights: VisionWeights(architecture.weights(checkpoint), target: target))
    }

    /// The layers for an input of `size`; no weights are loaded.
    /// - Throws: `LoadError` where the size does not fit.
    public func layers(_ checkpoint: Checkpoint, size: Extent2D) throws -> [VisionLayer] {
        let builder = NetworkBuilder(
            weights: nil, file: architecture.weights(checkpoint), imageCount: 1, path: configuration.path)
        let input = try builder.map(size: size, channels: description.channelCount)
        _ = try architecture.build(builder, input)
        return builder.steps.map(\.layer)
    }
}

/// A model of images on a backend.
///
/// Networks are built for a number of images of one size, at the first pass of that size; those that are used share the
/// weights. The last one is kept, beside the one before, so that a last batch of fewer images does not drive out the other.
public final class VisionModel: Sendable {
    public let description: VisionDescription
    private let architecture: VisionArchitecture
    private let path: String
    private let weights: VisionWeights
    // SAFETY: as a backend, a model is used by one thread at a time.
    nonisolated(unsafe) private var networks: [(count: Int, size: Extent2D, network: Network)] = []

    private struct Network {
        let input: FeatureMap
        let steps: [NetworkStep]
        let outputs: [NetworkOutput]
        let memory: NetworkMemory
    }

    init(_ architecture: VisionArchitecture, path: String, weights: VisionWeights) {
        self.architecture = architecture
        self.path = path
        self.weights = weights
        description = architecture.description
    }

    private var backend: any Backend { weights.loader.target.backend }

    /// Computes the results for some images. Blocks while a network is built, which the first pass of a size does.
    ///
    /// - Parameter values: `[imageCount, height, width, channels]`.
    /// - Returns: results that the next pass overwrites.
    /// - Throws: `LoadError` where the size does not fit or tensors are missing or misshapen; `BackendError`.
    public func forward(_ values: [Float], imageCount: Int, size: Extent2D) throws -> [VisionOutput] {
        precondition(values.count == imageCount * size.pixelCount * description.channelCount, "values of the images")
        let network = try network(imageCount: imageCount, size: size)
        try values.withUnsafeBytes { try backend.write($0, to: network.memory[network.input]) }
        for step in network.steps { try step.run(backend, network.memory) }
        return network.outputs.map {
            VisionOutput(name: $0.name, values: network.memory[$0.map], extents: $0.extents, layout: $0.layout)
        }
    }

    private func network(imageCount: Int, size: Extent2D) throws -> Network {
        if let known = networks.first(where: { $0.count == imageCount && $0.size == size }) { return known.network }
        if networks.count > 1 { networks.removeFirst() }
        let network = try build(imageCount: imageCount, size: size)
        networks.append((imageCount, size, network))
        return network
    }

    private func build(imageCount: Int, size: Extent2D) throws -> Network {
        let builder = NetworkBuilder(
            weights: weights, file: weights.file, imageCount: imageCount, path: path)
        let input = try builder.map(size: size, channels: description.channelCount)
        builder.useFloats(input)
        let outputs = try architecture.build(builder, input)
        // The next pass writes the input while nothing of it is left.
        for output in outputs { builder.keep(output.map) }
        var plan = builder.memory
        let scratchOffset = plan.place(quantised: builder.quantisedStorages)
        let scratchBytes = builder.scratchFloats * MemoryLayout<Float>.size
        let (total, overflow) = scratchOffset.addingReportingOverflow(scratchBytes)
        guard !overflow else { throw builder.tooLarge("\(scratchBytes) bytes of patches") }
        try backend.reserve(builder.limits)
        let buffer = try backend.makeBuffer(byteCount: total)
        let scratch = Tensor(
            buffer: buffer, byteOffset: scratchOffset, dtype: .float32, shape: [builder.scratchFloats])
        return Network(
            input: input, steps: builder.steps, outputs: outputs,
            memory: NetworkMemory(
                buffer: buffer, byteOffsets: plan.byteOffsets, quantised: builder.quantisedStorages, scratch: scratch))
    }
}
