package import Inference

/// One of llama-bench's tests: a prompt of `prompt` tokens, `decode` single tokens, or both one after the other, behind
/// `depth` tokens of context.
package struct LatencyTest: Sendable, Hashable {
    package let prompt: Int
    package let decode: Int
    package let depth: Int

    package init(prompt: Int, decode: Int, depth: Int) {
        self.prompt = prompt
        self.decode = decode
        self.depth = depth
    }

    package var contextLength: Int { depth + prompt + decode }

    package var tokenCount: Int { prompt + decode }

    /// As llama-bench names it.
    package var name: String {
        let parts = [prompt > 0 ? "pp\(prompt)" : nil, decode > 0 ? "tg\(decode)" : nil].compactMap { $0 }
        return parts.joined(separator: "+") + (depth > 0 ? " @ d\(depth)" : "")
    }

    /// What one call of the profile's unit is: a token where only single tokens are computed, else the whole test.
    var profileUnit: (name: String, count: Int) { prompt == 0 ? ("token", decode) : ("run", 1) }

    /// Seconds of one run. Blocks.
    package func run(_ measurement: PassMeasurement) throws -> Double {
        if depth > 0 { try measurement.fill(depth: depth) }
        var seconds = 0.0
        if prompt > 0 { seconds += try measurement.prompt(tokenCount: prompt, depth: depth) }
        if decode > 0 { seconds += try measurement.decode(tokenCount: decode, depth: depth + prompt) }
        return seconds
    }
}
