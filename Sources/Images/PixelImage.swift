/// An image of 8-bit pixels.
public struct PixelImage: Sendable, Hashable {
    public let width: Int
    public let height: Int
    /// 1: grey; 3: red, green and blue.
    public let channelCount: Int
    /// `[height, width, channelCount]`.
    public let bytes: [UInt8]
    /// Red, green and blue of a colour that the image's file calls transparent; `nil` where it names none.
    public let transparentColour: [UInt8]?

    /// - Precondition: as many bytes as the extents say, and 1 or 3 channels.
    public init(
        width: Int, height: Int, channelCount: Int, bytes: [UInt8], transparentColour: [UInt8]? = nil
    ) {
        precondition(channelCount == 1 || channelCount == 3, "\(channelCount) channels")
        precondition(
            width > 0 && height > 0 && bytes.count == width * height * channelCount,
            "\(bytes.count) bytes for \(width) x \(height) pixels")
        self.width = width
        self.height = height
        self.channelCount = channelCount
        self.bytes = bytes
        self.transparentColour = transparentColour
    }

    /// With three channels, and white where the transparent colour is.
    public var onWhite: PixelImage {
        let image = rgb
        guard let transparentColour, transparentColour.count == 3 else { return image }
        var bytes = image.bytes
        for pixel in stride(from: 0, to: bytes.count, by: 3)
        where bytes[pixel..<pixel + 3].elementsEqual(transparentColour) {
            for channel in 0..<3 { bytes[pixel + channel] = 255 }
        }
        return PixelImage(width: width, height: height, channelCount: 3, bytes: bytes)
    }

    /// With three channels.
    public var rgb: PixelImage {
        if channelCount == 3 { return self }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(3 * self.bytes.count)
        for value in self.bytes {
            bytes.append(value)
            bytes.append(value)
            bytes.append(value)
        }
        return PixelImage(width: width, height: height, channelCount: 3, bytes: bytes)
    }

    /// With one channel: `0.299 R + 0.587 G + 0.114 B` in 16-bit fixed point, as Pillow computes it. (ITU-R BT.601)
    public var grey: PixelImage {
        if channelCount == 1 { return self }
        let grey = (0..<width * height).map { pixel in
            let (red, green, blue) = (Int(bytes[3 * pixel]), Int(bytes[3 * pixel + 1]), Int(bytes[3 * pixel + 2]))
            return UInt8((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16)
        }
        return PixelImage(width: width, height: height, channelCount: 1, bytes: grey)
    }

    /// Turned and mirrored such that it is upright, by the number that EXIF gives its orientation; others than 2...8 change
    /// nothing. (CIPA DC-008, tag 0x0112)
    public func upright(orientation: Int) -> PixelImage {
        guard (2...8).contains(orientation) else { return self }
        let isTurned = orientation > 4
        let (newWidth, newHeight) = isTurned ? (height, width) : (width, height)
        var turned: [UInt8] = []
        turned.reserveCapacity(bytes.count)
        for y in 0..<newHeight {
            for x in 0..<newWidth {
                let (column, row) =
                    switch orientation {
                    case 2: (width - 1 - x, y)
                    case 3: (width - 1 - x, height - 1 - y)
                    case 4: (x, height - 1 - y)
                    case 5: (y, x)
                    case 6: (y, height - 1 - x)
                    case 7: (width - 1 - y, height - 1 - x)
                    default: (width - 1 - y, x)
                    }
                let start = (row * width + column) * channelCount
                turned.append(contentsOf: bytes[start..<start + channelCount])
            }
        }
        return PixelImage(
            width: newWidth, height: newHeight, channelCount: channelCount, bytes: turned,
            transparentColour: transparentColour)
    }

    /// The part of `newWidth` x `newHeight` pixels in the middle, with a border where that leaves the image.
    /// - Parameter borderColour: as many values as channels; `nil`: black.
    public func centerCrop(
        width newWidth: Int, height newHeight: Int, rounding: CropRounding = .numPy, borderColour: [UInt8]? = nil
    ) -> PixelImage {
        if newWidth == width, newHeight == height { return self }
        let (top, left) = (rounding.start(height, newHeight), rounding.start(width, newWidth))
        var cropped: [UInt8]
        if let borderColour, borderColour.count == channelCount {
            cropped = Array(repeatElement(borderColour, count: newWidth * newHeight).joined())
        } else {
            cropped = [UInt8](repeating: 0, count: newWidth * newHeight * channelCount)
        }
        let columns = max(left, 0)..<max(min(left + newWidth, width), max(left, 0))
        for y in 0..<newHeight where (0..<height).contains(top + y) {
            let source = ((top + y) * width + columns.lowerBound) * channelCount
            let target = (y * newWidth + columns.lowerBound - left) * channelCount
            let count = columns.count * channelCount
            cropped.replaceSubrange(target..<target + count, with: bytes[source..<source + count])
        }
        return PixelImage(width: newWidth, height: newHeight, channelCount: channelCount, bytes: cropped)
    }
}

/// Where the middle lies when it is half a pixel off: the libraries differ.
public enum CropRounding: Sendable, Hashable {
    /// The processors of `transformers` on NumPy: one pixel more in front of a small image, one fewer of a large one.
    case numPy
    /// The processors of `transformers` on torch: one pixel fewer in front of either.
    case torch
    /// torchvision's transforms, timm's too: as `torch`, but of a large image the half goes to the even number.
    case torchvision

    /// The first of `wanted` pixels in the middle of `size`; negative: pixels in front of it.
    func start(_ size: Int, _ wanted: Int) -> Int {
        let missing = wanted - size
        if missing > 0 { return self == .numPy ? -((missing + 1) / 2) : -(missing / 2) }
        return self == .torchvision ? Int((Double(-missing) / 2).rounded(.toNearestOrEven)) : -missing / 2
    }
}
