import Grammar
import JSONCore
import TestSupport
import Testing

/// Whatever text comes in ends in a grammar or in a typed error of one line.
@Suite("Mutated grammars")
struct GrammarFuzzTests {
    private func mutated(_ text: String, _ random: inout SplitMix64) -> String {
        var scalars = Array(text.unicodeScalars)
        let spice = Array("(){}[]*+?|\\^$-,\"':=<>.#0129nux\n é".unicodeScalars)
        for _ in 0..<Int(random.next() % 4) + 1 {
            let place = Int(random.next() % UInt64(max(scalars.count, 1)))
            switch random.next() % 4 {
            case 0 where !scalars.isEmpty: scalars.remove(at: place)
            case 1 where !scalars.isEmpty: scalars[place] = spice[Int(random.next() % UInt64(spice.count))]
            case 2 where !scalars.isEmpty:
                let end = min(place + Int(random.next() % 8), scalars.count)
                scalars.insert(contentsOf: scalars[place..<end], at: place)
            default: scalars.insert(spice[Int(random.next() % UInt64(spice.count))], at: min(place, scalars.count))
            }
        }
        var result = String.UnicodeScalarView()
        result.append(contentsOf: scalars)
        return String(result)
    }

    private func survives(_ make: () throws -> Grammar, _ random: inout SplitMix64) {
        do {
            let automaton = try GrammarAutomaton(try make(), byteVocabulary)
            var matcher = GrammarMatcher(automaton)
            for _ in 0..<20 where !matcher.hasEnded {
                let allowed = try matcher.mask().tokens(below: 300)
                guard !allowed.isEmpty else {
                    Issue.record("nothing may come")
                    return
                }
                _ = try matcher.accept(allowed[Int(random.next() % UInt64(allowed.count))])
            }
        } catch {
            #expect(error is GrammarError || error is JSONError)
            #expect(!"\(error)".contains("\n"))
        }
    }

    @Test("GBNF")
    func gbnf() {
        var random = SplitMix64(name: "fuzz gbnf")
        for test in GBNFTests.cases {
            for _ in 0..<60 {
                let text = mutated(test.grammar, &random)
                survives({ try Grammar(gbnf: text) }, &random)
            }
        }
    }

    @Test("regular expressions")
    func regex() {
        var random = SplitMix64(name: "fuzz regex")
        let patterns = [
            #"^\d{4}-(0[1-9]|1[0-2])-[^\s]+$"#, #"(?:[\w.+-]+@)+\.(com|org)?"#, #"((a|b)*c{2,5})+|\u00e9\x41[\]^-]"#,
        ]
        for pattern in patterns {
            for _ in 0..<250 {
                let text = mutated(pattern, &random)
                survives({ try Grammar(regex: text) }, &random)
            }
        }
    }

    @Test("schemas")
    func schemas() {
        var random = SplitMix64(name: "fuzz schemas")
        for test in JSONSchemaTests.cases {
            for _ in 0..<25 {
                let text = mutated(test.schema, &random)
                survives({ try Grammar(jsonSchema: text) }, &random)
            }
        }
    }

    @Test("nesting and counts that would take all memory are refused")
    func bounds() {
        let deep = String(repeating: "(", count: 100_000)
        #expect(throws: GrammarError.self) { try Grammar(regex: deep) }
        #expect(throws: GrammarError.self) { try Grammar(gbnf: "root ::= " + deep) }
        #expect(throws: GrammarError.self) { try Grammar(regex: "((a{1000}){1000}){1000}") }
        #expect(throws: GrammarError.self) { try Grammar(regex: String(repeating: "a", count: 500_000)) }
        let pairs = (0..<12).map { #"{"anyOf":[{"minimum":\#($0)},{"maxLength":\#($0)},{"maxItems":\#($0)}]}"# }
        #expect(throws: GrammarError.self) { try Grammar(jsonSchema: #"{"allOf":[\#(pairs.joined(separator: ","))]}"#) }
        let chain = (0..<20_000).map { "r\($0) ::= r\($0 + 1)" }.joined(separator: "\n")
        #expect(throws: Never.self) { try Grammar(gbnf: "root ::= r0\n" + chain + "\nr20000 ::= \"x\"") }
    }
}
