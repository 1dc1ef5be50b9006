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
        let contextLength = min(options.contextLength ?? description.maxContextLength, shape.blockCount * blockSize)
        let passTokenCount = min(options.passTokenCount, max(contextLength * options.sequenceCount, 1))
        self.backend = backend
        limits = PassLimits(
            tokenCount: max(passTokenCount, rowCount), logitRowCount: rowCount, contextLength: contextLength)
        try backend.reserve(
            description.limits(
                tokenCount: limits.tokenCount,
                // The last layer attends for the rows whose logits are wanted, each as a sequence of its own.
                sequenceCount: max(options.sequenceCount, rowCount), contextLength: contextLength,
                adapterRank: adapters?.maximumRank ?? 0))
        model = try plan.load(
            checkpoint,
            to: LoadTarget(
                backend: backend, limits: limits, format: options.weightFormat, precision: options.precision,
                adapters: adapters))
        cache = try KVCacheStorage(shape, on: backend)
        uploader = try BatchUploader(
            backend: backend, tokenCount: limits.tokenCount, sequenceCount: options.sequenceCount,
            blockCount: (contextLength + blockSize - 1) / blockSize, logitRowCount: rowCount)
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
