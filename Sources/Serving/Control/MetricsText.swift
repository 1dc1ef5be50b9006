internal import Hummingbird
internal import Inference

/// `GET /metrics` in Prometheus' text format (0.0.4).
struct MetricsText: Sendable {
    let state: ServerState

    func respond() -> Response {
        Response(text: text(), contentType: "text/plain; version=0.0.4; charset=utf-8")
    }

    private func text() -> String {
        var page = MetricsPage()
        for model in state.directory.models { add(model, prefix: "infer_", to: &page) }
        for (labels, count) in state.metrics.responses {
            page.add("infer_http_responses_total", "counter", "Answers by path and status.", labels, Double(count))
        }
        page.add(
            "infer_uptime_seconds", "gauge", "Seconds since the start.", "",
            state.started.duration(to: .now).shortSeconds)
        page.add("infer_draining", "gauge", "1 while the server ends.", "", state.isDraining ? 1 : 0)
        if state.options.hasVLLMMetrics { for model in state.directory.models { addVLLM(model, to: &page) } }
        return page.text
    }

    private func add(_ model: ServedModel, prefix: String, to page: inout MetricsPage) {
        let labels = "model=\"\(MetricsPage.escaped(model.name))\""
        let counts = state.metrics.counts(of: model.name)
        let load = model.load
        func counter(_ name: String, _ help: String, _ value: Int) {
            page.add(prefix + name, "counter", help, labels, Double(value))
        }
        func gauge(_ name: String, _ help: String, _ value: Double) {
            page.add(prefix + name, "gauge", help, labels, value)
        }
        counter("prompt_tokens_total", "Tokens of prompts.", counts.promptTokens)
        counter("prompt_tokens_cached_total", "Tokens of prompts found in the prefix cache.", counts.cachedTokens)
        counter("generated_tokens_total", "Tokens produced.", counts.generatedTokens)
        for (reason, count) in counts.finished.sorted(by: { $0.key < $1.key }) {
            page.add(
                prefix + "requests_finished_total", "counter", "Sequences that ended, by reason.",
                labels + ",reason=\"\(reason)\"", Double(count))
        }
        gauge("requests_running", "Sequences in passes.", Double(load.running))
        gauge("requests_waiting", "Sequences that wait.", Double(load.waiting))
        gauge("kv_cache_usage_ratio", "Part of the cache's blocks in use.", load.cacheUsage)
        gauge("kv_cache_blocks", "Blocks of the cache.", Double(load.blockCount))
        counter("preemptions_total", "Sequences that lost their blocks to others.", load.preemptions)
        counter("passes_total", "Passes.", load.passes)
        page.add(
            prefix + "time_to_first_token_seconds", "Seconds from a request's arrival to its first token.", labels,
            counts.timeToFirstToken)
        page.add(
            prefix + "time_per_output_token_seconds", "Seconds a token after the first.", labels, counts.timePerToken)
        page.add(prefix + "request_seconds", "Seconds from a request's arrival to its end.", labels, counts.total)
    }

    /// The names that load balancers in front of vLLM read.
    private func addVLLM(_ model: ServedModel, to page: inout MetricsPage) {
        let labels = "model_name=\"\(MetricsPage.escaped(model.name))\",engine=\"0\""
        let counts = state.metrics.counts(of: model.name)
        let load = model.load
        func gauge(_ name: String, _ help: String, _ value: Double) {
            page.add("vllm:" + name, "gauge", help, labels, value)
        }
        func counter(_ name: String, _ help: String, _ value: Int) {
            page.add("vllm:" + name, "counter", help, labels, Double(value))
        }
        gauge("num_requests_running", "Number of requests in model execution batches.", Double(load.running))
        gauge("num_requests_waiting", "Number of requests waiting to be processed.", Double(load.waiting))
        gauge("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", load.cacheUsage)
        gauge("gpu_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", load.cacheUsage)
        page.add(
            "vllm:cache_config_info", "gauge", "Information of the cache's configuration.",
            "block_size=\"\(load.blockSize)\",num_gpu_blocks=\"\(load.blockCount)\",num_cpu_blocks=\"0\","
                + "enable_prefix_caching=\"True\",engine=\"0\"", 1)
        counter("prompt_tokens_total", "Number of prefill tokens processed.", counts.promptTokens)
        counter("generation_tokens_total", "Number of generation tokens processed.", counts.generatedTokens)
        counter("prefix_cache_queries_total", "Tokens asked of the prefix cache.", counts.promptTokens)
        counter("prefix_cache_hits_total", "Tokens found in the prefix cache.", counts.cachedTokens)
        counter("num_preemptions_total", "Preemptions.", load.preemptions)
        for (reason, count) in counts.finished.sorted(by: { $0.key < $1.key }) {
            page.add(
                "vllm:request_success_total", "counter", "Count of successfully processed requests.",
                labels + ",finished_reason=\"\(reason)\"", Double(count))
        }
        page.add("vllm:time_to_first_token_seconds", "Time to first token.", labels, counts.timeToFirstToken)
        page.add("vllm:time_per_output_token_seconds", "Time per output token.", labels, counts.timePerToken)
        page.add("vllm:e2e_request_latency_seconds", "End to end request latency.", labels, counts.total)
    }
}

/// Collects samples so that those of one name stand together under one heading.
struct MetricsPage {
    private var order: [String] = []
    private var families: [String: String] = [:]

    var text: String { order.map { families[$0] ?? "" }.joined() }

    mutating func add(_ name: String, _ type: String, _ help: String, _ labels: String, _ value: Double) {
        begin(name, type, help)
        families[name, default: ""] += "\(name)\(labels.isEmpty ? "" : "{\(labels)}") \(MetricsPage.number(value))\n"
    }

    mutating func add(_ name: String, _ help: String, _ labels: String, _ histogram: Histogram) {
        begin(name, "histogram", help)
        var lines = ""
        var sum = 0
        for (bound, count) in zip(histogram.bounds, histogram.counts) {
            sum += count
            lines += "\(name)_bucket{\(labels),le=\"\(MetricsPage.number(bound))\"} \(sum)\n"
        }
        lines += "\(name)_bucket{\(labels),le=\"+Inf\"} \(histogram.count)\n"
        lines += "\(name)_sum{\(labels)} \(histogram.sum)\n\(name)_count{\(labels)} \(histogram.count)\n"
        families[name, default: ""] += lines
    }

    private mutating func begin(_ name: String, _ type: String, _ help: String) {
        guard families[name] == nil else { return }
        order.append(name)
        families[name] = "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
    }

    static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}

/// How busy a model is.
struct ModelLoad: Sendable {
    var running = 0
    var waiting = 0
    var cacheUsage = 0.0
    var blockSize = 16
    var blockCount = 0
    var preemptions = 0
    var passes = 0
}

extension ServedModel {
    /// Taken from the engine's last snapshot, so that it waits for no pass.
    var load: ModelLoad {
        let status = engine.status
        return ModelLoad(
            running: status.runningCount, waiting: status.waitingCount, cacheUsage: status.cacheUsage,
            blockSize: status.blockSizeInTokens, blockCount: status.blockCount, preemptions: status.preemptionCount,
            passes: status.passCount)
    }
}
