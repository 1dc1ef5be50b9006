import Images
import Testing

@Suite("resampling")
struct ResamplingTests {
    /// A line of four grey pixels, and what Pillow 13 makes of it.
    static let line = PixelImage(width: 4, height: 1, channelCount: 1, bytes: [0, 50, 200, 255])

    static let expected: [(filter: ResamplingFilter, bytes: [UInt8])] = [
        (.nearest, [50, 255]), (.nearest, [0, 200, 255]), (.nearest, [0, 0, 50, 50, 200, 255, 255]),
        (.lanczos, [34, 218]), (.lanczos, [0, 125, 255]), (.lanczos, [0, 4, 42, 124, 209, 250, 255]),
        (.bilinear, [50, 202]), (.bilinear, [15, 125, 239]), (.bilinear, [0, 18, 46, 125, 204, 235, 255]),
        (.bicubic, [37, 215]), (.bicubic, [4, 125, 250]), (.bicubic, [0, 9, 43, 125, 207, 244, 255]),
        (.box, [25, 228]), (.box, [0, 125, 255]), (.box, [0, 0, 50, 200, 200, 255, 255]),
        (.hamming, [32, 220]), (.hamming, [8, 125, 247]), (.hamming, [0, 10, 50, 125, 200, 244, 255]),
    ]

    @Test("lines as Pillow resizes them, and columns the same", arguments: expected)
    func resizesLines(filter: ResamplingFilter, bytes: [UInt8]) {
        #expect(Self.line.resized(width: bytes.count, height: 1, filter: filter).bytes == bytes)
        let column = PixelImage(width: 1, height: 4, channelCount: 1, bytes: Self.line.bytes)
        #expect(column.resized(width: 1, height: bytes.count, filter: filter).bytes == bytes)
    }

    @Test("lines as torch resizes them, in other last bits")
    func resizesLikeTorch() {
        let line = PixelImage(width: 5, height: 1, channelCount: 1, bytes: [134, 233, 38, 22, 247])
        let torch = line.resized(width: 7, height: 1, filter: .bicubic, by: .torch).bytes
        #expect(torch == [128, 202, 194, 38, 4, 120, 255])
        #expect(line.resized(width: 7, height: 1, filter: .bicubic).bytes == [128, 202, 193, 38, 4, 120, 255])
        let pair = PixelImage(width: 2, height: 1, channelCount: 1, bytes: [0, 9])
        #expect(pair.resized(width: 7, height: 1, filter: .nearest, by: .torch).bytes == [0, 0, 0, 9, 9, 9, 9])
        #expect(pair.resized(width: 7, height: 1, filter: .nearest).bytes == [0, 0, 0, 0, 9, 9, 9])
    }

    @Test("the middle, with black where it leaves the image")
    func crops() {
        #expect(Self.line.centerCrop(width: 2, height: 1).bytes == [50, 200])
        #expect(Self.line.centerCrop(width: 3, height: 1).bytes == [0, 50, 200])
        #expect(Self.line.centerCrop(width: 7, height: 1).bytes == [0, 0, 0, 50, 200, 255, 0])
        #expect(Self.line.centerCrop(width: 2, height: 2).bytes == [0, 0, 50, 200])
    }

    @Test("EXIF's eight orientations")
    func turns() {
        let image = PixelImage(width: 2, height: 3, channelCount: 1, bytes: [1, 2, 3, 4, 5, 6])
        let upright: [[UInt8]] = [
            [1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5], [6, 5, 4, 3, 2, 1], [5, 6, 3, 4, 1, 2], [1, 3, 5, 2, 4, 6],
            [5, 3, 1, 6, 4, 2], [6, 4, 2, 5, 3, 1], [2, 4, 6, 1, 3, 5],
        ]
        for (index, bytes) in upright.enumerated() {
            let turned = image.upright(orientation: index + 1)
            #expect(turned.bytes == bytes)
            #expect(turned.width == (index < 4 ? 2 : 3))
        }
    }
}
