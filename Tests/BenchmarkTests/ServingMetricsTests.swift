import CommandSupport
import LoadGenerator
import Testing

@Suite("Serving metrics") struct ServingMetricsTests {
    private static func record(start: Double, tokens: [Double], output: Int) -> RequestRecord {
        RequestRecord(
            scheduledSeconds: start, startSeconds: start, tokenSeconds: tokens, promptCount: 10, outputCount: output)
    }

    private static let records = [
        record(start: 0, tokens: [0.5, 0.75, 1.5], output: 3),
        // Two tokens in one chunk: TPOT counts tokens, ITL chunks.
        record(start: 1, tokens: [1.25, 2.25], output: 3),
        record(start: 2, tokens: [2.125], output: 1),
        RequestRecord(
            scheduledSeconds: 3, startSeconds: 3, tokenSeconds: [3.5], promptCount: 10, outputCount: 1,
            failure: .connection("gone")),
    ]

    @Test("the latencies of a request") func request() {
        let first = Self.records[0]
        #expect(first.firstTokenSeconds == 0.5 && first.totalSeconds == 1.5 && first.intervals == [0.25, 0.75])
        #expect(first.secondsPerOutputToken == 0.5)
        #expect(Self.records[1].secondsPerOutputToken == 0.5)
        #expect(Self.records[2].secondsPerOutputToken == nil && Self.records[2].intervals.isEmpty)
    }

    @Test("the figures of a run leave failed requests out") func run() {
        let metrics = ServingMetrics(Self.records, durationSeconds: 4, objective: nil)
        #expect(metrics.completed == 3 && metrics.failed == 1)
        #expect(metrics.inputCount == 30 && metrics.outputCount == 7)
        #expect(metrics.requestRate == 0.75 && metrics.outputRate == 1.75 && metrics.totalRate == 9.25)
        #expect(metrics.firstToken.sorted == [0.125, 0.25, 0.5])
        #expect(metrics.perOutputToken.sorted == [0.5, 0.5])
        #expect(metrics.betweenTokens.sorted == [0.25, 0.75, 1])
        #expect(metrics.endToEnd.sorted == [0.125, 1.25, 1.5])
        #expect(metrics.goodput == nil)
        #expect(metrics.peakConcurrency == 2)
    }

    @Test(
        "goodput counts what keeps every bound",
        arguments: [
            ("ttft:250", 2), ("e2el:1400", 2), ("tpot:499", 1), ("ttft:300,tpot:500", 2),
            ("ttft:1000,tpot:1000,e2el:9999", 3),
            ("ttft:100", 0),
        ])
    func goodput(text: String, expected: Int) throws {
        let objective = try #require(Objective(text))
        let metrics = ServingMetrics(Self.records, durationSeconds: 4, objective: objective)
        #expect(metrics.goodput == Double(expected) / 4)
    }

    @Test(
        "objectives that mean nothing",
        arguments: ["", "ttft", "ttft:x", "ttft:-1", "speed:3", "ttft:1,ttft:2", "ttft:1,"])
    func badObjective(text: String) { #expect(Objective(text) == nil) }

    @Test(
        "addresses",
        arguments: [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"), ("http://localhost", "http://localhost:80"),
            ("http://h:1/v1", "http://h:1"), ("http://h:1/api/v1/", "http://h:1/api"),
            ("http://[::1]:9", "http://[::1]:9"),
        ])
    func address(text: String, expected: String) throws { #expect("\(try #require(ServerAddress(text)))" == expected) }

    @Test(
        "addresses that are none",
        arguments: ["", "h:1", "https://h", "http://", "http://h:0", "http://h:x", "http://a b"])
    func badAddress(text: String) { #expect(ServerAddress(text) == nil) }
}
