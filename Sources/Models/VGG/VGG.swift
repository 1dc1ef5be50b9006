import ModelIO
import TensorCore

extension VisionArchitecture {
    /// VGG by the names of torchvision and timm. (Simonyan and Zisserman, 2015)
    ///
    ///     each stage: h = max pool(relu(conv 3x3(… relu(conv 3x3(h)))));  logits = three linear layers of 7 x 7 means
    ///
    /// - Parameters:
    ///   - depths: convolutions of each stage.
    ///   - hasNorms: whether a batch norm follows on each.
    static func vgg(_ file: ModelConfiguration, depths: [Int], hasNorms: Bool) throws -> VisionArchitecture {
        let description = try file.torchDescription()
        return VisionArchitecture(description: description) { net, x in
            var h = x
            // Convolution, norm, ReLU and pooling are counted in one sequence.
            var index = 0
            for depth in depths {
                for _ in 0..<depth {
                    h = try net.convolution(
                        h, "features.\(index)", Sliding(3, padding: 1), hasBias: true,
                        norm: hasNorms ? BatchNorm(name: "features.\(index + 1)") : nil, activation: .relu)
                    index += hasNorms ? 3 : 2
                }
                h = try net.maxPool(h, Sliding(2, stride: 2))
                index += 1
            }
            if net.contains("pre_logits.fc1.weight") {
                // timm writes the first two as convolutions, which smaller images are stretched for.
                let size = Extent2D(height: max(h.size.height, 7), width: max(h.size.width, 7))
                h = try net.adaptiveAveragePool(h, to: size)
                h = try net.convolution(h, "pre_logits.fc1", Sliding(7), activation: .relu)
                h = try net.convolution(h, "pre_logits.fc2", Sliding(1), activation: .relu)
                return [try net.head(try net.adaptiveAveragePool(h), "head.fc", of: description)]
            }
            h = try net.adaptiveAveragePool(h, to: Extent2D(7))
            var y = try net.linear(
                h.flattened, "classifier.0", outputs: try net.outputs(of: "classifier.0"), hasBias: true,
                flattening: h, activation: .relu)
            y = try net.linear(
                y, "classifier.3", outputs: try net.outputs(of: "classifier.3"), hasBias: true, activation: .relu)
            return [try net.head(y, "classifier.6", of: description)]
        }
    }

    /// AlexNet as torchvision has it, the one-column form without local response norms. (Krizhevsky, 2014)
    static func alexNet(_ file: ModelConfiguration) throws -> VisionArchitecture {
        let description = try file.torchDescription()
        return VisionArchitecture(description: description) { net, x in
            func convolution(_ h: FeatureMap, _ index: Int, _ sliding: Sliding) throws -> FeatureMap {
                try net.convolution(h, "features.\(index)", sliding, hasBias: true, activation: .relu)
            }
            var h = try convolution(x, 0, Sliding(11, stride: 4, padding: 2))
            h = try net.maxPool(h, Sliding(3, stride: 2))
            h = try convolution(h, 3, Sliding(5, padding: 2))
            h = try net.maxPool(h, Sliding(3, stride: 2))
            h = try convolution(h, 6, Sliding(3, padding: 1))
            h = try convolution(h, 8, Sliding(3, padding: 1))
            h = try convolution(h, 10, Sliding(3, padding: 1))
            h = try net.maxPool(h, Sliding(3, stride: 2))
            h = try net.adaptiveAveragePool(h, to: Extent2D(6))
            var y = try net.linear(
                h.flattened, "classifier.1", outputs: try net.outputs(of: "classifier.1"), hasBias: true,
                flattening: h, activation: .relu)
            y = try net.linear(
                y, "classifier.4", outputs: try net.outputs(of: "classifier.4"), hasBias: true, activation: .relu)
            return [try net.head(y, "classifier.6", of: description)]
        }
    }
}
