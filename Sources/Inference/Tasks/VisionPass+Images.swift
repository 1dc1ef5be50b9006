public import Images
internal import TensorCore

extension VisionPass {
    /// The results for images of any sizes, an array for each: prepared, and computed with those of the same size. Blocks.
    ///
    /// Each result is that of one image: the first extent of its shape is 1.
    /// - Throws: as `run(_:imageCount:channels:size:)`; `ImageError.doesNotFit`.
    public func run(_ images: [PixelImage], preparedBy preprocessor: ImagePreprocessor) throws -> [[VisionResult]] {
        let prepared = try images.map { try preprocessor.pixels(of: $0) }
        var answers = [[VisionResult]](repeating: [], count: images.count)
        let sizes = Dictionary(grouping: prepared.indices) { preprocessor.size(of: prepared[$0]) }
        for (size, places) in sizes.sorted(by: { $0.value[0] < $1.value[0] }) {
            let values = places.flatMap { preprocessor.values(of: prepared[$0]) }
            let results = try run(
                values, imageCount: places.count, channels: preprocessor.channelCount,
                size: Extent2D(height: size.height, width: size.width))
            for result in results {
                let count = result.values.count / places.count
                for (row, place) in places.enumerated() {
                    answers[place].append(
                        VisionResult(
                            name: result.name, shape: [1] + result.shape.dropFirst(),
                            values: Array(result.values[row * count..<(row + 1) * count])))
                }
            }
        }
        return answers
    }
}
