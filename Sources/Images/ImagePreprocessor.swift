/// What happens to an image before a model sees it, step by step, as `transformers` does it with Pillow.
public struct ImagePreprocessor: Sendable, Hashable {
    /// The size that an image is resized to.
    public enum Size: Sendable, Hashable {
        case exactly(width: Int, height: Int)
        /// The shorter side, the other in proportion; of a longer side over `longest` both are made smaller.
        case shortestEdge(Int, longest: Int?)
        /// As large as fits in, in proportion; cut to whole numbers (`max_height` and `max_width` of `transformers`).
        case within(width: Int, height: Int)
        /// As large as fits in, in proportion; rounded (timm's border mode).
        case fitting(width: Int, height: Int)
        /// As small as covers it, in proportion; rounded (timm's, where width and height differ).
        case covering(width: Int, height: Int)
    }

    /// `nil`: images stay as large as they are.
    public var resize: Size?
    public var filter: ResamplingFilter
    public var arithmetic: ResamplingArithmetic
    /// Width and height of the part in the middle that is kept, one crop after another.
    public var crops: [CropSize]
    public var cropRounding: CropRounding
    /// The colour around an image that is smaller than what is kept of it; `nil`: black.
    public var borderColour: [UInt8]?
    /// The size that values are padded to with zeros, on the right and below, after they were normalised; `nil`: none.
    public var padding: CropSize?
    /// Multiplies each value; `nil`: values stay 0 to 255.
    public var rescaleFactor: Double?
    /// Of each channel, or one for all; `nil`: no normalisation.
    public var mean: [Double]?
    public var deviation: [Double]?
    /// 1: grey; 3: red, green, blue.
    public var channelCount: Int
    /// Whether a colour that the file calls transparent becomes white (`do_convert_rgb` of `transformers`).
    public var putsTransparencyOnWhite: Bool

    public struct CropSize: Sendable, Hashable {
        public var width: Int
        public var height: Int

        public init(width: Int, height: Int) {
            self.width = width
            self.height = height
        }
    }

    public init(
        resize: Size?, filter: ResamplingFilter = .bilinear, arithmetic: ResamplingArithmetic = .pillow,
        crops: [CropSize] = [],
        cropRounding: CropRounding = .numPy, borderColour: [UInt8]? = nil, padding: CropSize? = nil,
        rescaleFactor: Double? = 1 / 255, mean: [Double]? = nil, deviation: [Double]? = nil, channelCount: Int = 3,
        putsTransparencyOnWhite: Bool = false
    ) {
        self.resize = resize
        self.filter = filter
        self.arithmetic = arithmetic
        self.crops = crops
        self.cropRounding = cropRounding
        self.borderColour = borderColour
        self.padding = padding
        self.rescaleFactor = rescaleFactor
        self.mean = mean
        self.deviation = deviation
        self.channelCount = channelCount
        self.putsTransparencyOnWhite = putsTransparencyOnWhite
    }

    /// Resized and cropped; values are still bytes.
    /// - Throws: `ImageError.doesNotFit` for more pixels than values are padded to.
    public func pixels(of image: PixelImage) throws(ImageError) -> PixelImage {
        var image = channelCount == 1 ? image.grey : putsTransparencyOnWhite ? image.onWhite : image.rgb
        if let resize {
            let size = ImagePreprocessor.size(resize, width: image.width, height: image.height)
            image = image.resized(
                width: size.width, height: size.height, filter: filter, by: arithmetic)
        }
        for crop in crops {
            image = image.centerCrop(
                width: crop.width, height: crop.height, rounding: cropRounding, borderColour: borderColour)
        }
        if let padding, image.width > padding.width || image.height > padding.height {
            throw .doesNotFit(
                width: image.width, height: image.height, largestWidth: padding.width, largestHeight: padding.height)
        }
        return image
    }

    /// The width and height of the values of prepared pixels.
    public func size(of image: PixelImage) -> CropSize {
        padding ?? CropSize(width: image.width, height: image.height)
    }

    /// Rescaled, normalised and padded values of prepared pixels, `[channels, height, width]`.
    public func values(of image: PixelImage) -> [Float] {
        let (channels, size) = (image.channelCount, size(of: image))
        // Every byte has one value a channel.
        let table = (0..<channels).map { channel in
            (0..<256).map { value in
                // As NumPy: the product in double, then float32 throughout.
                var result = Float(Double(value) * (rescaleFactor ?? 1))
                if let mean, let deviation {
                    result =
                        (result - Float(mean[channel % mean.count]))
                        / Float(deviation[channel % deviation.count])
                }
                return result
            }
        }
        var values: [Float] = []
        values.reserveCapacity(channels * size.width * size.height)
        for channel in 0..<channels {
            for row in 0..<image.height {
                let start = row * image.width * channels + channel
                for column in 0..<image.width {
                    values.append(table[channel][Int(image.bytes[start + column * channels])])
                }
                values.append(contentsOf: repeatElement(0, count: size.width - image.width))
            }
            values.append(contentsOf: repeatElement(0, count: (size.height - image.height) * size.width))
        }
        return values
    }

    /// The width and height that an image of another size gets.
    static func size(_ wanted: Size, width: Int, height: Int) -> (width: Int, height: Int) {
        func divided(by ratio: Double) -> (width: Int, height: Int) {
            (
                bounded((Double(width) / ratio).rounded(.toNearestOrEven)),
                bounded((Double(height) / ratio).rounded(.toNearestOrEven))
            )
        }
        switch wanted {
        case .exactly(let width, let height): return (width, height)
        case .within(let most, let highest):
            let scale = min(Double(highest) / Double(height), Double(most) / Double(width))
            return (bounded(Double(width) * scale), bounded(Double(height) * scale))
        case .fitting(let most, let highest):
            return divided(by: max(Double(height) / Double(highest), Double(width) / Double(most)))
        case .covering(let least, let lowest):
            return divided(by: min(Double(height) / Double(lowest), Double(width) / Double(least)))
        case .shortestEdge(let edge, let longest):
            let (short, long) = (min(width, height), max(width, height))
            var (newShort, ratio) = (edge, Double(edge))
            if let longest, Double(long) / Double(short) * Double(edge) > Double(longest) {
                ratio = Double(longest) * Double(short) / Double(long)
                newShort = max(Int(ratio.rounded(.toNearestOrEven)), 1)
            }
            let newLong = newShort == short ? long : bounded(ratio * Double(long) / Double(short))
            return width <= height ? (newShort, newLong) : (newLong, newShort)
        }
    }

    /// A side as a whole number, at least 1; a strip of one pixel is not stretched without bound.
    private static func bounded(_ size: Double) -> Int { Int(min(max(size, 1), 0x1p20)) }
}
