/// What happens to an image before a model sees it, step by step, as `transformers` does it with Pillow.
public struct ImagePreprocessor: Sendable, Hashable {
    /// The size that an image is resized to.
    public enum Size: Sendable, Hashable {
        case exactly(width: Int, height: Int)
        /// The shorter side, the other in proportion; of a longer side over `longest` both are made smaller.
        case shortestEdge(Int, longest: Int?)
    }

    /// `nil`: images stay as large as they are.
    public var resize: Size?
    public var filter: ResamplingFilter
    /// Width and height of the part in the middle that is kept; `nil`: all.
    public var crop: CropSize?
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
        resize: Size?, filter: ResamplingFilter = .bilinear, crop: CropSize? = nil, rescaleFactor: Double? = 1 / 255,
        mean: [Double]? = nil, deviation: [Double]? = nil, channelCount: Int = 3, putsTransparencyOnWhite: Bool = false
    ) {
        self.resize = resize
        self.filter = filter
        self.crop = crop
        self.rescaleFactor = rescaleFactor
        self.mean = mean
        self.deviation = deviation
        self.channelCount = channelCount
        self.putsTransparencyOnWhite = putsTransparencyOnWhite
    }

    /// Resized and cropped; values are still bytes.
    public func pixels(of image: PixelImage) -> PixelImage {
        var image = channelCount == 1 ? image.grey : putsTransparencyOnWhite ? image.onWhite : image.rgb
        if let resize {
            let size = ImagePreprocessor.size(resize, width: image.width, height: image.height)
            image = image.resized(width: size.width, height: size.height, filter: filter)
        }
        if let crop { image = image.centerCrop(width: crop.width, height: crop.height) }
        return image
    }

    /// Rescaled and normalised values of prepared pixels, `[channels, height, width]`.
    public func values(of image: PixelImage) -> [Float] {
        let (channels, pixels) = (image.channelCount, image.width * image.height)
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
        values.reserveCapacity(channels * pixels)
        for channel in 0..<channels {
            for pixel in 0..<pixels { values.append(table[channel][Int(image.bytes[pixel * channels + channel])]) }
        }
        return values
    }

    /// The width and height that an image of another size gets.
    static func size(_ wanted: Size, width: Int, height: Int) -> (width: Int, height: Int) {
        switch wanted {
        case .exactly(let width, let height): return (width, height)
        case .shortestEdge(let edge, let longest):
            let (short, long) = (min(width, height), max(width, height))
            var (newShort, newLong) = (edge, bounded(Double(edge) * Double(long) / Double(short)))
            if let longest, newLong > longest {
                (newShort, newLong) = (max(bounded(Double(longest) * Double(newShort) / Double(newLong)), 1), longest)
            }
            return width <= height ? (newShort, newLong) : (newLong, newShort)
        }
    }

    /// A side cut to a whole number; a strip of one pixel is not stretched without bound.
    private static func bounded(_ size: Double) -> Int { Int(min(size, 0x1p20)) }
}
