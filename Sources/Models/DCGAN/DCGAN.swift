import ModelIO
import TensorCore

extension VisionArchitecture {
    /// Either half of a DCGAN, as `architectures` says. (Radford, Metz and Chintala, 2016)
    static func dcgan(_ file: ModelConfiguration) throws -> VisionArchitecture {
        if file.isArchitecture("Generator", default: true) { return try dcganGenerator(file) }
        if file.isArchitecture("Discriminator", default: false) { return try dcganDiscriminator(file) }
        throw LoadError.unsupportedValue(
            path: file.path, key: "architectures", value: file.architectures[0],
            supported: ["DCGANGenerator", "DCGANDiscriminator"])
    }

    /// The generator.
    ///
    ///     h = relu(norm(deconv 4x4(z)));  each further layer: h = relu(norm(deconv 4x4 stride 2(h)));  tanh at the end
    ///
    /// `channels` are those of the layers but the last, which has `num_channels`. Each layer but the first doubles the size.
    /// Tensors are called `deconv1`, `bn1` …, or as in PyTorch's example `main.0`, `main.1` …. With `id2label`, a number for
    /// each label follows on those of the latent vector: 1 for the label that is wanted. (Mirza and Osindero, 2014)
    private static func dcganGenerator(_ file: ModelConfiguration) throws -> VisionArchitecture {
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
        let labels = file.keys.value("id2label") == nil ? [] : try file.labels()
        let description = VisionDescription(
            architecture: file.modelType, task: .generation, channelCount: latents + labels.count,
            inputSize: Extent2D(1), isSizeFixed: true, labels: labels)
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

    /// The discriminator: how real an image is.
    ///
    ///     h = leaky relu(conv 4x4 stride 2(x));  each further layer: h = leaky relu(norm(conv 4x4 stride 2(h)));  sigmoid of
    ///     one convolution 4x4 of what is left
    ///
    /// Channels are those of the tensors, which are called `conv1`, `conv2`, `bn2` …, or as in PyTorch's example `main.0`,
    /// `main.2`, `main.3` ….
    private static func dcganDiscriminator(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let size = try file.keys.optionalSize("image_size") ?? 64
        guard size >= 8, size.nonzeroBitCount == 1 else {
            throw LoadError.invalidValue(
                path: file.path, key: "image_size", expected: "a power of two from 8 on", found: "\(size)")
        }
        let description = VisionDescription(
            architecture: file.modelType, task: .classification,
            channelCount: try file.keys.optionalSize("num_channels") ?? 3, inputSize: Extent2D(size),
            isSizeFixed: true, labels: ["real"], pixelMean: [0.5], pixelDeviation: [0.5])
        return VisionArchitecture(description: description) { net, x in
            let isSequence = net.contains("main.0.weight")
            var (h, index) = (x, 0)
            func name(_ index: Int) -> String {
                isSequence ? "main.\(index == 0 ? 0 : 3 * index - 1)" : "conv\(index + 1)"
            }
            while h.size.height > 4 {
                let norm = isSequence ? "main.\(3 * index)" : "bn\(index + 1)"
                h = try net.convolution(
                    h, name(index), Sliding(4, stride: 2, padding: 1),
                    norm: index == 0 ? nil : BatchNorm(name: norm), activation: .leakyRelu)
                index += 1
            }
            return [.vector("logits", try net.convolution(h, name(index), outputs: 1, Sliding(4)))]
        }
    }
}
