internal import Foundation
public import Images
internal import Models
public import TensorCore

/// Makes images of latent vectors.
public struct ImageGenerator: Sendable {
    private let pass: VisionPass

    /// Numbers of a latent vector.
    public var latentCount: Int { pass.description.latentCount }
    /// What can be asked for; empty for a generator that makes what it likes.
    public var labels: [String] { pass.description.labels }

    /// Loads a model. Blocks.
    /// - Throws: `InferenceError.wrongTask` for a model of another task; `LoadError`.
    public init(_ package: ModelPackage, on backend: any Backend, options: EngineOptions = EngineOptions()) throws {
        try package.requireVision(.generation, for: "imagine")
        pass = try VisionPass(package, on: backend, options: options)
    }

    /// Latent vectors of standard normal numbers; the `index`-th of a seed is the same however many there are.
    public func latents(seed: UInt64, count: Int) -> [[Float]] {
        let random = CounterRandom(seed: seed)
        return (0..<count).map { index in
            (0..<latentCount).map { place in
                // Box and Muller's transform, of two numbers for one.
                let step = 2 * (index * latentCount + place)
                let radius = (-2 * log(1 - random.uniform(step: step))).squareRoot()
                return Float(radius * cos(2 * Double.pi * random.uniform(step: step + 1)))
            }
        }
    }

    /// The latent vector at `share` of the way from one to another, on the arc between them: so it is as long as those that the
    /// generator has learned from. (White, 2016)
    public static func between(_ first: [Float], _ second: [Float], share: Double) -> [Float] {
        precondition(first.count == second.count, "latent vectors of different sizes")
        if share <= 0 { return first }
        if share >= 1 { return second }
        func product(_ a: [Float], _ b: [Float]) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        let lengths = (product(first, first) * product(second, second)).squareRoot()
        let angle = acos(min(max(lengths > 0 ? product(first, second) / lengths : 1, -1), 1))
        let sine = sin(angle)
        // Of vectors in one line there is no arc.
        let shares =
            sine > 1e-6
            ? (sin((1 - share) * angle) / sine, sin(share * angle) / sine) : (1 - share, share)
        return zip(first, second).map { Float(shares.0 * Double($0) + shares.1 * Double($1)) }
    }

    /// An image for each latent vector. Values from -1 to 1 become bytes. Blocks.
    ///
    /// - Parameter wanted: places in `labels`, which the images take in turn; empty: all labels in turn.
    /// - Throws: `LoadError`, `BackendError`; `InferenceError` for images that are neither grey nor coloured.
    public func images(of latents: [[Float]], labels wanted: [Int] = []) throws -> [PixelImage] {
        let wanted = wanted.isEmpty ? Array(labels.indices) : wanted
        let inputs = latents.enumerated().flatMap { index, latent in
            latent + labels.indices.map { $0 == wanted[index % wanted.count] ? 1 : 0 }
        }
        let results = try pass.run(
            inputs, imageCount: latents.count, channels: latentCount + labels.count, size: Extent2D(1))
        guard let images = results.first else { return [] }
        let (channels, height, width) = (images.shape[1], images.shape[2], images.shape[3])
        guard channels == 1 || channels == 3 else {
            throw InferenceError.invalidParameter(
                name: "num_channels", value: "\(channels)", expected: "1 or 3, to be shown as an image")
        }
        let perImage = channels * height * width
        return latents.indices.map { index in
            let values = images.values[index * perImage..<(index + 1) * perImage]
            return ImageGenerator.image(Array(values), width: width, height: height, channels: channels)
        }
    }

    private static func image(_ values: [Float], width: Int, height: Int, channels: Int) -> PixelImage {
        let pixels = width * height
        var bytes = [UInt8](repeating: 0, count: values.count)
        for channel in 0..<channels {
            for pixel in 0..<pixels {
                let value = values[channel * pixels + pixel]
                // NaN stays black.
                let scaled = value.isNaN ? 0 : min(max((value + 1) * 127.5, 0), 255)
                bytes[pixel * channels + channel] = UInt8(scaled.rounded())
            }
        }
        return PixelImage(width: width, height: height, channelCount: channels, bytes: bytes)
    }
}
