import ModelIO
import TensorCore

extension NetworkBuilder {
    /// Tokens of a transformer: learned ones, then a line of patches, with a learned position added to each.
    func tokens(_ patches: FeatureMap, learned: [String], positions: String) throws -> FeatureMap {
        let (count, width) = (learned.count + patches.size.pixelCount, patches.channels)
        let output = try map(size: Extent2D(height: 1, width: count), channels: width)
        let images = imageCount
        let tables = try weights.map { weights in
            (
                try weights.tensor(positions) {
                    try weights.positions(positions, learned: learned, count: count, width: width)
                },
                // One row number for each token of each image.
                try weights.tensor("tokens \(count) \(images)") {
                    let rows = (0..<images * count).map { Int32($0 % count) }
                    return try weights.loader.target.backend.makeTensor(rows, [rows.count])
                },
                try weights.tensor("ones \(width)") {
                    try weights.loader.target.backend.makeTensor([Float](repeating: 1, count: width), [width])
                }
            )
        }
        let scratch = try map(size: patches.size, channels: width)
        let first = learned.count
        add(
            positions, "tokens", [patches, scratch], output, parameters: (count + first) * width,
            with: tables
        ) { tables, backend, memory in
            let (table, rows, ones) = tables
            let target = memory[output]
            try backend.gatherRows(table, rows: rows, into: target)
            let (source, spare) = (memory[patches], memory[scratch])
            let perImage = count - first
            for image in 0..<images {
                let part = image * perImage..<(image + 1) * perImage
                let tokens = target.rows(image * count + first..<(image + 1) * count)
                // The norm's sum of its two inputs is what is wanted of it.
                try backend.rmsNorm(
                    source.rows(part), residual: tokens, sum: tokens, weight: ones, epsilon: 1,
                    into: spare.rows(part))
            }
        }
        return output
    }

    /// Attention of all tokens of an image to all of them. `projections` are query, key and value, one behind the other.
    /// - Parameter isCausal: whether a token sees only those before it, and itself.
    func attention(
        _ projections: FeatureMap, name: String, headCount: Int, isCausal: Bool = false
    ) throws -> FeatureMap {
        let (tokens, width) = (projections.size.pixelCount, projections.channels / 3)
        let output = try map(size: projections.size, channels: width)
        let images = imageCount
        reserve(heads: headCount, headSize: width / headCount, contextLength: tokens)
        let parameters = EncoderAttentionParameters(
            headCount: headCount, scale: 1 / Float(width / headCount).squareRoot(), isCausal: isCausal)
        let batch = try weights.map { try $0.attentionBatch(imageCount: images, tokens: tokens) }
        add(
            name, "attention of \(headCount) heads", [projections], output, multiplyAdds: 2 * tokens * tokens * width,
            with: batch
        ) { batch, backend, memory in
            let rows = memory[projections]
            try backend.encoderAttention(
                query: rows.columns(0..<width), key: rows.columns(width..<2 * width),
                value: rows.columns(2 * width..<3 * width), batch: batch, parameters: parameters, bias: nil,
                into: memory[output])
        }
        return output
    }
}

extension VisionWeights {
    /// The positions of all tokens, with the learned tokens added to the first ones.
    fileprivate func positions(_ name: String, learned: [String], count: Int, width: Int) throws -> Tensor {
        var table = try floats(name, count: count * width)
        for (row, token) in learned.enumerated() {
            let values = try floats(token, count: width)
            for column in 0..<width { table[row * width + column] += values[column] }
        }
        return try loader.target.backend.makeTensor(table, [count, width])
    }

    /// The elements of a tensor that some checkpoints store with extents of 1 before the others.
    private func floats(_ name: String, count: Int) throws -> [Float] {
        guard let tensor = file.find(name) else {
            return try file.vector(name, count: count)
        }
        guard tensor.shape.elementCount == count else {
            throw LoadError.shapeMismatch(name: tensor.name, expected: [count], found: tensor.shape.extents)
        }
        return try file.floats(tensor)
    }

    /// Images of `tokens` tokens each.
    fileprivate func attentionBatch(imageCount: Int, tokens: Int) throws -> EncoderAttentionBatch {
        let offsets = try tensor("offsets \(imageCount) \(tokens)") {
            let values = (0...imageCount).map { Int32($0 * tokens) }
            return try loader.target.backend.makeTensor(values, [values.count])
        }
        let ranges = try tensor("ranges \(imageCount) \(tokens)") {
            let values = (0..<imageCount).flatMap { [Int32($0 * tokens), Int32(($0 + 1) * tokens)] }
            return try loader.target.backend.makeTensor(values, [imageCount, 2])
        }
        return EncoderAttentionBatch(
            queryOffsets: offsets, keyRanges: ranges, tokenCount: imageCount * tokens, maxQueryCount: tokens,
            maxKeyCount: tokens)
    }
}
