package import CommandSupport
package import Inference

/// One row of llama.cpp's batched-bench.
///
/// Legend: `PP` tokens of a prompt, `TG` tokens each sequence decodes, `B` sequences.
package struct BatchRow: Sendable, Hashable {
    package let promptCount: Int
    package let decodeCount: Int
    package let sequenceCount: Int
    package let sharesPrompt: Bool
    package let times: BatchMeasurement.Times

    package init(
        promptCount: Int, decodeCount: Int, sequenceCount: Int, sharesPrompt: Bool, times: BatchMeasurement.Times
    ) {
        self.promptCount = promptCount
        self.decodeCount = decodeCount
        self.sequenceCount = sequenceCount
        self.sharesPrompt = sharesPrompt
        self.times = times
    }

    /// Prompt tokens that are computed.
    package var promptTokenCount: Int { promptCount * (sharesPrompt ? 1 : sequenceCount) }

    /// `N_KV`: tokens that the cache holds at the end.
    package var cacheTokenCount: Int { promptTokenCount + sequenceCount * decodeCount }

    /// `S_PP`, `S_TG` and `S`: tokens a second.
    package var promptRate: Double { rate(promptTokenCount, times.promptSeconds) }
    package var decodeRate: Double { rate(sequenceCount * decodeCount, times.decodeSeconds) }
    package var totalSeconds: Double { times.promptSeconds + times.decodeSeconds }
    package var totalRate: Double { rate(cacheTokenCount, totalSeconds) }

    private func rate(_ count: Int, _ seconds: Double) -> Double { seconds > 0 ? Double(count) / seconds : 0 }

    package func row(_ description: RunDescription) -> TableRow {
        var row = TableRow()
        row.add("suite", "batched")
        description.addFields(to: &row)
        row.add("is_pp_shared", sharesPrompt ? 1 : 0)
        row.add("pp", promptCount)
        row.add("tg", decodeCount)
        row.add("pl", sequenceCount)
        row.add("n_kv", cacheTokenCount)
        row.add("t_pp", times.promptSeconds)
        row.add("speed_pp", promptRate)
        row.add("t_tg", times.decodeSeconds)
        row.add("speed_tg", decodeRate)
        row.add("t", totalSeconds)
        row.add("speed", totalRate)
        row.show("model", description.title)
        row.show("backend", description.backend)
        row.show("prompts", sharesPrompt ? "shared" : "separate")
        row.show(number: "PP", "\(promptCount)")
        row.show(number: "TG", "\(decodeCount)")
        row.show(number: "B", "\(sequenceCount)")
        row.show(number: "N_KV", "\(cacheTokenCount)")
        row.show(number: "T_PP s", fixed(times.promptSeconds, digits: 3))
        row.show(number: "S_PP t/s", fixed(promptRate, digits: 2))
        row.show(number: "T_TG s", fixed(times.decodeSeconds, digits: 3))
        row.show(number: "S_TG t/s", fixed(decodeRate, digits: 2))
        row.show(number: "T s", fixed(totalSeconds, digits: 3))
        row.show(number: "S t/s", fixed(totalRate, digits: 2))
        return row
    }
}
