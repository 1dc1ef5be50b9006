import LoadGenerator
import Testing

@Suite("Server-sent events") struct ServerSentEventsTests {
    private static let text = """
        : a comment\r
        event: message\r
        data: {"a":1}\r
        \r
        data:first
        data: second

        data

        id: 3

        database: no field of ours

        data: é\n\n
        """
    private static let events = ["{\"a\":1}", "first\nsecond", "", "é"]

    @Test("events come out the same however the bytes arrive", arguments: 1...17) func pieces(size: Int) throws {
        let bytes = Array(Self.text.utf8)
        var parser = ServerSentEvents()
        var found: [String] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            let events = parser.push(bytes[start..<min(start + size, bytes.count)])
            found += try #require(events)
        }
        #expect(found == Self.events)
    }

    @Test("an event that does not end is refused, not kept") func tooLong() {
        var parser = ServerSentEvents()
        let piece = [UInt8](repeating: 120, count: 1 << 20)
        #expect((0..<5).contains { _ in parser.push(piece) == nil })
    }

    @Test("chunks with choices are tokens, usage tells lengths") func completion() {
        var stream = CompletionStream()
        func push(_ text: String, _ seconds: Double) { stream.push(Array("data: \(text)\n\n".utf8), at: seconds) }
        push(#"{"choices":[{"text":"a"}],"usage":null}"#, 1)
        push(#"{"choices":[{"text":""}]}"#, 2.5)
        push(#"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}}"#, 3)
        push("[DONE]", 4)
        #expect(stream.tokenTimes == [1, 2.5])
        #expect(stream.promptCount == 7 && stream.outputCount == 9 && stream.isDone && stream.failure == nil)
    }

    @Test(
        "errors inside the stream",
        arguments: [
            (#"{"error":{"message":"out of memory"}}"#, "out of memory"), (#"{"choices":[}"#, "an event of the stream"),
        ])
    func failures(event: String, expected: String) {
        var stream = CompletionStream()
        stream.push(Array("data: \(event)\n\n".utf8), at: 1)
        #expect(stream.failure?.contains(expected) == true, "\(stream.failure ?? "none")")
    }
}
