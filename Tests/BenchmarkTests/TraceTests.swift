import FoundationEssentials
import LoadGenerator
import TestSupport
import Testing

@Suite("Request traces") struct TraceTests {
    private static let header = "TIMESTAMP,ContextTokens,GeneratedTokens\n"

    @Test("times count from the first request, over midnight and the end of a year") func times() throws {
        let text =
            Self.header + "2023-12-31 23:59:59.5000000,374,44\n2024-01-01 00:00:00.2500000,396,109\r\n"
            + "2024-03-01 00:00:00,1,1\n\n"
        let trace = try RequestTrace(parsing: text, path: "t.csv")
        #expect(trace.entries.map(\.promptCount) == [374, 396, 1])
        #expect(trace.entries.map(\.outputCount) == [44, 109, 1])
        #expect(trace.entries[0].seconds == 0 && abs(trace.entries[1].seconds - 0.75) < 1e-6)
        // January and February of a leap year.
        #expect(abs(trace.entries[2].seconds - (60 * 86400 + 0.5)) < 1e-6)
    }

    @Test("plain seconds, and a limit") func seconds() throws {
        let trace = try RequestTrace(parsing: Self.header + "10,1,2\n11.5,3,4\n99,5,6\n", path: "t.csv", limit: 2)
        #expect(trace.entries.map(\.seconds) == [0, 1.5])
    }

    /// A body behind the header, and what the error says of it.
    private static let mistakes: [(body: String, expected: String)] = [
        ("", "line 2: no request"), ("1,2\n", "line 2: 2 fields"), ("x,2,3\n", "line 2: 'x' is no time"),
        ("1,2,3\n2,0,3\n", "line 3: lengths '0'"), ("1,2,3\n0.5,2,3\n", "line 3: it arrives before"),
        ("1,-2,3\n", "line 2: lengths"), ("1,2,99999999999999999999\n", "line 2: lengths"),
        ("2023-13-01 00:00:00,1,1\n", "line 2: '2023-13-01"), ("nan,1,1\n", "line 2: 'nan'"),
        ("2023-01-01 25:00:00,1,1\n", "is no time"), ("1e999,1,1\n", "is no time"),
    ]

    @Test("what is wrong is named with its line", arguments: mistakes)
    func malformed(body: String, expected: String) { expectRefusal(Self.header + body, expected) }

    @Test("another header", arguments: ["", "a,b,c\n1,2,3\n", "1,2,3\n"])
    func header(text: String) { expectRefusal(text, "line 1: the header") }

    private func expectRefusal(_ text: String, _ expected: String) {
        let error = #expect(throws: TraceError.self) { try RequestTrace(parsing: text, path: "t.csv") }
        let description = error.map { "\($0)" } ?? "no error"
        #expect(description.hasPrefix("t.csv") && description.contains(expected), "\(description)")
    }

    @Test("a missing file and a folder") func unreadable() {
        #expect(throws: TraceError.self) { try RequestTrace(path: "/nonexistent/trace.csv") }
        #expect(throws: TraceError.self) { try RequestTrace(path: "/tmp") }
    }

    @Test("a recorded trace of a large service") func azure() throws {
        let path = "data/AzureLLMInferenceTrace_conv.csv"
        guard let file = ReferenceMaterial.locate(path, for: "TraceTests") else { return }
        let trace = try RequestTrace(path: file.path)
        #expect(trace.entries.count == 19366)
        #expect(trace.entries[1].promptCount == 396 && abs(trace.entries[1].seconds - 4.314579) < 1e-5)
    }
}
