import JSONCore
import LoadGenerator
import TensorCore
import Testing

@Suite("Load on a fake server", .timeLimit(.minutes(1))) struct LoadRunTests {
    private static let writer = RequestWriter(endpoint: .completions, model: "fake", ignoresEndOfSequence: true)

    private static func plan(_ count: Int, every seconds: Double = 0) -> [PlannedRequest] {
        (0..<count).map { PlannedRequest(seconds: Double($0) * seconds, promptCount: 4, outputCount: 3) }
    }

    @Test("every request is recorded with its tokens") func complete() async throws {
        let server = try await FakeServer([.tokens(3)])
        let run = LoadRun(server.client(), Self.writer, maxConcurrency: nil)
        let (records, seconds) = await run.run(Self.plan(8, every: 0.005), seed: 1)
        #expect(records.count == 8 && records.allSatisfy { $0.isComplete })
        for (index, record) in records.enumerated() {
            #expect(record.scheduledSeconds == Double(index) * 0.005)
            #expect(record.startSeconds >= record.scheduledSeconds)
            #expect(record.tokenSeconds.count == 3 && record.outputCount == 3 && record.promptCount == 5)
            #expect(record.firstTokenSeconds > 0 && record.totalSeconds < seconds)
        }
        let body = try JSONDocument(parsing: server.observed.bodies[0], source: "body").root
        #expect(body["model"]?.string == "fake" && body["max_tokens"]?.int == 3 && body["stream"]?.bool == true)
        #expect(body["prompt"]?.string?.split(separator: " ").count == 4 && body["ignore_eos"]?.bool == true)
        try await server.stop()
    }

    @Test("no more requests are under way than allowed") func concurrency() async throws {
        let server = try await FakeServer([.tokens(2)])
        let run = LoadRun(server.client(), Self.writer, maxConcurrency: 2)
        let (records, _) = await run.run(Self.plan(10), seed: 1)
        #expect(records.allSatisfy { $0.isComplete })
        #expect(server.observed.mostOpen <= 2)
        try await server.stop()
    }

    @Test(
        "answers that are no completions are failures with their reason",
        arguments: [
            (FakeServer.Answer.status(503, "{\"error\":\"busy\"}"), "503"), (.text("hello"), "without a token"),
            (.text("data: {\n\n"), "an event of the stream"),
            (.text("data: {\"error\":{\"message\":\"no memory\"}}\n\n"), "no memory"),
        ])
    func refused(answer: FakeServer.Answer, expected: String) async throws {
        let server = try await FakeServer([answer, .tokens(2)])
        let run = LoadRun(server.client(), Self.writer, maxConcurrency: 1)
        let (records, _) = await run.run(Self.plan(2), seed: 1)
        let failures = records.compactMap(\.failure)
        #expect(failures.count == 1 && records.filter(\.isComplete).count == 1)
        #expect("\(failures)".contains(expected), "\(failures)")
        try await server.stop()
    }

    @Test("a connection that breaks keeps the tokens before") func broken() async throws {
        let server = try await FakeServer([.breaks(after: 2)])
        let (records, _) = await LoadRun(server.client(), Self.writer, maxConcurrency: nil).run(Self.plan(1), seed: 1)
        #expect(records[0].tokenSeconds.count == 2 && !records[0].isComplete)
        guard case .connection = records[0].failure else {
            Issue.record("\(String(describing: records[0].failure))")
            return
        }
        try await server.stop()
    }

    @Test("a server that is gone fails the rest at once") func gone() async throws {
        let server = try await FakeServer([.tokens(2)])
        let client = server.client()
        try await server.stop()
        let (records, _) = await LoadRun(client, Self.writer, maxConcurrency: nil).run(Self.plan(3), seed: 1)
        #expect(records.count == 3 && records.allSatisfy { $0.failure != nil && $0.tokenSeconds.isEmpty })
    }

    @Test("a server that says nothing is given up") func silent() async throws {
        let server = try await FakeServer([.silence])
        let run = LoadRun(server.client(timeoutSeconds: 0.1), Self.writer, maxConcurrency: nil)
        let (records, _) = await run.run(Self.plan(1), seed: 1)
        #expect("\(String(describing: records[0].failure))".contains("did not end in time"))
        try await server.stop()
    }

    @Test("a chat and a prompt of ids are written as the API has them") func bodies() throws {
        var random = SplitMix64(seed: 3)
        var writer = Self.writer
        writer.vocabularySize = 10
        let ids = try JSONDocument(parsing: writer.body(Self.plan(1)[0], random: &random), source: "ids").root
        #expect(ids["prompt"]?.array?.count == 4)
        writer.endpoint = .chat
        let chat = try JSONDocument(parsing: writer.body(Self.plan(1)[0], random: &random), source: "chat").root
        #expect(chat["messages"]?.array?.count == 1 && chat["max_completion_tokens"]?.int == 3)
    }
}
