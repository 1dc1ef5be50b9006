import CommandSupport
import Inference
import JSONCore

/// What `generate` tells about a finished request: the `--json` object and the `--stats` lines.
struct GenerationReport {
    let request: GenerationRequest
    let result: GenerationResult
    let tokens: [Int]
    let text: String
    let loadSeconds: Double

    init(
        _ request: GenerationRequest, _ result: GenerationResult, _ tokens: [Int], _ text: String, _ loadSeconds: Double
    ) {
        self.request = request
        self.result = result
        self.tokens = tokens
        self.text = text
        self.loadSeconds = loadSeconds
    }

    private var promptRate: Double {
        result.timings.promptTokensPerSecond(promptTokenCount: result.promptTokenCount - result.cachedTokenCount)
    }

    private var decodeRate: Double { result.timings.decodeTokensPerSecond(tokenCount: result.tokenCount) }

    func json() throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("text", text)
        writer.member("token_ids", tokens)
        writer.member("prompt_token_ids", request.promptTokens)
        writer.member("finish_reason", result.finishReason.rawValue)
        // As a string: JSON readers round integers over 2^53.
        writer.member("seed", "\(result.seed)")
        writer.key("usage")
        writer.beginObject()
        writer.member("prompt_tokens", result.promptTokenCount)
        writer.member("completion_tokens", result.tokenCount)
        writer.member("total_tokens", result.promptTokenCount + result.tokenCount)
        writer.endObject()
        writer.key("timings")
        writer.beginObject()
        try writer.member("load_seconds", loadSeconds)
        try writer.member("time_to_first_token_seconds", result.timings.timeToFirstTokenSeconds)
        try writer.member("decode_seconds", result.timings.decodeSeconds)
        try writer.member("prompt_tokens_per_second", promptRate)
        try writer.member("decode_tokens_per_second", decodeRate)
        writer.member("peak_memory_bytes", PeakMemory.byteCount())
        writer.endObject()
        writer.endObject()
        return writer.text
    }

    func printStatistics() {
        StandardErrorLog.line(
            "prompt: \(result.promptTokenCount) tokens, \(format(promptRate)) tokens/s; "
                + "output: \(result.tokenCount) tokens, \(format(decodeRate)) tokens/s; "
                + "load: \(format(loadSeconds)) s; first token: \(format(result.timings.timeToFirstTokenSeconds)) s; "
                + "peak memory: \(PeakMemory.byteCount() / 1_048_576) MiB; seed: \(result.seed)")
    }

    private func format(_ value: Double) -> String { fixed(value, digits: value < 10 ? 3 : 1) }
}
