import KVCache
import ModelIO
import Models
import TensorCore

/// What passes of one model need on the device: the model, its cache, and the memory of batches, logits and candidates.
/// Allocated once.
final class DecoderRunner: Sendable {
    let backend: any Backend
    let model: any DecoderModel
    let cache: KVCacheStorage
    let limits: PassLimits
    private let uploader: BatchUploader
    private let logits: Tensor
    private let topValues: Tensor
    private let topIndices: Tensor
    let maxTopK: Int
    /// The encoder before the decoder; `nil`: there is none.
    private let source: SourceEncoder?

    /// Target tokens of a pass of an encoder-decoder, where it has not more sequences: few are ever computed again.
    private static let targetTokenCount = 64
    /// Tokens whose keys and values are gathered together.
    private static let historyTokenCount = 4096

    /// Tokens of the sources that one pass encodes; 0: there is no encoder.
    var sourceTokenCount: Int { source?.tokenCount ?? 0 }

    /// - Parameters:
    ///   - logitRowCount: the most rows of one pass whose logits are wanted.
    init(
        _ plan: DecoderPlan, checkpoint: Checkpoint, on backend: any Backend, options: EngineOptions,
        logitRowCount rowCount: Int, adapters: AdapterSet? = nil
    ) throws {
        let description = plan.description
        try options.validate(maxContextLength: description.maxContextLength)
        let blockSize = options.blockSizeInTokens
        let shape = options.cacheShape(of: description, weights: checkpoint)
        let sides = description.source == nil ? 1 : 2
        let contextLength = min(
            options.contextLength ?? description.maxContextLength, max(shape.blockCount / sides, 1) * blockSize)
        var passTokenCount = min(options.passTokenCount, max(contextLength * options.sequenceCount, 1))
        if sides > 1 { passTokenCount = min(passTokenCount, DecoderRunner.targetTokenCount) }
        self.backend = backend
        limits = PassLimits(
            tokenCount: max(passTokenCount, rowCount), logitRowCount: rowCount, contextLength: contextLength)
        var scratch = description.limits(
            tokenCount: limits.tokenCount,
            // The last layer attends for the rows whose logits are wanted, each as a sequence of its own.
            sequenceCount: max(options.sequenceCount, rowCount), contextLength: contextLength,
            adapterRank: adapters?.maximumRank ?? 0)
        var target = LoadTarget(
            backend: backend, limits: limits, format: options.weightFormat, precision: options.precision,
            adapters: adapters)
        var targetPlan: BatchUploader.TargetPlan?
        if let source = description.source {
            try DecoderRunner.validate(options, source)
            let sourceTokenCount = max(contextLength, options.passTokenCount)
            let historyTokenCount = source.hasPositionBias ? max(contextLength, DecoderRunner.historyTokenCount) : 0
            // Each target token looks at its source as a sequence of its own.
            scratch = scratch.union(
                source.limits(
                    tokenCount: sourceTokenCount, sequenceCount: max(limits.tokenCount, options.sequenceCount)))
            target.limits = PassLimits(
                tokenCount: sourceTokenCount, logitRowCount: limits.tokenCount, contextLength: contextLength,
                historyTokenCount: historyTokenCount)
            targetPlan = BatchUploader.TargetPlan(
                historyTokenCount: historyTokenCount, headCount: source.headCount, blockSizeInTokens: blockSize)
        }
        try backend.reserve(scratch)
        model = try plan.load(checkpoint, to: target)
        cache = try KVCacheStorage(shape, on: backend)
        source = try (model as? SourceDecoder).map {
            try SourceEncoder(
                $0, on: backend, tokenCount: target.limits.tokenCount, sequenceCount: options.sequenceCount)
        }
        uploader = try BatchUploader(
            backend: backend, tokenCount: limits.tokenCount, sequenceCount: options.sequenceCount,
            blockCount: (contextLength + blockSize - 1) / blockSize, logitRowCount: rowCount, target: targetPlan)
        maxTopK = backend.capabilities.maxTopK
        var workspacePlan = WorkspacePlan()
        let logits = workspacePlan.float32([rowCount, description.vocabularySize])
        let topValues = workspacePlan.float32([rowCount, min(maxTopK, description.vocabularySize)])
        let topIndices = workspacePlan.int32([rowCount, min(maxTopK, description.vocabularySize)])
        let workspace = try workspacePlan.allocate(on: backend)
        self.logits = workspace[logits]
        self.topValues = workspace[topValues]
        self.topIndices = workspace[topIndices]
    }

    private static func validate(_ options: EngineOptions, _ source: EncoderDecoderDescription) throws {
        guard source.hasPositionBias, let type = options.cacheType, type != .float32 else { return }
        throw InferenceError.invalidParameter(
            name: "kv-dtype", value: type.rawValue,
            expected: "float32, as the relative positions of '\(source.architecture)' need it")
    }

    /// Encodes sources into their slots of the cache. Does not block.
    func encode(_ encodings: [SourceEncoding]) throws {
        guard !encodings.isEmpty else { return }
        try source?.encode(encodings, into: cache)
    }

    /// Runs one pass and leaves the logits of the batch's rows on the device. Does not block.
    func run(_ batch: HostBatch) throws -> Tensor {
        let rows = logits.rows(0..<batch.logitRows.count)
        try model.forward(uploader.upload(batch), cache: cache, logits: rows)
        return rows
    }

    /// Runs one pass and leaves the hidden states of the batch's rows, `[R, D]`, on the device; `nil` where there are none.
    /// Does not block.
    func hiddenStates(_ batch: HostBatch) throws -> Tensor? {
        try model.hiddenStates(uploader.upload(batch), cache: cache)
    }

    /// The `count` most likely tokens of each row. Blocks.
    func topK(_ logits: Tensor, count: Int) throws -> [[Candidate]] {
        let shape: Shape = [logits.rows, count]
        let values = Tensor(buffer: topValues.buffer, byteOffset: topValues.byteOffset, dtype: .float32, shape: shape)
        let indices = Tensor(buffer: topIndices.buffer, byteOffset: topIndices.byteOffset, dtype: .int32, shape: shape)
        try backend.topK(logits, count: count, values: values, indices: indices)
        let (hostValues, hostIndices) = try backend.readTopK(values: values, indices: indices)
        return (0..<logits.rows).map { row in
            (row * count..<(row + 1) * count).map { Candidate(token: hostIndices[$0], logit: hostValues[$0]) }
        }
    }

    /// A batch of one sequence that has the cache for itself: its tokens lie one behind the other from block 0 on.
    /// - Parameters:
    ///   - positions: of the tokens, for the model.
    ///   - start: tokens of the sequence that are in the cache already.
    func singleBatch(_ tokens: [Int32], positions: [Int32], from start: Int) -> HostBatch {
        let end = start + tokens.count
        let blockSize = cache.shape.blockSizeInTokens
        var batch = HostBatch()
        batch.tokenIDs = tokens
        batch.positions = positions
        batch.slots = (Int32(start)..<Int32(end)).map { $0 }
        batch.queryCounts = [tokens.count]
        batch.contextLengths = [end]
        batch.blockTables = [(0..<Int32((end + blockSize - 1) / blockSize)).map { $0 }]
        return batch
    }
}

/// Encodes the sources of an encoder-decoder's requests, several at once.
private final class SourceEncoder: Sendable {
    let tokenCount: Int
    private let decoder: SourceDecoder
    private let sizes: EncoderDecoderDescription
    private let backend: any Backend
    private let uploader: EncoderBatchUploader
    private let slots: any DeviceBuffer

    /// - Parameter tokenCount, sequenceCount: the most tokens and sources at once.
    init(_ decoder: SourceDecoder, on backend: any Backend, tokenCount: Int, sequenceCount: Int) throws {
        guard let sizes = decoder.description.source else { preconditionFailure("a decoder without an encoder") }
        self.tokenCount = tokenCount
        self.decoder = decoder
        self.sizes = sizes
        self.backend = backend
        uploader = try EncoderBatchUploader(backend: backend, tokenCount: tokenCount, sequenceCount: sequenceCount)
        slots = try backend.makeBuffer(byteCount: tokenCount * MemoryLayout<Int32>.size)
    }

    func encode(_ encodings: [SourceEncoding], into cache: KVCacheStorage) throws {
        var batch = HostEncoderBatch()
        for encoding in encodings {
            let tokens = encoding.tokens.map(Int.init)
            batch.append(
                visible: Array(tokens.indices), tokens: tokens, positions: sizes.rows(ofPositionsOf: tokens),
                segments: [Int](repeating: 0, count: tokens.count), needsFirst: false, adapter: encoding.adapter)
        }
        let words = encodings.flatMap(\.slots)
        precondition(words.count <= tokenCount, "more tokens of sources than were planned")
        let view = Tensor(buffer: slots, byteOffset: 0, dtype: .int32, shape: [words.count])
        try words.withUnsafeBytes { try backend.write($0, to: view) }
        try decoder.encode(uploader.upload(batch), slots: view, into: cache)
    }
}
