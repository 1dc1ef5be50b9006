internal import ModelIO
public import Models
public import TensorCore

/// A named result of a model of images, on the host.
public struct VisionResult: Sendable {
    /// As Hugging Face names it, such as `logits` or `images`.
    public let name: String
    /// Extents of all images' results, the images first; of feature maps and images then channels, height and width.
    public let shape: [Int]
    /// The elements of all images, in row-major order.
    public var values: [Float]
}

/// Runs a model of images. Images of one size share passes.
public final class VisionPass: Sendable {
    public let description: VisionDescription
    private let backend: any Backend
    private let model: VisionModel
    private let path: String

    /// Images of 224 x 224 pixels that share a pass; of larger ones fewer do. More would be no faster, since a pixel finds its
    /// weights in a cache already, but take more memory.
    private static let passImageCount = 8
    private static let usualPixelCount = 224 * 224

    /// Opens a model for a backend; its weights are loaded with the first pass.
    /// - Throws: `LoadError`.
    public init(_ package: ModelPackage, on backend: any Backend, options: EngineOptions = EngineOptions()) throws {
        let plan = try package.visionPlan()
        description = plan.description
        path = package.name
        self.backend = backend
        model = try plan.load(
            package.checkpoint,
            to: LoadTarget(
                backend: backend, limits: PassLimits(tokenCount: 1, logitRowCount: 1, contextLength: 1),
                format: options.weightFormat, precision: options.precision))
    }

    /// The model's results for images of one size. Blocks.
    ///
    /// - Parameters:
    ///   - values: `[imageCount, C, H, W]`, as PyTorch lays images out; latent vectors are images of one pixel.
    /// - Throws: `InferenceError.invalidImages` for sizes that the model does not take; `LoadError`, `BackendError`.
    public func run(_ values: [Float], imageCount: Int, channels: Int, size: Extent2D) throws -> [VisionResult] {
        try check(channels: channels, size: size)
        precondition(values.count == imageCount * channels * size.pixelCount, "values of \(imageCount) images")
        let step = max(min(Self.passImageCount, Self.passImageCount * Self.usualPixelCount / size.pixelCount), 1)
        let perImage = channels * size.pixelCount
        var results: [VisionResult] = []
        for start in stride(from: 0, to: imageCount, by: step) {
            let count = min(step, imageCount - start)
            let part = values[start * perImage..<(start + count) * perImage]
            let outputs = try model.forward(
                Layout.channelsLast(part, imageCount: count, channels: channels, pixels: size.pixelCount),
                imageCount: count, size: size)
            let read = try outputs.map { try result($0, count: count, of: imageCount) }
            if results.isEmpty {
                results = read
            } else {
                for index in results.indices { results[index].values += read[index].values }
            }
        }
        return results
    }

    private func check(channels: Int, size: Extent2D) throws {
        func refuse(_ expected: String, _ found: String) -> InferenceError {
            .invalidImages(path: path, input: description.inputName, expected: expected, found: found)
        }
        guard channels == description.channelCount else {
            throw refuse("\(description.channelCount) channels", "\(channels)")
        }
        guard size.height > 0, size.width > 0 else { throw refuse("pixels", "images of \(size)") }
        guard !description.isSizeFixed || size == description.inputSize else {
            throw refuse("\(description.usualSize) pixels", "\(size)")
        }
    }

    private func result(_ output: VisionOutput, count: Int, of imageCount: Int) throws -> VisionResult {
        let values = try backend.readFloats(output.values)
        switch output.layout {
        case .rows: return VisionResult(name: output.name, shape: [imageCount] + output.extents, values: values)
        case .pixels:
            let (channels, pixels) = (output.extents[0], output.extents[1] * output.extents[2])
            return VisionResult(
                name: output.name, shape: [imageCount] + output.extents,
                values: Layout.channelsFirst(values, imageCount: count, channels: channels, pixels: pixels))
        }
    }

    /// Orders of an image's numbers.
    private enum Layout {
        /// `[B, C, P]` as `[B, P, C]`.
        static func channelsLast(
            _ values: ArraySlice<Float>, imageCount: Int, channels: Int, pixels: Int
        ) -> [Float] {
            transposed(values, imageCount: imageCount, rows: channels, columns: pixels)
        }

        /// `[B, P, C]` as `[B, C, P]`.
        static func channelsFirst(_ values: [Float], imageCount: Int, channels: Int, pixels: Int) -> [Float] {
            transposed(values[...], imageCount: imageCount, rows: pixels, columns: channels)
        }

        private static func transposed(
            _ values: ArraySlice<Float>, imageCount: Int, rows: Int, columns: Int
        ) -> [Float] {
            if rows == 1 || columns == 1 { return Array(values) }
            return [Float](unsafeUninitializedCapacity: values.count) { target, initialized in
                values.withUnsafeBufferPointer { source in
                    for image in 0..<imageCount {
                        let start = image * rows * columns
                        for column in 0..<columns {
                            for row in 0..<rows {
                                target[start + column * rows + row] = source[start + row * columns + column]
                            }
                        }
                    }
                }
                initialized = values.count
            }
        }
    }
}

extension VisionTask {
    /// What a model of this task does, in a few words.
    public var summary: String {
        switch self {
        case .classification: "classifies images"
        case .generation: "makes images"
        case .features: "makes features of images"
        }
    }

    /// The command that fits it.
    public var command: String {
        switch self {
        case .classification: "classify --image"
        case .generation: "imagine"
        case .features: "embed --image"
        }
    }
}
