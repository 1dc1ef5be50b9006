import TensorCore
import TestSupport
import Testing

/// One window of the conformance list, with what is computed below it.
struct WindowCase: ConformanceCase {
    var imageCount = 1
    var image: Extent2D
    var kernel: Extent2D
    var stride = Extent2D(1)
    var padding = Extent2D(0)
    var dilation = Extent2D(1)
    var channels = 3
    var outputs = 4
    var groups = 1
    var activation: Activation?
    var hasBias = true
    var gap = 0
    var roundsUp = false

    var window: ImageWindow {
        func positions(_ axis: KeyPath<Extent2D, Int>) -> Int {
            ImageWindow.positions(
                size: image[keyPath: axis], kernel: kernel[keyPath: axis], stride: stride[keyPath: axis],
                padding: padding[keyPath: axis], dilation: dilation[keyPath: axis], roundsUp: roundsUp) ?? 0
        }
        return ImageWindow(
            imageCount: imageCount, image: image,
            grid: Extent2D(height: positions(\.height), width: positions(\.width)), kernel: kernel, stride: stride,
            padding: padding, dilation: dilation)
    }
    var cost: Int { window.gridRows * window.tapCount * channels * outputs / groups }
    var name: String {
        "B=\(imageCount) \(image) kernel \(kernel) stride \(stride) padding \(padding) dilation \(dilation) C=\(channels) "
            + "N=\(outputs) G=\(groups)\(hasBias ? " bias" : "") \(activation.map { "\($0)" } ?? "") gap=\(gap)"
            + (roundsUp ? " ceil" : "")
    }

    private static func rectangle(_ height: Int, _ width: Int) -> Extent2D { Extent2D(height: height, width: width) }

    static let all: [WindowCase] = [
        WindowCase(image: Extent2D(1), kernel: Extent2D(1), channels: 1, outputs: 1),
        WindowCase(imageCount: 3, image: rectangle(5, 7), kernel: Extent2D(1), channels: 17, outputs: 33),
        WindowCase(imageCount: 2, image: rectangle(9, 5), kernel: Extent2D(1), stride: Extent2D(2), channels: 16),
        WindowCase(
            imageCount: 2, image: rectangle(8, 11), kernel: Extent2D(3), padding: Extent2D(1), channels: 15,
            outputs: 16, activation: .relu, gap: 5),
        WindowCase(
            image: rectangle(13, 17), kernel: rectangle(3, 5), stride: rectangle(2, 3), padding: rectangle(1, 2),
            dilation: rectangle(2, 1), channels: 5, outputs: 7, activation: .tanh),
        WindowCase(
            imageCount: 2, image: Extent2D(12), kernel: Extent2D(3), stride: Extent2D(2), padding: Extent2D(1),
            channels: 8, outputs: 12, groups: 4, activation: .relu6),
        WindowCase(
            imageCount: 2, image: rectangle(9, 6), kernel: Extent2D(3), padding: Extent2D(2), dilation: Extent2D(2),
            channels: 6, outputs: 6, groups: 2, hasBias: false, gap: 3),
        WindowCase(
            image: Extent2D(30), kernel: Extent2D(11), stride: Extent2D(4), padding: Extent2D(2), channels: 3,
            outputs: 17, activation: .leakyRelu),
        WindowCase(
            imageCount: 2, image: Extent2D(14), kernel: Extent2D(7), stride: Extent2D(2), padding: Extent2D(3),
            channels: 64, outputs: 65, activation: .sigmoid),
        // The window is larger than the image, and most of its taps lie in the padding.
        WindowCase(image: rectangle(2, 1), kernel: Extent2D(5), padding: Extent2D(2), channels: 33, outputs: 3),
    ]

    /// Windows that the kernels for packed weights take in other ways: in several passes over many inputs, tap by tap and
    /// line by line, and 3x3 pixels by Winograd's products.
    static let packed: [WindowCase] = [
        WindowCase(image: rectangle(3, 5), kernel: Extent2D(1), channels: 1601, outputs: 20, activation: .silu),
        WindowCase(
            image: rectangle(5, 4), kernel: Extent2D(3), stride: Extent2D(2), padding: Extent2D(1), channels: 440,
            outputs: 67, activation: .relu),
        WindowCase(
            imageCount: 2, image: rectangle(9, 11), kernel: rectangle(5, 3), padding: rectangle(2, 1), channels: 4,
            outputs: 70, activation: .geluErf),
        WindowCase(image: rectangle(12, 14), kernel: Extent2D(9), padding: Extent2D(3), channels: 20, outputs: 9),
        WindowCase(imageCount: 197, image: Extent2D(1), kernel: Extent2D(1), channels: 48, outputs: 80, gap: 1),
        WindowCase(
            imageCount: 3, image: rectangle(1, 2), kernel: Extent2D(3), padding: Extent2D(1), channels: 32, outputs: 32),
        WindowCase(
            imageCount: 2, image: rectangle(9, 14), kernel: Extent2D(3), padding: Extent2D(1), channels: 33,
            outputs: 65, activation: .relu, gap: 3),
        WindowCase(
            imageCount: 2, image: rectangle(7, 6), kernel: Extent2D(3), channels: 96, outputs: 130, groups: 2,
            activation: .silu),
        WindowCase(
            image: rectangle(22, 25), kernel: Extent2D(3), padding: rectangle(2, 1), channels: 40, outputs: 48,
            hasBias: false),
        WindowCase(
            imageCount: 9, image: Extent2D(5), kernel: Extent2D(3), padding: Extent2D(1), channels: 352, outputs: 36),
        WindowCase(
            imageCount: 2, image: rectangle(12, 11), kernel: Extent2D(3), padding: Extent2D(1), channels: 352,
            outputs: 36),
        WindowCase(
            imageCount: 2, image: rectangle(14, 13), kernel: Extent2D(3), channels: 96, outputs: 130, groups: 2,
            activation: .silu),
        // Larger maps, whose tiles are larger.
        WindowCase(
            imageCount: 2, image: rectangle(18, 23), kernel: Extent2D(3), padding: Extent2D(1), channels: 33,
            outputs: 65, activation: .relu, gap: 3),
        WindowCase(
            imageCount: 2, image: rectangle(21, 19), kernel: Extent2D(3), padding: Extent2D(1), channels: 352,
            outputs: 36),
        WindowCase(
            image: rectangle(22, 21), kernel: Extent2D(3), channels: 96, outputs: 130, groups: 2, activation: .silu),
        WindowCase(
            imageCount: 3, image: Extent2D(7), kernel: Extent2D(3), padding: Extent2D(1), channels: 130, outputs: 70,
            activation: .relu),
        // One task's windows and one more, whose panels of the weight are shared out, and of fewer panels its windows.
        WindowCase(image: rectangle(14, 14), kernel: Extent2D(1), channels: 70, outputs: 200, activation: .relu),
        WindowCase(image: rectangle(1, 199), kernel: Extent2D(1), channels: 65, outputs: 64),
    ]

    /// 3x3 pixels with steps of one, which may be computed by Winograd's products. They are exact to a few bits less.
    var isSmallWindow: Bool { kernel == Extent2D(3) && stride == Extent2D(1) && dilation == Extent2D(1) }

    /// Windows that any pooling can take.
    static let pools: [WindowCase] = [1, 3, 15, 16, 17, 65].flatMap { channels in
        [
            WindowCase(image: Extent2D(4), kernel: Extent2D(2), stride: Extent2D(2), channels: channels),
            WindowCase(
                imageCount: 2, image: rectangle(7, 10), kernel: Extent2D(3), stride: Extent2D(2),
                padding: Extent2D(1), channels: channels, gap: 3),
            WindowCase(
                imageCount: 2, image: rectangle(8, 6), kernel: rectangle(3, 2), stride: rectangle(2, 3),
                channels: channels, roundsUp: true),
            WindowCase(
                image: rectangle(10, 9), kernel: Extent2D(9), stride: Extent2D(2), padding: Extent2D(4),
                channels: channels, roundsUp: true),
        ]
    }
}
