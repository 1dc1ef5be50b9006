package import CommandSupport

/// The load of one run and the figures it gave, as a row.
package struct ServeReport: Sendable {
    package var url: String
    package var model: String
    package var endpoint: CompletionEndpoint
    /// The rate or the trace.
    package var load: String
    package var requestRate: Double?
    package var burstiness: Double
    package var maxConcurrency: Int?
    package var metrics: ServingMetrics

    package func row() -> TableRow {
        var row = TableRow()
        row.add("suite", "serve")
        row.add("url", url)
        row.add("model", model)
        row.add("endpoint", endpoint.rawValue)
        row.add("load", load)
        row.add("request_rate", requestRate ?? 0)
        row.add("burstiness", burstiness)
        row.add("max_concurrency", maxConcurrency ?? 0)
        row.add("completed", metrics.completed)
        row.add("failed", metrics.failed)
        row.add("duration", metrics.durationSeconds)
        row.add("total_input_tokens", metrics.inputCount)
        row.add("total_output_tokens", metrics.outputCount)
        row.add("request_throughput", metrics.requestRate)
        row.add("request_goodput", metrics.goodput ?? 0)
        row.add("output_throughput", metrics.outputRate)
        row.add("total_token_throughput", metrics.totalRate)
        row.add("max_concurrent_requests", metrics.peakConcurrency)
        add("ttft", metrics.firstToken, to: &row)
        add("tpot", metrics.perOutputToken, to: &row)
        add("itl", metrics.betweenTokens, to: &row)
        add("e2el", metrics.endToEnd, to: &row)
        row.show("load", load + (maxConcurrency.map { ", at most \($0) at once" } ?? ""))
        row.show(number: "done", "\(metrics.completed)")
        row.show(number: "failed", "\(metrics.failed)")
        row.show(number: "s", fixed(metrics.durationSeconds, digits: 2))
        row.show(number: "requests/s", fixed(metrics.requestRate, digits: 2))
        row.show(number: "goodput/s", metrics.goodput.map { fixed($0, digits: 2) } ?? "")
        row.show(number: "out t/s", fixed(metrics.outputRate, digits: 1))
        show("TTFT", metrics.firstToken, to: &row)
        show("TPOT", metrics.perOutputToken, to: &row)
        show("ITL", metrics.betweenTokens, to: &row)
        show("E2EL", metrics.endToEnd, to: &row)
        return row
    }

    private func add(_ name: String, _ latency: SampleStatistics, to row: inout TableRow) {
        row.add("mean_\(name)_ms", latency.mean * 1e3)
        row.add("median_\(name)_ms", latency.median * 1e3)
        row.add("p90_\(name)_ms", latency.percentile(90) * 1e3)
        row.add("p99_\(name)_ms", latency.percentile(99) * 1e3)
    }

    private func show(_ name: String, _ latency: SampleStatistics, to row: inout TableRow) {
        let values = [latency.mean, latency.median, latency.percentile(90), latency.percentile(99)]
        row.show(
            number: "\(name) ms mean, p50, p90, p99", values.map { fixed($0 * 1e3, digits: 1) }.joined(separator: ", "))
    }
}
