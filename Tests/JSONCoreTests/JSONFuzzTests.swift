import JSONCore
import TestSupport
import Testing

@Suite struct JSONFuzzTests {
    /// Walks every value by the public interface, so that a wrong index or length would trap.
    private func walk(_ value: JSONValue) -> Int {
        switch value.kind {
        case .array: return value.array?.reduce(1) { $0 + walk($1) } ?? 0
        case .object: return value.object?.reduce(1) { $0 + $1.key.utf8.count + walk($1.value) } ?? 0
        case .string: return value.string?.utf8.count ?? 0
        default: return (value.int ?? 0) & 1 + (value.double == nil ? 0 : 1)
        }
    }

    @Test func mutatedTextNeverTraps() {
        let seed = Array(
            (#"{"a":[1,-2.5e3,"x\n\u00e9\ud83d\ude00é",null,true,false,{"b":{"c":[[],{}]}}],"#
                + #""é":"日本","n":9223372036854775807}"#)
                .utf8
        )
        var generator = SplitMix64(seed: 20_261_124)
        var accepted = 0
        var visited = 0
        for _ in 0..<100_000 {
            let text = generator.mutate(seed)
            guard let document = try? JSONDocument(parsing: text, options: .init(allowsNonFiniteNumbers: true)) else {
                continue
            }
            accepted += 1
            visited &+= walk(document.root)
            _ = document.root["a"]
        }
        #expect(accepted > 1000 && accepted < 99_000)
        #expect(visited > accepted)
    }
}
