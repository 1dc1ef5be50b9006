extension PixelImage {
    /// Images of one size beside and below each other, black between them.
    ///
    /// - Parameters:
    ///   - columns: images of a row.
    ///   - gap: pixels between two images.
    /// - Precondition: images, all of one size and as many channels.
    public init(grid images: [PixelImage], columns: Int, gap: Int = 2) {
        precondition(!images.isEmpty && columns > 0 && gap >= 0, "a grid of \(images.count) images")
        let (width, height, channels) = (images[0].width, images[0].height, images[0].channelCount)
        precondition(
            images.allSatisfy { ($0.width, $0.height, $0.channelCount) == (width, height, channels) },
            "images of different sizes")
        let columns = min(columns, images.count)
        let rows = (images.count + columns - 1) / columns
        let (totalWidth, totalHeight) = (columns * (width + gap) - gap, rows * (height + gap) - gap)
        var bytes = [UInt8](repeating: 0, count: totalWidth * totalHeight * channels)
        for (index, image) in images.enumerated() {
            let left = index % columns * (width + gap)
            let top = index / columns * (height + gap)
            for y in 0..<height {
                let target = ((top + y) * totalWidth + left) * channels
                let source = y * width * channels
                bytes.replaceSubrange(
                    target..<target + width * channels, with: image.bytes[source..<source + width * channels])
            }
        }
        self.init(width: totalWidth, height: totalHeight, channelCount: channels, bytes: bytes)
    }
}
