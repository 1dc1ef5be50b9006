import ModelIO
import TensorCore

extension NetworkBuilder {
    /// Tokens of a transformer: learned ones, of which a tensor may hold several, then a line of patches, with a learned
    /// position added to each.
    /// - Parameter patches: a pixel each.
    func tokens(_ patches: FeatureMap, learned: [String], positions: TokenPositions) throws -> FeatureMap {
        let width = patches.channels
        let first = learned.reduce(0) { $0 + learnedCount($1, width: width) }
        let count = first + patches.size.pixelCount
        let output = try map(size: Extent2D(height: 1, width: count), channels: width)
        let images = imageCount
        let tables = try weights.map { weights in
            (
                try weights.tensor("\(positions.name) \(patches.size)") {
                    let table = try weights.table(
                        positions, learned: learned, learnedCount: first, patches: patches.size, width: width)
                    return try weights.loader.target.backend.makeTensor(table, [count, width])
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
        add(
            positions.name, "tokens", [patches, scratch], output, parameters: (count + first) * width,
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

    /// The learned tokens that a tensor holds.
    func learnedCount(_ name: String, width: Int) -> Int {
        max((extents(of: name) ?? [width]).reduce(1, *) / width, 1)
    }

    /// Of each image's rows those behind the first `count`.
    func droppingRows(_ x: FeatureMap, _ count: Int) throws -> FeatureMap {
        guard count > 0 else { return x }
        let perImage = x.size.pixelCount
        let output = try map(size: Extent2D(height: 1, width: perImage - count), channels: x.channels)
        let images = imageCount
        let rows = try weights.map { weights in
            try weights.tensor("rows \(count) to \(perImage) of \(images)") {
                let rows = (0..<images).flatMap { image in (count..<perImage).map { Int32(image * perImage + $0) } }
                return try weights.loader.target.backend.makeTensor(rows, [rows.count])
            }
        }
        add("", "rows behind \(count)", [x], output, with: rows) { rows, backend, memory in
            try backend.gatherRows(memory[x], rows: rows, into: memory[output])
        }
        return output
    }

    /// The activated first half of each row times its second half.
    func gated(_ x: FeatureMap, _ activation: Activation) throws -> FeatureMap {
        let width = x.channels / 2
        let output = try map(size: x.size, channels: width)
        let (gates, values) = (x.channels(0..<width), x.channels(width..<2 * width))
        add("", "gate", [gates, values], output) { backend, memory in
            try backend.activate(memory[gates], activation, into: memory[output])
            try backend.multiply(memory[output], memory[values], into: memory[output])
        }
        return output
    }

    /// Of each image the first row, and behind it the mean of those behind the first `learnedCount`.
    func firstAndMean(_ x: FeatureMap, learnedCount: Int) throws -> FeatureMap {
        let width = x.channels
        let output = try map(size: Extent2D(1), channels: 2 * width)
        let (first, patches) = (x.firstRows, try droppingRows(x, learnedCount))
        let images = imageCount
        let rows = try weights.map { weights in
            try weights.tensor("images \(images)") {
                try weights.loader.target.backend.makeTensor((0..<Int32(images)).map { $0 }, [images])
            }
        }
        add("", "first row and mean", [first, patches], output, with: rows) { rows, backend, memory in
            try backend.gatherRows(memory[first], rows: rows, into: memory[output.channels(0..<width)])
            try backend.adaptiveAveragePool(
                memory[patches], imageCount: images, image: patches.size, grid: Extent2D(1),
                into: memory[output.channels(width..<2 * width)])
        }
        return output
    }

    /// Attention of one learned query, `probe`, to all tokens of an image; a row an image.
    /// - Parameter projections: the layer of query, key and value, one behind the other.
    func probed(_ x: FeatureMap, _ probe: String, projections: String, headCount: Int) throws -> FeatureMap {
        let (tokens, width, images) = (x.size.pixelCount, x.channels, imageCount)
        let queries = try map(size: Extent2D(1), channels: width)
        let table = try weights.map { weights in
            (
                try weights.tensor(probe) {
                    let values = try factors(probe, count: width, isNeeded: true) ?? []
                    return try weights.loader.target.backend.makeTensor(values, [1, width])
                },
                try weights.tensor("first rows \(images)") {
                    try weights.loader.target.backend.makeTensor([Int32](repeating: 0, count: images), [images])
                }
            )
        }
        add(probe, "query", [], queries, parameters: width, with: table) { table, backend, memory in
            try backend.gatherRows(table.0, rows: table.1, into: memory[queries])
        }
        let query = try linear(queries, [(projections, 3 * width)], hasBias: true)
        let all = try linear(x, [(projections, 3 * width)], hasBias: true)
        let output = try map(size: Extent2D(1), channels: width)
        reserve(heads: headCount, headSize: width / headCount, contextLength: tokens)
        let parameters = EncoderAttentionParameters(
            headCount: headCount, scale: 1 / Float(width / headCount).squareRoot())
        let batch = try weights.map { try $0.attentionBatch(imageCount: images, tokens: tokens, queryCount: 1) }
        add(
            probe, "attention of \(headCount) heads", [query, all], output, multiplyAdds: 2 * tokens * width,
            with: batch
        ) { batch, backend, memory in
            let rows = memory[all]
            try backend.encoderAttention(
                query: memory[query].columns(0..<width), key: rows.columns(width..<2 * width),
                value: rows.columns(2 * width..<3 * width), batch: batch, parameters: parameters, bias: nil,
                into: memory[output])
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
    /// The positions of all tokens, with the learned tokens added to the first `learnedCount` ones.
    fileprivate func table(
        _ positions: TokenPositions, learned: [String], learnedCount: Int, patches: Extent2D, width: Int
    ) throws -> [Float] {
        let placed = positions.learnedCount ?? learnedCount
        let stored = try floats(positions.name, count: (placed + positions.grid.pixelCount) * width)
        var table = Array(stored[..<(placed * width)])
        table += [Float](repeating: 0, count: (learnedCount - placed) * width)
        let grid = Array(stored[(placed * width)...])
        table += positions.resizing?.resized(grid, from: positions.grid, to: patches, width: width) ?? grid
        var place = 0
        for token in learned {
            let size = file.find(token).map { max($0.shape.elementCount, width) } ?? width
            for value in try floats(token, count: size) where place < table.count {
                table[place] += value
                place += 1
            }
        }
        return table
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

    /// Images of `tokens` tokens each, and of as many queries where `queryCount` does not say otherwise.
    fileprivate func attentionBatch(
        imageCount: Int, tokens: Int, queryCount: Int? = nil
    ) throws -> EncoderAttentionBatch {
        let queries = queryCount ?? tokens
        let offsets = try tensor("offsets \(imageCount) \(queries)") {
            let values = (0...imageCount).map { Int32($0 * queries) }
            return try loader.target.backend.makeTensor(values, [values.count])
        }
        let ranges = try tensor("ranges \(imageCount) \(tokens)") {
            let values = (0..<imageCount).flatMap { [Int32($0 * tokens), Int32(($0 + 1) * tokens)] }
            return try loader.target.backend.makeTensor(values, [imageCount, 2])
        }
        return EncoderAttentionBatch(
            queryOffsets: offsets, keyRanges: ranges, tokenCount: imageCount * queries, maxQueryCount: queries,
            maxKeyCount: tokens)
    }
}
