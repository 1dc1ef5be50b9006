/// The height and width of an image, a kernel or a step, in pixels.
public struct Extent2D: Sendable, Hashable, CustomStringConvertible {
    public var height: Int
    public var width: Int

    public init(height: Int, width: Int) {
        self.height = height
        self.width = width
    }

    /// The same in both directions.
    public init(_ size: Int) { self.init(height: size, width: size) }

    /// The product; `nil` where it overflows or an extent is negative.
    public var checkedPixelCount: Int? { Shape(checking: [height, width])?.elementCount }
    /// - Precondition: the product fits an `Int`.
    public var pixelCount: Int { height * width }

    public var description: String { "\(height)x\(width)" }
}

/// A window that slides over images, and the grid of its positions.
///
/// Tap `(i, j)` of the window at grid position `(y, x)` lies on pixel
/// `(y · stride.height - padding.height + i · dilation.height, x · stride.width - padding.width + j · dilation.width)`;
/// taps outside of the image are padding.
public struct ImageWindow: Sendable, Hashable {
    /// `B`, the images.
    public var imageCount: Int
    /// What the window slides over.
    public var image: Extent2D
    /// Positions of the window.
    public var grid: Extent2D
    /// Taps of the window.
    public var kernel: Extent2D
    public var stride: Extent2D
    /// Pixels of padding above and to the left; below and to the right it is as much as the grid asks for.
    public var padding: Extent2D
    public var dilation: Extent2D

    public init(
        imageCount: Int, image: Extent2D, grid: Extent2D, kernel: Extent2D, stride: Extent2D = Extent2D(1),
        padding: Extent2D = Extent2D(0), dilation: Extent2D = Extent2D(1)
    ) {
        self.imageCount = imageCount
        self.image = image
        self.grid = grid
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
    }

    /// Rows of a tensor of the images' pixels, `B · H · W`.
    public var imageRows: Int { imageCount * image.pixelCount }
    /// Rows of a tensor of the grids, `B · H' · W'`.
    public var gridRows: Int { imageCount * grid.pixelCount }
    public var tapCount: Int { kernel.pixelCount }

    /// Whether every window is one pixel, each in its place.
    public var isPointwise: Bool {
        tapCount == 1 && stride == Extent2D(1) && padding == Extent2D(0) && image == grid
    }

    /// The number of windows along one side of `size` pixels, or `nil` where not one fits; as `torch.nn.MaxPool2d` counts
    /// them, a last window may start in the image and end beyond (`roundsUp`), but none starts in the padding behind it.
    public static func positions(
        size: Int, kernel: Int, stride: Int, padding: Int, dilation: Int = 1, roundsUp: Bool = false
    ) -> Int? {
        guard size > 0, kernel > 0, stride > 0, padding >= 0, dilation > 0 else { return nil }
        let (reach, overflow) = (kernel - 1).multipliedReportingOverflow(by: dilation)
        let span = size.addingReportingOverflow(2 * padding)
        guard !overflow, !span.overflow, span.partialValue > reach else { return nil }
        let rest = span.partialValue - reach - 1
        var count = (roundsUp ? (rest + stride - 1) / stride : rest / stride) + 1
        if roundsUp, (count - 1) * stride >= size + padding { count -= 1 }
        return count
    }
}
