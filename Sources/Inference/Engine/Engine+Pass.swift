internal import Dispatch
internal import Grammar
internal import KVCache
internal import Models
internal import TensorCore

extension Engine {
    /// A row of logits of a pass, and what its logits are for.
    private struct LogitRow {
        let id: Int
        /// The token of the sequence whose logits these are; they predict the next one.
        let position: Int
        /// Whether the next token is chosen by it; else it only scores a token of the prompt.
        let isLast: Bool
    }

    /// One pass: schedule, run, choose tokens and deliver them. If it fails, the requests that took part end with the
    /// error.
    func runPass() {
        let start = ContinuousClock.now
        var entries: [SchedulerEntry] = []
        do {
            let decoding = scheduler.decodingCount
            let pass = try scheduler.schedule(
                prefillTokenCount: budget?.prefillTokenCount(decodeCount: decoding) ?? .max)
            entries = pass.entries
            for entry in entries { scheduler.withState(entry.id) { if $0.start == nil { $0.start = start } } }
            try perform(pass)
            budget?.record(
                decodeCount: pass.decodeCount, prefillTokenCount: pass.prefillTokenCount,
                seconds: (ContinuousClock.now - start).seconds)
        } catch {
            // Without entries a sequence could not be scheduled, and the loop would try the same again.
            let failed =
                entries.isEmpty ? scheduler.running + [scheduler.firstWaiting].compactMap { $0 } : entries.map(\.id)
            for id in failed {
                guard let request = scheduler[id]?.state.submission.id else { continue }
                fail(request, error, keepsContent: false)
            }
        }
        publishStatus(passStart: start)
    }

    private func perform(_ pass: SchedulerPass) throws {
        guard !pass.entries.isEmpty else { return }
        try copyBlocks(pass.copies)
        try runner.encode(pass.encodings)
        let (batch, rows) = batch(pass.entries)
        let logits = try runner.run(batch)
        // A pass that only fills the cache needs no answer, but the next one's budget needs its time.
        guard !rows.isEmpty else { return try runner.backend.synchronize() }
        try answer(rows, logits)
    }

    private func batch(_ entries: [SchedulerEntry]) -> (HostBatch, [LogitRow]) {
        var batch = HostBatch()
        var rows: [LogitRow] = []
        for entry in entries {
            let first = batch.tokenIDs.count
            batch.tokenIDs += entry.tokens
            batch.positions += positions(of: entry)
            if description.source != nil, let sequence = scheduler[entry.id] {
                batch.sources.append(
                    SourceBlocks(blocks: entry.sourceBlocks, tokenCount: sequence.sourceTokens.count))
            }
            batch.slots += entry.slots
            batch.queryCounts.append(entry.tokens.count)
            batch.contextLengths.append(entry.positions.upperBound)
            batch.blockTables.append(entry.blocks)
            batch.adapters.append(Int32(scheduler[entry.id]?.traits.namespace.adapter ?? 0))
            for position in entry.logitPositions {
                batch.logitRows.append(Int32(first + position - entry.positions.lowerBound))
                rows.append(
                    LogitRow(
                        id: entry.id, position: position,
                        isLast: entry.needsToken && position == entry.positions.upperBound - 1))
            }
        }
        return (batch, rows)
    }

    /// What the model's position embedding is asked for: places in the text, or rows of an encoder-decoder's table.
    private func positions(of entry: SchedulerEntry) -> [Int32] {
        guard let source = description.source, let sequence = scheduler[entry.id] else {
            return entry.positions.map(Int32.init)
        }
        return entry.positions.map { Int32(source.row(ofTarget: Int(sequence.tokens[$0]), at: $0)) }
    }

    /// Makes the copies in order; those between which the order does not matter go together.
    private func copyBlocks(_ copies: [BlockTable.BlockCopy]) throws {
        var group: [BlockTable.BlockCopy] = []
        func flush() throws {
            guard !group.isEmpty else { return }
            let pairs = try runner.backend.makeTensor(group.flatMap { [$0.from, $0.to] }, [group.count, 2])
            for layer in runner.cache.layers { try runner.backend.copyBlocks(pairs, in: layer) }
            group = []
        }
        for copy in copies {
            if group.contains(where: { $0.from == copy.to || $0.to == copy.from }) { try flush() }
            group.append(copy)
        }
        try flush()
    }

    // MARK: Tokens

    /// For each row, chooses a token or scores one of the prompt, with as little data from the device as that needs.
    private func answer(_ rows: [LogitRow], _ logits: Tensor) throws {
        var topK = 0
        var needsAll = [Bool](repeating: false, count: rows.count)
        for (index, row) in rows.enumerated() {
            guard let state = scheduler[row.id]?.state else { continue }
            guard row.isLast else {
                needsAll[index] = true
                continue
            }
            switch state.requirement(maxTopK: runner.maxTopK, vocabularySize: description.vocabularySize) {
            case .topK(let count): topK = max(topK, count)
            case .allLogits: needsAll[index] = true
            }
        }
        let candidates = topK > 0 ? try runner.topK(logits, count: topK) : []
        for (index, row) in rows.enumerated() {
            if needsAll[index] {
                let values = try runner.backend.readFloats(logits.rows(index..<index + 1))
                values.withUnsafeBufferPointer { answer(row, .logits($0)) }
            } else {
                answer(row, .candidates(candidates[index]))
            }
        }
    }

    private enum RowValues {
        case logits(UnsafeBufferPointer<Float>)
        case candidates([Candidate])

        /// Whether `token`'s logit, or the best candidate's, is finite.
        func isFinite(_ token: Int32) -> Bool {
            switch self {
            case .logits(let row): row.indices.contains(Int(token)) && row[Int(token)].isFinite
            case .candidates(let row): row.first?.logit.isFinite ?? false
            }
        }

        func choose(_ state: inout SampleState, _ allowed: TokenMask?) -> Int32 {
            let step = state.step
            switch self {
            case .logits(let row): return state.sampler.choose(logits: row, allowed: allowed, rules: step)
            case .candidates(let row):
                guard let banned = step?.banned, !banned.isEmpty else { return state.sampler.choose(candidates: row) }
                return state.sampler.choose(candidates: row.filter { !banned.contains(Int($0.token)) })
            }
        }

        func score(_ token: Int32, _ alternatives: Int?) -> TokenScore? {
            guard let alternatives, case .logits(let row) = self else { return nil }
            return TokenScores.score(token, alternatives: alternatives, row)
        }
    }

    private func answer(_ row: LogitRow, _ values: RowValues) {
        // An earlier row may have ended the request with an error.
        guard let sequence = scheduler[row.id] else { return }
        let request = sequence.state.submission.request
        if row.position + 1 < sequence.promptCount {
            guard let score = values.score(sequence.tokens[row.position + 1], request.promptLogProbabilities) else {
                return fail(sequence.state.submission.id, nonFinite(sequence.state))
            }
            scheduler.withState(row.id) { $0.promptScores.append(score) }
        }
        guard row.isLast else { return }
        guard sequence.state.maxTokens > 0 else { return deliver(nil, nil, to: row.id) }
        let allowed: TokenMask?
        do {
            allowed = try sequence.state.allowed()
        } catch {
            return fail(sequence.state.submission.id, InferenceError.invalidConstraint(reason: "\(error)"))
        }
        if let allowed, allowed.isEmpty { return endWithoutToken(row.id, sequence.state) }
        // Begins the samples of a request at the end of its prompt.
        if sequence.state.tokenCount == 0, sequence.state.sample == 0, request.count > 1 {
            for sample in 1..<request.count {
                var state = SampleState(sequence.state, sample: sample)
                let token = values.choose(&state, allowed)
                guard values.isFinite(token) else {
                    return fail(state.submission.id, nonFinite(state))
                }
                start(row.id, state, token, values.score(token, request.logProbabilities))
            }
        }
        guard let token = scheduler.withState(row.id, { values.choose(&$0, allowed) }), values.isFinite(token)
        else {
            return fail(sequence.state.submission.id, nonFinite(sequence.state))
        }
        deliver(token, values.score(token, request.logProbabilities), to: row.id)
    }

    private func nonFinite(_ state: SampleState) -> InferenceError { .nonFiniteLogits(step: state.tokenCount) }

    /// No token continues the text: it is complete, or the vocabulary can not write what must come.
    private func endWithoutToken(_ id: Int, _ state: SampleState) {
        // Further samples would begin here, but no token can follow.
        let isAlone = state.request.count == 1 || state.tokenCount > 0
        if isAlone, state.matcher?.isComplete ?? false { return deliver(nil, nil, to: id) }
        fail(
            state.submission.id,
            InferenceError.invalidConstraint(
                reason: "constraint: no token of the vocabulary continues the text as it must; allow other characters"))
    }

    /// Begins another sample with its first token.
    private func start(_ id: Int, _ state: SampleState, _ token: Int32, _ score: TokenScore?) {
        deliver(token, score, to: fork(id, state, appending: token), isAppended: true)
    }

    /// Delivers a token, or only the end where no tokens are wanted.
    private func deliver(_ token: Int32?, _ score: TokenScore?, to id: Int, isAppended: Bool = false) {
        let accepted = scheduler.withState(id) { state in
            // A text that ends without a token is complete under its constraint, or no token was wanted.
            let end: (FinishReason, StopCause?) = (state.matcher == nil || state.maxTokens == 0 ? .length : .stop, nil)
            let finish = Result { try token.map { try state.accept($0, endOfSequence: endOfSequence) } ?? end }
            defer { state.promptScores = [] }
            return (finish, state.promptScores)
        }
        guard let (outcome, promptScores) = accepted else { return }
        let finish: (FinishReason, StopCause?)?
        do {
            finish = try outcome.get()
        } catch {
            guard let request = scheduler[id]?.state.submission.id else { return }
            return fail(request, InferenceError.invalidConstraint(reason: "\(error)"))
        }
        guard let sequence = scheduler[id] else { return }
        let now = ContinuousClock.now
        if token != nil { count(tokens: 1) }
        let state = sequence.state
        let pauses = state.submission.channel.push(
            SampleEvent(
                sample: state.sample, token: token, score: score, promptScores: promptScores, finish: finish,
                cachedTokenCount: sequence.cachedCount ?? 0, start: state.start ?? now, time: now))
        if finish != nil {
            close(state.submission.id, state.sample, seconds: state.start.map { (now - $0).seconds })
            return
        }
        if let token, !isAppended { scheduler.append(token, to: id) }
        if pauses { scheduler.pause(id) }
    }
}
