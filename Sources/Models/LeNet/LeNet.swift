import ModelIO
import TensorCore

extension VisionArchitecture {
    /// LeNet-5 (LeCun, Bottou, Bengio and Haffner, 1998), with a plain linear layer at the end.
    ///
    ///     h = pool(act(conv 5x5(x)));  h = pool(act(conv 5x5(h)));  logits = fc3(act(fc2(act(fc1(flatten(h))))))
    ///
    /// Images of less than 32 pixels are padded by two on each side, as the paper does with digits of 28.
    static func leNet(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let channels = try file.keys.optionalSize("num_channels") ?? 1
        let size = try file.keys.optionalSize("image_size") ?? 28
        let activation = try file.activation("hidden_act", default: "tanh")
        let pooling = try file.keys.optionalString("pooling") ?? "average"
        guard ["average", "avg", "max"].contains(pooling) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "pooling", value: pooling, supported: ["average", "max"])
        }
        let labels = try file.imageLabels(default: 10)
        let description = VisionDescription(
            architecture: file.modelType, task: .classification, channelCount: channels, inputSize: Extent2D(size),
            isSizeFixed: true, labels: labels)
        return VisionArchitecture(description: description) { net, x in
            func pool(_ x: FeatureMap) throws -> FeatureMap {
                pooling == "max"
                    ? try net.maxPool(x, Sliding(2, stride: 2)) : try net.averagePool(x, Sliding(2, stride: 2))
            }
            func width(_ name: String, _ usual: Int) -> Int { net.extents(of: name + ".weight")?.first ?? usual }
            var h = try net.convolution(
                x, "conv1", outputs: width("conv1", 6), Sliding(5, padding: size < 32 ? 2 : 0), activation: activation)
            h = try pool(h)
            h = try net.convolution(h, "conv2", outputs: width("conv2", 16), Sliding(5), activation: activation)
            h = try pool(h)
            var y = try net.linear(
                h.flattened, "fc1", outputs: width("fc1", 120), flattening: h, activation: activation)
            y = try net.linear(y, "fc2", outputs: width("fc2", 84), activation: activation)
            return [.vector("logits", try net.linear(y, "fc3", outputs: labels.count))]
        }
    }
}
