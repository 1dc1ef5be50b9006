internal import Models
internal import TensorCore

/// A model and a backend that compute one pass of an encoder at a time.
struct EncoderLane: Sendable {
    let backend: any Backend
    let model: any EncoderModel
    private let uploader: EncoderBatchUploader

    init(_ model: any EncoderModel, on backend: any Backend, limits: PassLimits) throws {
        self.model = model
        self.backend = backend
        uploader = try EncoderBatchUploader(
            backend: backend, tokenCount: limits.tokenCount, sequenceCount: limits.logitRowCount)
    }

    /// One pass. Blocks.
    func run(_ batch: HostEncoderBatch, of inputs: ArraySlice<EncoderInput>) throws -> [EncoderResult] {
        let outputs = try model.forward(try uploader.upload(batch))
        return try outputs.map { output in
            let values = try backend.readFloats(output.values)
            let width = output.values.columns
            let texts = inputs.enumerated().map { index, input in
                switch output.rows {
                case .sequences, .targets: return Array(values[index * width..<(index + 1) * width])
                case .tokens:
                    let first = batch.keyRanges[index].lowerBound
                    if input.mask == nil, input.unseenCount == 0 {
                        return Array(values[first * width..<(first + input.tokens.count) * width])
                    }
                    var text = [Float](repeating: 0, count: input.tokens.count * width)
                    for (row, place) in zip(first..., input.visible + input.unseen) {
                        text.replaceSubrange(
                            place * width..<(place + 1) * width, with: values[row * width..<(row + 1) * width])
                    }
                    return text
                }
            }
            return EncoderResult(
                name: output.name, rows: output.rows, width: width, isScalar: output.isScalar, values: texts)
        }
    }
}
