internal import ModelIO
public import Models
internal import Synchronization
public import TensorCore

/// One text for an encoder, as ids.
public struct EncoderInput: Sendable {
    /// `[T]` ids; token `t` stands at place `t`.
    public var tokens: [Int]
    /// `[T]`; a token whose mask is false is seen by no other. `nil`: all true.
    public var mask: [Bool]?
    /// `[T]` segments (`token_type_ids`); `nil`: all 0.
    public var segments: [Int]?
    /// Tokens at the end that see all others, while none sees them.
    public var unseenCount: Int

    public init(tokens: [Int], mask: [Bool]? = nil, segments: [Int]? = nil, unseenCount: Int = 0) {
        self.tokens = tokens
        self.mask = mask
        self.segments = segments
        self.unseenCount = unseenCount
    }

    /// The places that others see.
    var visible: [Int] {
        let seen = tokens.indices.dropLast(unseenCount)
        return mask.map { mask in seen.filter { mask[$0] } } ?? Array(seen)
    }

    /// The places that see others without being seen.
    var unseen: [Int] { Array(tokens.indices.suffix(unseenCount)) }
}

/// A named result for some texts, on the host.
public struct EncoderResult: Sendable {
    /// As Hugging Face names it, such as `last_hidden_state`.
    public let name: String
    /// Whether there is a row for each token, or one for each text.
    public let rows: EncoderOutput.Rows
    /// The numbers of a row.
    public let width: Int
    /// Whether each row is one number rather than a vector of one.
    public let isScalar: Bool
    /// For each text, its rows one behind the other. Rows of hidden tokens are zero.
    public var values: [[Float]]
}

/// Runs an encoder over texts. Texts share passes as far as the pass's tokens allow; many passes run beside each other where
/// the backend has lanes. How texts are divided into passes does not depend on the number of threads.
public final class EncoderPass: Sendable {
    public let description: EncoderDescription
    /// Computes one pass after another, on all threads.
    private let main: EncoderLane
    /// Compute passes beside each other; empty until there are passes enough.
    private let lanes = Mutex<[EncoderLane]>([])
    private let limits: PassLimits
    /// Tokens of a pass, unless one text has more.
    private let passTokenCount: Int

    /// What the outputs of a pass may take, and the activations of all lanes.
    private static let outputByteCount = 64 << 20
    private static let laneByteCount = 512 << 20
    private static let passSequenceCount = 256
    /// On processors the activations of more tokens leave a core's cache.
    private static let laneTokenCount = 192

    /// Loads a model onto a backend. Blocks.
    /// - Parameter longest: tokens of the longest text that it will be given.
    /// - Throws: `LoadError`, `BackendError`, `InferenceError`.
    public init(
        _ package: ModelPackage, on backend: any Backend, longest: Int, options: EngineOptions = EngineOptions()
    ) throws {
        let plan = try package.encoderPlan()
        description = plan.description
        let affordable = EncoderPass.outputByteCount / (MemoryLayout<Float>.size * description.outputSize)
        let most = backend is any LanedBackend ? EncoderPass.laneTokenCount : .max
        passTokenCount = max(min(options.passTokenCount, affordable, most), 1)
        // A text whose first token is hidden takes no more rows than it has tokens.
        let longest = max(min(longest, description.positionCount), 1)
        let tokenCount = max(longest, passTokenCount)
        limits = PassLimits(
            tokenCount: tokenCount, logitRowCount: min(EncoderPass.passSequenceCount, tokenCount),
            contextLength: longest)
        try backend.reserve(
            description.limits(tokenCount: limits.tokenCount, sequenceCount: limits.logitRowCount))
        var target = LoadTarget(
            backend: backend, limits: limits, format: options.weightFormat,
            precision: options.precision.forEncoder)
        target.leastRoundedWeightCount = MatmulPrecision.leastEncoderWeightsWorthRounding
        main = try EncoderLane(try plan.load(package.checkpoint, to: target), on: backend, limits: limits)
    }

    /// The model's outputs for texts, in their order. Blocks.
    /// - Throws: `InferenceError` for ids or segments out of range, or a text that is too long or all hidden;
    ///   `BackendError`.
    public func run(_ inputs: [EncoderInput]) throws -> [EncoderResult] {
        for (row, input) in inputs.enumerated() { try check(input, row: row) }
        let parts = divide(inputs)
        var results: [EncoderResult] = []
        for part in try run(parts, of: inputs) {
            if results.isEmpty {
                results = part
            } else {
                for index in results.indices { results[index].values += part[index].values }
            }
        }
        return results
    }

    /// Texts worth handing over at once, so that there are passes enough for all lanes.
    var usefulTokenCount: Int { 4 * laneCount * passTokenCount }

    /// Threads that the backend gives to passes beside each other; 1: none.
    var laneCount: Int {
        guard let backend = main.backend as? any LanedBackend else { return 1 }
        let byteCount = description.activationByteCount(tokenCount: limits.tokenCount)
        return byteCount <= EncoderPass.laneByteCount / backend.laneCount ? backend.laneCount : 1
    }

    /// The texts of each pass.
    private func divide(_ inputs: [EncoderInput]) -> [Range<Int>] {
        var parts: [Range<Int>] = []
        var start = 0
        var tokenCount = 0
        for (index, input) in inputs.enumerated() {
            // No more rows than tokens, though the first one be hidden and wanted.
            let count = input.tokens.count
            let isFull = tokenCount + count > passTokenCount || index - start == limits.logitRowCount
            if index > start, isFull {
                parts.append(start..<index)
                (start, tokenCount) = (index, 0)
            }
            tokenCount += count
        }
        if start < inputs.count { parts.append(start..<inputs.count) }
        return parts
    }

    /// The results of each pass. What lanes cannot share evenly, and the first pass of all, which packs the weights, is computed
    /// on all threads before.
    private func run(_ parts: [Range<Int>], of inputs: [EncoderInput]) throws -> [[EncoderResult]] {
        let count = laneCount
        guard count > 1, parts.count >= 2 * count else { return try parts.map { try run(inputs[$0], on: main) } }
        let known = lanes.withLock { $0 }
        let isFirst = known.count != count
        let shared = max(parts.count % count, isFirst ? 1 : 0)
        var results = try parts[..<shared].map { try run(inputs[$0], on: main) }
        let lanes = isFirst ? try makeLanes() : known
        results += try ConcurrentTasks.map(parts[shared...], on: lanes.count) { worker, part in
            try run(inputs[part], on: lanes[worker])
        }
        return results
    }

    private func makeLanes() throws -> [EncoderLane] {
        guard let backend = main.backend as? any LanedBackend else { return [main] }
        let made = try backend.makeLanes().map {
            try EncoderLane(try main.model.twin(on: $0), on: $0, limits: limits)
        }
        lanes.withLock { $0 = made }
        return made
    }

    private func run(_ inputs: ArraySlice<EncoderInput>, on lane: EncoderLane) throws -> [EncoderResult] {
        var batch = HostEncoderBatch()
        for input in inputs {
            batch.append(
                visible: input.visible, unseen: input.unseen, tokens: input.tokens,
                positions: description.positions(of: input.tokens), segments: segments(of: input),
                needsFirst: description.readsFirstToken)
        }
        return try lane.run(batch, of: inputs)
    }

    /// The given segments, where the model knows any.
    private func segments(of input: EncoderInput) -> [Int] {
        let given = description.segmentCount > 0 ? input.segments : nil
        return given ?? [Int](repeating: 0, count: input.tokens.count)
    }

    private func check(_ input: EncoderInput, row: Int) throws {
        let count = input.tokens.count
        precondition(input.mask.map { $0.count == count } ?? true, "mask and tokens differ in length")
        precondition(
            input.unseenCount == 0 || !description.seesWindow, "tokens that none sees need attention to all others")
        precondition(input.segments.map { $0.count == count } ?? true, "segments and tokens differ in length")
        let visible = input.visible
        guard !visible.isEmpty else { throw InferenceError.nothingVisible(row: row) }
        if description.seesWindow, let first = visible.first, let last = visible.last {
            let isFirstMissing = description.readsFirstToken && first != 0
            guard last - first + 1 == visible.count, !isFirstMissing else {
                throw InferenceError.hiddenInside(row: row)
            }
        }
        // The first token may be computed though it is hidden.
        let used = [0] + visible + input.unseen
        if let id = used.map({ input.tokens[$0] }).first(where: { !(0..<description.vocabularySize).contains($0) }) {
            throw InferenceError.tokenOutOfRange(id: id, vocabularySize: description.vocabularySize)
        }
        let positions = description.positions(of: input.tokens)
        guard count <= limits.contextLength, used.allSatisfy({ positions[$0] < description.positionCount }) else {
            throw InferenceError.rowTooLong(row: row, tokenCount: count, maximum: description.maxTokenCount)
        }
        if description.segmentCount > 0, let segments = input.segments,
            let id = used.map({ segments[$0] }).first(where: { !(0..<description.segmentCount).contains($0) })
        {
            throw InferenceError.segmentOutOfRange(id: id, segmentCount: description.segmentCount)
        }
    }
}
