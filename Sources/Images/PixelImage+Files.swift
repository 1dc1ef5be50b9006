internal import CImageCodecs

extension PixelImage {
    /// The most pixels that are read: as many as Pillow takes before it calls a file a decompression bomb.
    public static let maximumPixelCount = 178_956_970

    /// Decodes a PNG or JPEG file as Pillow's `convert("RGB")` sees it behind `exif_transpose`: grey stays grey, palettes are
    /// looked up, alpha is left out (but a single transparent colour is kept in mind), CMYK is converted without profiles, and the orientation of EXIF is followed.
    ///
    /// - Parameter path: what errors call the file.
    /// - Throws: `ImageError`.
    public init(decoding bytes: [UInt8], path: String) throws {
        let isPNG = bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
        guard isPNG || bytes.starts(with: [0xFF, 0xD8, 0xFF]) else { throw ImageError.unknownFormat(path: path) }
        var pixels = image_pixels()
        let status = bytes.withUnsafeBufferPointer { source in
            isPNG
                ? image_read_png(source.baseAddress, source.count, UInt64(Self.maximumPixelCount), &pixels)
                : image_read_jpeg(source.baseAddress, source.count, UInt64(Self.maximumPixelCount), &pixels)
        }
        defer { image_free(&pixels) }
        guard status == IMAGE_OK else { throw PixelImage.error(status, pixels, isPNG: isPNG, path: path) }
        let decoded = PixelImage(pixels)
        let orientation = ExifOrientation.find(in: bytes, isPNG: isPNG)
        self = decoded.upright(orientation: orientation ?? 1)
    }

    private init(_ pixels: image_pixels) {
        let (width, height) = (Int(pixels.width), Int(pixels.height))
        let source = UnsafeBufferPointer(start: pixels.pixels, count: width * height * Int(pixels.colours.rawValue))
        let isCMYK = pixels.colours == IMAGE_CMYK
        self.init(
            width: width, height: height, channelCount: isCMYK ? 3 : Int(pixels.colours.rawValue),
            bytes: isCMYK ? PixelImage.rgb(invertedCMYK: source) : Array(source),
            transparentColour: pixels.has_transparent_colour
                ? withUnsafeBytes(of: pixels.transparent_colour) { Array($0) } : nil)
    }

    /// Each colour as `255 - k - c · (255 - k) / 255`, with Pillow's rounding; the file holds what is left of 255.
    private static func rgb(invertedCMYK source: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.count / 4 * 3)
        for pixel in stride(from: 0, to: source.count, by: 4) {
            let white = Int(source[pixel + 3])
            for channel in 0..<3 {
                let product = (255 - Int(source[pixel + channel])) * white + 128
                bytes.append(UInt8(clamping: white - ((product >> 8) + product) >> 8))
            }
        }
        return bytes
    }

    private static func error(
        _ status: image_status, _ pixels: image_pixels, isPNG: Bool, path: String
    ) -> ImageError {
        let reason = text(pixels.reason)
        switch status {
        case IMAGE_LIBRARY_MISSING:
            return .libraryMissing(package: isPNG ? "libpng16-16" : "libjpeg62-turbo", reason: reason)
        case IMAGE_TOO_LARGE:
            return .tooLarge(
                path: path, width: Int(pixels.width), height: Int(pixels.height), maximumPixelCount: maximumPixelCount)
        case IMAGE_OUT_OF_MEMORY: return .outOfMemory(path: path)
        default: return .broken(path: path, format: isPNG ? "PNG" : "JPEG", reason: reason)
        }
    }

    /// The image as a PNG file.
    /// - Parameter path: what errors call it.
    /// - Throws: `ImageError`.
    public func png(path: String) throws -> [UInt8] {
        var file = image_file()
        let status = bytes.withUnsafeBufferPointer { source in
            image_write_png(
                source.baseAddress, UInt32(width), UInt32(height), channelCount == 1 ? IMAGE_GREY : IMAGE_RGB, &file)
        }
        defer { image_free_file(&file) }
        let reason = PixelImage.text(file.reason)
        switch status {
        case IMAGE_OK: return Array(UnsafeBufferPointer(start: file.bytes, count: file.count))
        case IMAGE_LIBRARY_MISSING: throw ImageError.libraryMissing(package: "libpng16-16", reason: reason)
        case IMAGE_OUT_OF_MEMORY: throw ImageError.outOfMemory(path: path)
        default: throw ImageError.unwritable(path: path, reason: reason)
        }
    }

    /// A C array of characters that ends with a zero, in one line.
    private static func text<Characters>(_ characters: Characters) -> String {
        withUnsafeBytes(of: characters) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }.map { $0 < 0x20 ? 0x20 : $0 }, as: UTF8.self)
        }
    }
}
