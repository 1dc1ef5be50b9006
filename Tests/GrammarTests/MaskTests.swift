import Foundation
import Grammar
import JSONCore
import TestSupport
import Testing

@Suite("Token masks")
struct MaskTests {
    /// Bytes, common pieces of JSON, parts of characters and what random texts are made of.
    private func vocabulary() -> TokenVocabulary {
        var tokens = (0..<256).map { [UInt8($0)] }
        var random = SplitMix64(name: "mask tokens")
        let alphabet = Array("ab\"\\{}[],: \n01.é日😀nutre".unicodeScalars)
        for _ in 0..<1500 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int(random.next() % 6) + 1 {
                text.append(alphabet[Int(random.next() % UInt64(alphabet.count))])
            }
            var bytes = Array(String(text).utf8)
            // Some begin or end inside of a character.
            if random.next() % 5 == 0 { bytes.removeFirst() }
            if random.next() % 5 == 0, !bytes.isEmpty { bytes.removeLast() }
            tokens.append(bytes)
        }
        return TokenVocabulary(tokens: tokens + [[]], endTokens: [Int32(tokens.count)])
    }

    static let grammars: [@Sendable () throws -> Grammar] = [
        { try Grammar(jsonSchema: "true") },
        { try Grammar(jsonSchema: #"{"type":"string","minLength":2,"maxLength":5}"#) },
        { try Grammar(jsonSchema: #"{"type":"string","pattern":"^[a-b]+\n?"}"#) },
        {
            try Grammar(
                jsonSchema:
                    #"{"anyOf":[{"type":"string","maxLength":3},{"type":"string","pattern":"^é"},{"enum":["ab"]}]}"#)
        },
        { try Grammar(jsonSchema: #"{"type":"object","additionalProperties":{"type":"number","minimum":0.1}}"#) },
        { try Grammar(gbnf: "root ::= \"a\" root \"b\" | [é日]{0,3}") },
        { try Grammar(regex: "(ab|a|[^a])*\\n") },
    ]

    @Test("a token is allowed just where its bytes are", arguments: grammars.indices)
    func masksAgree(_ index: Int) throws {
        let vocabulary = vocabulary()
        let automaton = try GrammarAutomaton(try MaskTests.grammars[index](), vocabulary)
        var random = SplitMix64(name: "mask walk \(index)")
        for _ in 0..<12 {
            var matcher = GrammarMatcher(automaton)
            for _ in 0..<25 {
                let mask = try matcher.mask()
                for token in 0..<Int32(vocabulary.tokenCount) {
                    var copy = matcher
                    let bytes = vocabulary.bytes(of: token)
                    let isAllowed =
                        bytes.isEmpty ? vocabulary.endTokens.contains(token) && copy.isComplete : try copy.accept(token)
                    if mask.contains(Int(token)) != isAllowed {
                        Issue.record("grammar \(index): token \(token) \(Array(bytes))")
                        return
                    }
                }
                let allowed = mask.tokens(below: vocabulary.tokenCount)
                guard !allowed.isEmpty else { break }
                let chosen = allowed[Int(random.next() % UInt64(allowed.count))]
                #expect(try matcher.accept(chosen))
                if matcher.hasEnded { break }
            }
        }
    }

    @Test("whatever is chosen, some way leads to the end", arguments: grammars.indices)
    func noDeadEnds(_ index: Int) throws {
        let vocabulary = vocabulary()
        let automaton = try GrammarAutomaton(try MaskTests.grammars[index](), vocabulary)
        var random = SplitMix64(name: "dead ends \(index)")
        for _ in 0..<40 {
            var matcher = GrammarMatcher(automaton)
            for _ in 0..<40 where !matcher.hasEnded {
                let allowed = try matcher.mask().tokens(below: vocabulary.tokenCount)
                guard !allowed.isEmpty else {
                    Issue.record("grammar \(index) leads to where no token goes on")
                    return
                }
                _ = try matcher.accept(allowed[Int(random.next() % UInt64(allowed.count))])
            }
        }
    }

    @Test("copies go on by themselves")
    func copies() throws {
        let automaton = try GrammarAutomaton(try Grammar(choices: ["abc", "abd"]), byteVocabulary)
        var first = GrammarMatcher(automaton)
        #expect(try first.accept(bytes: Array("ab".utf8)) == 2)
        var second = first
        #expect(try first.accept(bytes: Array("c".utf8)) == 1)
        #expect(try second.accept(bytes: Array("d".utf8)) == 1)
        #expect(first.isComplete && second.isComplete)
        #expect(try first.accept(bytes: Array("c".utf8)) == 0)
        #expect(try first.accept(256) && first.hasEnded)
        #expect(try first.mask().isEmpty)
    }

    @Test("long texts do not make the automaton grow without bound")
    func forgetting() throws {
        let automaton = try GrammarAutomaton(
            try Grammar(jsonSchema: #"{"type":"array","items":{"type":"string","maxLength":100000}}"#), byteVocabulary)
        var matcher = GrammarMatcher(automaton)
        var other = GrammarMatcher(automaton)
        #expect(try other.accept(bytes: Array("[\"ab".utf8)) == 4)
        #expect(try matcher.accept(bytes: Array("[\"".utf8)) == 2)
        let piece = Array(String(repeating: "x", count: 1000).utf8)
        for _ in 0..<99 { #expect(try matcher.accept(bytes: piece) == 1000) }
        #expect(automaton.stateCount < 40_000)
        #expect(try matcher.accept(bytes: piece) == 1000)
        #expect(try matcher.accept(bytes: [0x78]) == 0)
        #expect(try other.accept(bytes: Array("c\",\"\"]".utf8)) == 6)
        #expect(other.isComplete)
        #expect(try matcher.accept(bytes: Array("\"]".utf8)) == 2)
        #expect(matcher.isComplete)
    }

    @Test("free text up to a trigger, also one that a control token writes")
    func triggers() throws {
        let tokens = (0..<256).map { [UInt8($0)] } + [[], []]
        let vocabulary = TokenVocabulary(tokens: tokens, endTokens: [256], controlSpellings: [257: Array("<go>".utf8)])
        for mayEnd in [true, false] {
            var builder = GrammarBuilder()
            let part = try builder.addChoices(["12"])
            let root = try builder.addAfter(["<go>"], part, mayEnd: mayEnd)
            let automaton = try GrammarAutomaton(try builder.finished(root: root, at: "#"), vocabulary)
            #expect(try automaton.accepts("hello <g <go>12"))
            #expect(try automaton.accepts("hello") == mayEnd)
            #expect(try !automaton.accepts("<go>1"))
            #expect(try !automaton.accepts("<go>123"))
            var matcher = GrammarMatcher(automaton)
            #expect(try matcher.mask().contains(257))
            #expect(try matcher.accept(257))
            #expect(try matcher.mask().tokens(below: 300) == [0x31])
            #expect(try !matcher.accept(257))
        }
    }
}
