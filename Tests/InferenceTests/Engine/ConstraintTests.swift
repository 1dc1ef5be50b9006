import CPUBackend
import Foundation
import Inference
import JSONCore
import Testing

@Suite("Constrained answers")
struct ConstraintTests {
    private static let schema = #"""
        {"type": "object", "additionalProperties": false, "required": ["name", "age", "tags"], "properties": {
            "name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}}}
        """#

    private func engine(_ options: EngineOptions = EngineOptions(sequenceCount: 4)) async throws -> Engine {
        try await Engine(try ModelPackage.bundled(), on: CPUBackend(), options: options)
    }

    private func request(
        _ engine: Engine, _ constraint: OutputConstraint?, temperature: Float = 1.5, seed: UInt64 = 1, count: Int = 1,
        maxTokens: Int = 200
    ) throws -> GenerationRequest {
        GenerationRequest(
            promptTokens: try engine.package.promptTokens(for: "To be"),
            sampling: SamplingParameters(temperature: temperature, seed: seed), maxTokens: maxTokens, count: count,
            constraint: constraint)
    }

    /// The texts of a request's samples, and why they ended.
    private func answers(_ engine: Engine, _ request: GenerationRequest) async throws -> [(String, FinishReason)] {
        var texts = [String](repeating: "", count: request.count)
        var reasons = [FinishReason?](repeating: nil, count: request.count)
        for try await update in try engine.generate(request) {
            texts[update.sample] += update.text
            if let result = update.result { reasons[update.sample] = result.finishReason }
        }
        return zip(texts, reasons).map { ($0, $1 ?? .cancelled) }
    }

    @Test("every answer is JSON of its schema, whatever is drawn", arguments: [0, 1, 7] as [UInt64])
    func json(_ seed: UInt64) async throws {
        let engine = try await engine()
        let answers = try await answers(
            engine, request(engine, .jsonSchema(ConstraintTests.schema), seed: seed, count: 3))
        for (text, reason) in answers {
            #expect(reason == .stop)
            let value = JSON(try JSONDocument(parsing: text).root)
            guard case .int(let age)? = value["age"] else {
                Issue.record("no age in \(text)")
                continue
            }
            #expect((0...120).contains(age))
            #expect((value["name"]?.stringValue ?? "-----------").unicodeScalars.count <= 8)
            #expect((value["tags"]?.arrayValue ?? [1, 1, 1, 1]).count <= 3)
        }
    }

    @Test("a sample drawn alone and beside others is the same, and greedy answers repeat")
    func equality() async throws {
        let engine = try await engine(EngineOptions(sequenceCount: 4, isDeterministic: true))
        let constraint = OutputConstraint.jsonSchema(ConstraintTests.schema)
        let together = try await answers(engine, request(engine, constraint, seed: 5, count: 3))
        for sample in 0..<3 {
            let alone = try await answers(engine, request(engine, constraint, seed: 5 + UInt64(sample)))
            #expect(alone[0].0 == together[sample].0)
        }
        let first = try await answers(engine, request(engine, constraint, temperature: 0))
        let second = try await answers(engine, request(engine, constraint, temperature: 0))
        #expect(first[0].0 == second[0].0)
    }

    @Test("regular expressions, choices, grammars and their combinations")
    func forms() async throws {
        let engine = try await engine()
        for seed in UInt64(1)...4 {
            let number = try await answers(engine, request(engine, .regex(#"[1-9]\d{2}-[a-f]+x"#), seed: seed))
            #expect(number[0].0.wholeMatch(of: #/[1-9]\d{2}-[a-f]+x/#) != nil || number[0].1 == .length)
            let choice = try await answers(engine, request(engine, .choices(["red", "green", "blue"]), seed: seed))
            #expect(["red", "green", "blue"].contains(choice[0].0) && choice[0].1 == .stop)
            let grammar = try await answers(
                engine, request(engine, .grammar("root ::= \"(\" root \")\" | [xy]"), seed: seed, maxTokens: 100))
            #expect(grammar[0].0.wholeMatch(of: #/\(*[xy]\)*/#) != nil || grammar[0].1 == .length)
            let tagged = OutputConstraint(
                .sequence([.choices(["<call>"]), .repeated(.regex("[ab]"), separator: ","), .choices(["</call>"])]))
            let call = try await answers(engine, request(engine, tagged, seed: seed))
            #expect(call[0].0.wholeMatch(of: #/<call>[ab](,[ab])*<\/call>/#) != nil || call[0].1 == .length)
        }
    }

    @Test("ignoring the end of the text does not keep a complete one from ending")
    func ignoredEnd() async throws {
        let engine = try await engine()
        var request = try request(engine, .choices(["yes", "no"]))
        request.ignoresEndOfSequence = true
        let answer = try await answers(engine, request)
        #expect(["yes", "no"].contains(answer[0].0) && answer[0].1 == .stop)
    }

    @Test("a constraint that begins after a trigger leaves what comes before it free")
    func triggers() async throws {
        let engine = try await engine()
        let free = try await answers(engine, request(engine, nil, temperature: 0, maxTokens: 24))
        let waiting = OutputConstraint(.regex("[0-9]+"), startsAfter: ["<never>"])
        let untouched = try await answers(engine, request(engine, waiting, temperature: 0, maxTokens: 24))
        #expect(untouched[0].0 == free[0].0)
        // A trigger that is written soon: the letter e.
        let begun = OutputConstraint(.choices(["12345"]), startsAfter: ["e"])
        let answer = try await answers(engine, request(engine, begun, temperature: 0, maxTokens: 60))
        #expect(answer[0].0.wholeMatch(of: #/[^e]*e12345/#.dotMatchesNewlines()) != nil, "\(answer[0].0)")
        #expect(answer[0].1 == .stop)
    }

    @Test("log-probabilities and other requests stand beside it; a preempted answer goes on as it was")
    func company() async throws {
        let engine = try await engine(EngineOptions(cacheTokenCount: 192, sequenceCount: 4))
        let constraint = OutputConstraint.jsonSchema(ConstraintTests.schema)
        let expected = try await answers(engine, request(engine, constraint, temperature: 0))[0].0
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<6 {
                group.addTask {
                    if index % 2 == 0 {
                        _ = try await self.answers(
                            engine, self.request(engine, nil, seed: UInt64(index), maxTokens: 80))
                    } else {
                        var request = try self.request(engine, constraint, temperature: 0)
                        request.logProbabilities = 2
                        #expect(try await self.answers(engine, request)[0].0 == expected)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("what can not be followed fails at once, and nothing else with it")
    func refusals() async throws {
        let engine = try await engine()
        for constraint in [
            OutputConstraint.jsonSchema("{"), .grammar("root ::= root"), .regex("("), .choices([]),
            .jsonSchema(#"{"uniqueItems": true}"#),
        ] {
            #expect(throws: InferenceError.self) { try engine.generate(try request(engine, constraint)) }
        }
        #expect(try await answers(engine, request(engine, .choices(["a"])))[0].0 == "a")
    }
}
