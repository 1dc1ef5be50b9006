import Tokenization

/// What the engine keeps of one request while it runs.
struct EngineSequence {
    let request: GenerationRequest
    let continuation: AsyncThrowingStream<GenerationUpdate, any Error>.Continuation
    let seed: UInt64
    let maxTokens: Int
    let arrival: ContinuousClock.Instant
    var sampler: Sampler
    var detokenizer: StreamingDetokenizer?
    var stopMatcher: StopMatcher
    var tokenCount = 0
    var firstTokenTime: ContinuousClock.Instant?

    /// Takes a token into the text and says whether generation ends with it.
    mutating func accept(
        _ token: Int32, endOfSequence: Set<Int>, at now: ContinuousClock.Instant
    ) throws -> (text: String, finish: FinishReason?) {
        tokenCount += 1
        if firstTokenTime == nil { firstTokenTime = now }
        var finish: FinishReason?
        var text = ""
        if endOfSequence.contains(Int(token)) && !request.ignoresEndOfSequence {
            finish = .stop
        } else if var stream = detokenizer {
            text = stopMatcher.push(try stream.push(Int(token)))
            detokenizer = stream
        }
        if stopMatcher.hasStopped { finish = .stop }
        if finish == nil, tokenCount >= maxTokens { finish = .length }
        if finish != nil, !stopMatcher.hasStopped {
            if var stream = detokenizer {
                text += stopMatcher.push(try stream.finish())
                detokenizer = stream
            }
            if stopMatcher.hasStopped { finish = .stop }
            text += stopMatcher.finish()
        }
        return (text, finish)
    }

    func result(_ reason: FinishReason, cachedTokenCount: Int, at now: ContinuousClock.Instant) -> GenerationResult {
        var timings = GenerationTimings()
        let first = firstTokenTime ?? now
        timings.timeToFirstTokenSeconds = (first - arrival).seconds
        timings.decodeSeconds = (now - first).seconds
        timings.totalSeconds = (now - arrival).seconds
        return GenerationResult(
            finishReason: reason, promptTokenCount: request.promptTokens.count, tokenCount: tokenCount,
            cachedTokenCount: cachedTokenCount, seed: seed, timings: timings)
    }
}

extension Duration {
    /// Seconds as a floating-point number.
    package var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
