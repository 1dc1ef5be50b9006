internal import Glibc

/// How an image is resized.
public enum ResamplingFilter: Int, Sendable, Hashable, CaseIterable {
    // By the numbers of `PIL.Image.Resampling`, which configurations hold.
    case nearest = 0
    case lanczos = 1
    case bilinear = 2
    case bicubic = 3
    case box = 4
    case hamming = 5

    /// By the names that timm uses.
    public init?(name: String) {
        switch name {
        case "nearest": self = .nearest
        case "lanczos": self = .lanczos
        case "bilinear": self = .bilinear
        case "bicubic": self = .bicubic
        case "box": self = .box
        case "hamming": self = .hamming
        default: return nil
        }
    }

    /// Half the width of the filter at a scale of 1.
    var support: Double {
        switch self {
        case .nearest, .box: 0.5
        case .bilinear, .hamming: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }

    func callAsFunction(_ position: Double) -> Double {
        let x = abs(position)
        switch self {
        case .nearest: return 0
        case .box: return position > -0.5 && position <= 0.5 ? 1 : 0
        case .bilinear: return x < 1 ? 1 - x : 0
        case .hamming:
            if x == 0 { return 1 }
            if x >= 1 { return 0 }
            let angle = x * Double.pi
            return sin(angle) / angle * (0.54 + 0.46 * cos(angle))
        case .bicubic:
            // Keys' cubic with a = -0.5.
            if x < 1 { return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1 }
            return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0
        case .lanczos:
            if x >= 3 { return 0 }
            return ResamplingFilter.sinc(position) * ResamplingFilter.sinc(position / 3)
        }
    }

    private static func sinc(_ x: Double) -> Double {
        if x == 0 { return 1 }
        let angle = x * Double.pi
        return sin(angle) / angle
    }
}

/// For each pixel of a line that is resized: which pixels of the old line it is made of, and their shares in fixed point.
private struct ResamplingTable {
    /// Bits of a share behind the point.
    private(set) var precisionBits: Int32 = 32 - 8 - 2
    private(set) var starts: [Int] = []
    private(set) var counts: [Int] = []
    /// `[pixels, width]`.
    private(set) var shares: [Int32] = []
    let width: Int

    init(_ filter: ResamplingFilter, from oldSize: Int, to newSize: Int, by arithmetic: ResamplingArithmetic) {
        let scale = Double(oldSize) / Double(newSize)
        // Smaller images are averaged: the filter grows with the scale.
        let stretch = max(scale, 1)
        let support = filter.support * stretch
        width = Int(support.rounded(.up)) * 2 + 1
        shares = [Int32](repeating: 0, count: newSize * width)
        var weights: [[Double]] = []
        for pixel in 0..<newSize {
            let center = (Double(pixel) + 0.5) * scale
            let start = max(Int(center - support + 0.5), 0)
            let count = min(Int(center + support + 0.5), oldSize) - start
            let values = (0..<count).map { filter((Double($0 + start) - center + 0.5) * (1 / stretch)) }
            let sum = values.reduce(0, +)
            weights.append(sum != 0 ? values.map { $0 / sum } : values)
            starts.append(start)
            counts.append(count)
        }
        if arithmetic == .torch {
            // As many bits as leave the largest share within 16.
            let largest = weights.joined().max() ?? 0
            precisionBits = (0..<22).first { Int(0.5 + largest * Double(1 << ($0 + 1))) >= 1 << 15 } ?? 22
        }
        for (pixel, values) in weights.enumerated() {
            for (index, weight) in values.enumerated() {
                let share = weight * Double(1 << precisionBits)
                shares[pixel * width + index] = Int32(share < 0 ? share - 0.5 : share + 0.5)
            }
        }
    }

    var half: Int32 { 1 << (precisionBits - 1) }

    func clip(_ sum: Int32) -> UInt8 { UInt8(clamping: sum >> precisionBits) }
}

/// Whose resizing is followed, to the last bit.
public enum ResamplingArithmetic: Sendable, Hashable {
    /// Pillow 13: 22-bit shares. Rows go first where they are cut by more than twice as many as columns are; versions before
    /// always began with columns, which gives other last bits.
    case pillow
    /// torch, which torchvision's tensors and the fast processors of `transformers` use: 16-bit shares, columns first.
    case torch
}

extension PixelImage {
    /// Resized: columns and rows by themselves, each with shares in fixed point and rounded to 8 bits.
    /// - Precondition: positive sizes.
    public func resized(
        width newWidth: Int, height newHeight: Int, filter: ResamplingFilter,
        by arithmetic: ResamplingArithmetic = .pillow
    ) -> PixelImage {
        precondition(newWidth > 0 && newHeight > 0, "resizing to \(newWidth) x \(newHeight)")
        if newWidth == width, newHeight == height { return self }
        if filter == .nearest { return resizedNearest(width: newWidth, height: newHeight, by: arithmetic) }
        func columns(_ image: PixelImage) -> PixelImage {
            if newWidth == width { return image }
            return image.resampledColumns(ResamplingTable(filter, from: width, to: newWidth, by: arithmetic))
        }
        func rows(_ image: PixelImage) -> PixelImage {
            if newHeight == height { return image }
            return image.resampledRows(ResamplingTable(filter, from: height, to: newHeight, by: arithmetic))
        }
        let cutsRows = newHeight < height && height - newHeight > 2 * (width - newWidth)
        return cutsRows && arithmetic == .pillow ? columns(rows(self)) : rows(columns(self))
    }

    private func resizedNearest(
        width newWidth: Int, height newHeight: Int, by arithmetic: ResamplingArithmetic
    ) -> PixelImage {
        func sources(_ old: Int, _ new: Int) -> [Int] {
            if arithmetic == .torch {
                let scale = Float(old) / Float(new)
                return (0..<new).map { min(Int((Float($0) + 0.5) * scale), old - 1) }
            }
            let scale = Double(old) / Double(new)
            // Added up step by step, so that places on the edge of two pixels fall to the same one.
            var position = scale * 0.5
            return (0..<new).map { _ in
                defer { position += scale }
                return min(Int(position), old - 1)
            }
        }
        let (columns, rows) = (sources(width, newWidth), sources(height, newHeight))
        var result: [UInt8] = []
        result.reserveCapacity(newWidth * newHeight * channelCount)
        for row in rows {
            for column in columns {
                let start = (row * width + column) * channelCount
                result.append(contentsOf: bytes[start..<start + channelCount])
            }
        }
        return PixelImage(width: newWidth, height: newHeight, channelCount: channelCount, bytes: result)
    }

    private func resampledColumns(_ table: ResamplingTable) -> PixelImage {
        let newWidth = table.starts.count
        let result = [UInt8](unsafeUninitializedCapacity: newWidth * height * channelCount) { target, initialized in
            bytes.withUnsafeBufferPointer { source in
                table.shares.withUnsafeBufferPointer { shares in
                    for y in 0..<height {
                        for x in 0..<newWidth {
                            let first = (y * width + table.starts[x]) * channelCount
                            for channel in 0..<channelCount {
                                var sum = table.half
                                for index in 0..<table.counts[x] {
                                    let value = Int32(source[first + index * channelCount + channel])
                                    sum &+= value &* shares[x * table.width + index]
                                }
                                target[(y * newWidth + x) * channelCount + channel] = table.clip(sum)
                            }
                        }
                    }
                }
            }
            initialized = newWidth * height * channelCount
        }
        return PixelImage(width: newWidth, height: height, channelCount: channelCount, bytes: result)
    }

    private func resampledRows(_ table: ResamplingTable) -> PixelImage {
        let newHeight = table.starts.count
        let stride = width * channelCount
        let result = [UInt8](unsafeUninitializedCapacity: newHeight * stride) { target, initialized in
            bytes.withUnsafeBufferPointer { source in
                var sums = [Int32](repeating: 0, count: stride)
                sums.withUnsafeMutableBufferPointer { sums in
                    for y in 0..<newHeight {
                        sums.update(repeating: table.half)
                        for index in 0..<table.counts[y] {
                            let share = table.shares[y * table.width + index]
                            let row = (table.starts[y] + index) * stride
                            for x in 0..<stride { sums[x] &+= Int32(source[row + x]) &* share }
                        }
                        for x in 0..<stride { target[y * stride + x] = table.clip(sums[x]) }
                    }
                }
            }
            initialized = newHeight * stride
        }
        return PixelImage(width: width, height: newHeight, channelCount: channelCount, bytes: result)
    }
}
