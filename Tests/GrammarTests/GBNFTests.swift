import Grammar
import Testing

@Suite("GBNF")
struct GBNFTests {
    struct Case: Sendable {
        var grammar: String
        var accepted: [String]
        var refused: [String]
    }

    static let cases = [
        Case(grammar: #"root ::= "yes" | "no""#, accepted: ["yes", "no"], refused: ["", "y", "yesno", "maybe"]),
        Case(
            grammar: "# a comment\nroot ::= item (\",\" item)* # more\nitem ::= [0-9]+\n", accepted: ["1", "12,3,4"],
            refused: ["", ",", "1,", "a"]),
        Case(
            grammar: "root ::= \"(\" root \")\" | \"x\"", accepted: ["x", "((x))"], refused: ["(x", "x)", "()"]),
        Case(
            grammar: "root ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= [a-z] | \"(\" expr \")\"",
            accepted: ["a", "a+b", "(a+(b+c))+d"], refused: ["+", "a+", "(a"]),
        Case(grammar: "root ::= [^a-z\\n]{2,3}", accepted: ["AB", "ÄÖÜ", "日本"], refused: ["A", "ABCD", "Ab", "A\n"]),
        Case(grammar: "root ::= \"\\x41\\u00e9\\U0001F600\\\"\"", accepted: ["Aé😀\""], refused: ["A", "Aé😀"]),
        Case(grammar: "root ::= .{2}", accepted: ["ab", "é\n"], refused: ["a", "abc"]),
        Case(grammar: "root ::= (\n \"a\"\n | \"b\"\n)\n", accepted: ["a", "b"], refused: ["c"]),
        Case(grammar: "root ::= \"a\" |\n  \"b\"", accepted: ["a", "b"], refused: ["ab"]),
        Case(
            grammar: "root ::= x{3} x{0,1} y{2,}\nx ::= \"x\"\ny ::= \"y\" | \"(\" y \")\"",
            accepted: ["xxxyy", "xxxxy(y)y"], refused: ["xxyy", "xxxy", "xxxxxyy"]),
        Case(grammar: "root ::= [a-z]*?", accepted: ["", "abc"], refused: ["A"]),
        Case(grammar: "root ::= \"\" | a\na ::= \"a\" a | \"\"", accepted: ["", "aaaa"], refused: ["b"]),
        Case(grammar: "root ::= [-a\\]]+", accepted: ["-a]"], refused: ["b"]),
    ]

    @Test("texts that rules derive, and others", arguments: cases)
    func derives(_ test: Case) throws {
        let grammar = try Grammar(gbnf: test.grammar)
        for text in test.accepted { #expect(try grammar.accepts(text), "\(test.grammar): \(text)") }
        for text in test.refused { #expect(try !grammar.accepts(text), "\(test.grammar): \(text)") }
    }

    @Test("counts that no automaton could spell out")
    func largeCounts() throws {
        let grammar = try Grammar(gbnf: "root ::= pair{0,100000}\npair ::= \"(\" pair \")\" | \"x\"")
        #expect(try grammar.accepts(String(repeating: "(x)", count: 3000)))
        #expect(try !grammar.accepts(String(repeating: "(x)", count: 30) + "("))
        let exact = try Grammar(gbnf: "root ::= (\"ab\" | \"c\"){5000}")
        #expect(try exact.accepts(String(repeating: "c", count: 5000)))
        #expect(try !exact.accepts(String(repeating: "c", count: 4999)))
        #expect(try !exact.accepts(String(repeating: "c", count: 5001)))
    }

    @Test(
        "mistakes, each with its place",
        arguments: [
            ("root ::= \"a", "grammar: line 1, column 12: expected '\"' at the end of the text"),
            ("root ::= a", "grammar: rule 'a' is not defined; define it with 'a ::= …'"),
            ("x ::= \"a\"", "grammar: rule 'root' is not defined; define it with 'root ::= …'"),
            (
                "root ::= root \"a\" | \"b\"",
                "grammar: rule 'root' begins with itself (left recursion); write it as a repetition, such as x (\",\" x)*"
            ),
            (
                "root ::= a\na ::= \"\" b\nb ::= a \"x\"",
                "grammar: rule 'a' begins with itself (left recursion); write it as a repetition, such as x (\",\" x)*"
            ),
            ("root ::= (\"a\"", "grammar: line 1, column 14: expected ')'"),
            ("root ::= [z-a]", "grammar: line 1, column 14: expected a range whose end is not below its start"),
            (
                "root ::= \"\\q\"",
                "grammar: line 1, column 12: expected one of the escapes \\x \\u \\U \\t \\r \\n \\\\ \\\" \\[ \\]"
            ),
            ("root = \"a\"", "grammar: line 1, column 6: expected '::=' after the rule's name"),
            (
                "root ::= a{3,2}\na ::= \"a\"",
                "grammar: line 1, column 16: expected a repetition whose maximum is not below its minimum"
            ),
        ])
    func mistakes(_ text: String, _ message: String) {
        #expect { try Grammar(gbnf: text) } throws: { "\($0)" == message }
    }
}

@Suite("Regular expressions")
struct RegexTests {
    @Test(
        "texts that match as a whole, and others",
        arguments: [
            (#"\d{4}-\d{2}"#, ["2024-01"], ["2024-1", "2024-011", " 2024-01"]),
            ("^(?:a|bc)+$", ["a", "bcabc"], ["", "b", "ab"]),
            ("[^\\s,]+,?", ["ab,", "é"], [",", "a b"]),
            ("a{2,}?b*", ["aa", "aaabb"], ["a", "aab a"]),
            ("\\u00e9|\\x41|\\p{Lu}1|.", ["é", "A", "Ä1", "b"], ["\n", "ä1"]),
            ("(?<year>[0-9]+)|(?P<word>[a-z]+)", ["12", "ab"], ["1a"]),
            ("[\\w.+-]+@[a-z]+\\.(com|org)", ["a.b+c@d.org"], ["@d.org", "a@d.net"]),
            ("", [""], ["a"]),
            ("(a?)*", ["", "aaa"], ["b"]),
            ("^{{[a-z]+}}$|a{|b{,|[{]{2}", ["{{ab}}", "a{", "b{,", "{{"], ["{{}}", "a", "b", "{"]),
            ("c{1,x}|{", ["c{1,x}", "{"], ["cx", "c"]),
            ("\\$\\{x}{2}|{", ["${x}}", "{"], ["${x}", ""]),
        ])
    func matches(_ pattern: String, _ accepted: [String], _ refused: [String]) throws {
        let grammar = try Grammar(regex: pattern)
        for text in accepted { #expect(try grammar.accepts(text), "\(pattern): \(text)") }
        for text in refused { #expect(try !grammar.accepts(text), "\(pattern): \(text)") }
    }

    @Test(
        "what is not supported, and mistakes, are said with their place",
        arguments: [
            ("a(?=b)", "regex: column 5: lookaround is not supported; leave it out or write it another way"),
            ("(a)\\1", "regex: column 5: backreference \\1 is not supported; leave it out or write it another way"),
            ("\\bword", "regex: column 2: word boundary \\b is not supported; leave it out or write it another way"),
            ("(a", "regex: line 1, column 3: expected ')'"),
            ("a)", "regex: line 1, column 2: expected the end, or '(' before ')'"),
            ("*a", "regex: line 1, column 1: expected an expression before '*'"),
            ("[b-a]", "regex: line 1, column 3: expected a range whose end is not below its start"),
            ("a{1000000}", "grammar is too complex: more than 100000 repetitions; simplify it"),
        ])
    func mistakes(_ pattern: String, _ message: String) {
        #expect { try Grammar(regex: pattern) } throws: { "\($0)" == message }
    }
}
