public import TensorCore

extension Reference {
    public static func scaleChannels(_ x: Matrix, by scales: Matrix) -> Matrix {
        var result = x
        for row in 0..<x.rows {
            for c in 0..<x.columns { result[row, c] *= scales[row / (x.rows / scales.rows), c] }
        }
        return result
    }

    public static func resize(
        _ x: Matrix, imageCount: Int, image: Extent2D, grid: Extent2D, interpolation: ImageInterpolation
    ) -> Matrix {
        /// Old lines with the share of each.
        func sources(_ position: Int, _ size: Int, _ newSize: Int) -> [(line: Int, share: Double)] {
            let place: Double
            switch interpolation {
            case .nearest: return [(position * size / newSize, 1)]
            case .bilinear: place = max((Double(position) + 0.5) * Double(size) / Double(newSize) - 0.5, 0)
            case .bilinearAlignedCorners:
                place = newSize == 1 ? 0 : Double(position * (size - 1)) / Double(newSize - 1)
            }
            let share = place - place.rounded(.down)
            return [(Int(place), 1 - share), (min(Int(place) + 1, size - 1), share)]
        }
        var result = Matrix(rows: imageCount * grid.pixelCount, columns: x.columns)
        for row in 0..<result.rows {
            let (index, place) = (row / grid.pixelCount, row % grid.pixelCount)
            for (line, top) in sources(place / grid.width, image.height, grid.height) {
                for (column, left) in sources(place % grid.width, image.width, grid.width) {
                    let source = (index * image.height + line) * image.width + column
                    for c in 0..<x.columns { result[row, c] += top * left * x[source, c] }
                }
            }
        }
        return result
    }

    public static func pixelShuffle(_ x: Matrix, imageCount: Int, image: Extent2D, factor: Int) -> Matrix {
        let channels = x.columns / (factor * factor)
        let (height, width) = (image.height * factor, image.width * factor)
        var result = Matrix(rows: imageCount * height * width, columns: channels)
        for pixel in 0..<x.rows {
            let index = pixel / image.pixelCount
            let (y, column) = (pixel % image.pixelCount / image.width, pixel % image.width)
            for c in 0..<channels {
                for i in 0..<factor {
                    for j in 0..<factor {
                        result[(index * height + y * factor + i) * width + column * factor + j, c] =
                            x[pixel, (c * factor + i) * factor + j]
                    }
                }
            }
        }
        return result
    }
}
