import ModelIO
import TensorCore

extension VisionArchitecture {
    /// The generator of a DCGAN. (Radford, Metz and Chintala, 2016)
    ///
    ///     h = relu(norm(deconv 4x4(z)));  each further layer: h = relu(norm(deconv 4x4 stride 2(h)));  tanh at the end
    ///
    /// `channels` are those of the layers but the last, which has `num_channels`. Each layer but the first doubles the size.
    /// Tensors are called `deconv1`, `bn1` …, or as in PyTorch's example `main.0`, `main.1` ….
    static func dcgan(_ file: ModelConfiguration) throws -> VisionArchitecture {
        guard file.isArchitecture("Generator", default: true) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "architectures", value: file.architectures[0], supported: ["DCGANGenerator"])
        }
        let latents = try file.keys.size("latent_dim")
        let colours = try file.keys.optionalSize("num_channels") ?? 3
        guard let widths = try file.keys.integers("channels", in: 1...SizeLimit.width), !widths.isEmpty,
            widths.count < 32
        else { throw file.keys.missing(["channels"]) }
        let size = try file.keys.optionalSize("image_size")
        if let size, size != 4 << widths.count {
            throw LoadError.contradiction(
                path: file.path, keys: ["image_size", "channels"],
                reason: "\(widths.count + 1) layers make images of \(4 << widths.count) pixels, not \(size)")
        }
        let description = VisionDescription(
            architecture: file.modelType, task: .generation, channelCount: latents, inputSize: Extent2D(1),
            isSizeFixed: true, labels: [])
        return VisionArchitecture(description: description) { net, z in
            let isSequence = net.contains("main.0.weight")
            var h = z
            for (index, width) in (widths + [colours]).enumerated() {
                let isLast = index == widths.count
                h = try net.transposedConvolution(
                    h, isSequence ? "main.\(3 * index)" : "deconv\(index + 1)", outputs: width,
                    index == 0 ? Sliding(4) : Sliding(4, stride: 2, padding: 1),
                    norm: isLast ? nil : BatchNorm(name: isSequence ? "main.\(3 * index + 1)" : "bn\(index + 1)"),
                    activation: isLast ? .tanh : .relu)
            }
            return [.pixels("images", h)]
        }
    }
}
