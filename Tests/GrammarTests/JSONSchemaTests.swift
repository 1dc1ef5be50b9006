import Foundation
import Grammar
import JSONCore
import TestSupport
import Testing

@Suite("JSON schemas")
struct JSONSchemaTests {
    struct Case: Sendable {
        var schema: String
        var accepted: [String]
        var refused: [String]
    }

    static let cases = [
        Case(schema: "true", accepted: ["1", "null", #"{"a": [1, "x", {}]}"#], refused: ["", "nul", "[1,]", "{}x"]),
        Case(
            schema: #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"],"#
                + #""additionalProperties":false}"#,
            accepted: [#"{"a":1}"#, #"{"b":"x","a":-2}"#, "{ \"a\" : 1.0 ,\n \"b\":\"\\u00e9\" }", #"{"\u0061":1}"#],
            refused: ["{}", #"{"b":"x"}"#, #"{"a":1,"c":2}"#, #"{"a":1,"a":2}"#, #"{"a":1.5}"#, #"{"a":1,}"#]),
        Case(
            schema: #"{"properties":{"a":{"type":"integer"}},"patternProperties":{"^x":{"type":"null"}}}"#,
            accepted: [#"{"a":1,"x1":null,"b":[]}"#, "3"], refused: [#"{"x1":1}"#, #"{"a":null}"#, #"{"\u0078":1}"#]),
        Case(
            schema: #"{"type":"integer","minimum":-5,"exclusiveMaximum":120}"#,
            accepted: ["-5", "0", "119", "-0", "119.0", "1e1"], refused: ["-6", "120", "119.5", "1e3", "05", "+1"]),
        Case(
            schema: #"{"type":"number","minimum":0.5,"maximum":12.25}"#,
            accepted: ["0.5", "12.25", "12", "0.50", "5e-1", "1.2e1", "12.2499"],
            refused: ["0.4999", "12.251", "13", "-1", "4e-1", "1.3e1", "0"]),
        Case(schema: #"{"type":"number","multipleOf":0.01}"#, accepted: ["1.25", "3", "-0.10"], refused: ["1.255"]),
        Case(schema: #"{"type":"integer","multipleOf":7}"#, accepted: ["0", "49", "-14"], refused: ["50", "13"]),
        Case(
            schema: #"{"type":"string","minLength":2,"maxLength":3}"#,
            accepted: [#""ab""#, #""日本語""#, #""\n\u00e9""#, #""\ud83d\ude00a""#],
            refused: [#""a""#, #""abcd""#, "\"a\n\""]),
        Case(
            schema: #"{"type":"string","pattern":"^a+$","maxLength":3}"#, accepted: [#""a""#, #""aaa""#],
            refused: ["\"\"", #""aaaa""#, #""ab""#]),
        Case(schema: #"{"pattern":"b"}"#, accepted: [#""abc""#, "1"], refused: [#""ac""#]),
        Case(
            schema: #"{"type":"string","format":"date"}"#, accepted: [#""2024-02-29""#],
            refused: [#""2023-02-29""#, #""2024-13-01""#, #""x""#]),
        Case(
            schema: #"{"type":"string","format":"ipv6"}"#,
            accepted: [#""::1""#, #""2001:db8::8a2e:370:7334""#, #""::""#],
            refused: [#""1""#, #"":::""#, #""1:2:3:4:5:6:7:8:9""#]),
        Case(
            schema: #"{"enum":["a",1,null,[1,{"b":2}]]}"#,
            accepted: [#""a""#, "1", "1.0", "null", #"[1, {"b": 2}]"#], refused: ["2", #""b""#, "[1]", "true"]),
        // Texts that look alike are two: "é" of one code point, and as an e with an accent.
        Case(
            schema: #"{"enum":["\u00e9","e\u0301",1,1.0,{"a":1,"b":[2]},{"b":[2.0],"a":1}]}"#,
            accepted: [#""\u00e9""#, "\"\u{E9}\"", #""e\u0301""#, "1e0", #"{"b":[2],"a":1.0}"#],
            refused: [#""e""#, #"{"a":1}"#]),
        Case(
            schema: #"{"enum":["\u00e9","e\u0301","K",2],"not":{"enum":["e\u0301","\u212a",2.0]}}"#,
            accepted: [#""\u00e9""#, #""K""#], refused: [#""e\u0301""#, "2", #""\u212a""#]),
        Case(schema: #"{"const":{"a":[1,2]}}"#, accepted: [#"{"a":[1,2]}"#], refused: [#"{"a":[1]}"#, "{}"]),
        Case(
            schema: #"{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":2}"#,
            accepted: ["[true]", "[ true , false ]"], refused: ["[]", "[true,false,true]", "[1]"]),
        Case(
            schema: #"{"prefixItems":[{"type":"integer"},{"type":"string"}],"items":false,"type":"array"}"#,
            accepted: ["[]", "[1]", #"[1,"a"]"#], refused: [#"["a"]"#, #"[1,"a",2]"#]),
        Case(
            schema: ##"{"anyOf":[{"type":"integer"},{"type":"array","items":{"$ref":"#"}}]}"##,
            accepted: ["1", "[]", "[1,[2,[]]]"], refused: [#"["a"]"#, "{}"]),
        Case(
            schema: #"{"oneOf":[{"multipleOf":3},{"multipleOf":5}],"type":"integer"}"#, accepted: ["3", "10"],
            refused: ["15", "2", "30"]),
        Case(
            schema: #"{"allOf":[{"type":["integer","string"]},{"minimum":3},{"maxLength":1}]}"#,
            accepted: ["3", #""x""#], refused: ["2", #""xy""#, "null"]),
        Case(
            schema: #"{"type":"object","not":{"required":["a"]}}"#, accepted: ["{}", #"{"b":1}"#],
            refused: [#"{"a":1}"#]),
        Case(
            schema:
                #"{"type":"object","if":{"properties":{"k":{"const":1}},"required":["k"]},"then":{"required":["v"]}}"#,
            accepted: [#"{"k":1,"v":2}"#, #"{"v":2,"k":1}"#, #"{"k":2}"#, "{}"], refused: [#"{"k":1}"#]),
        Case(
            schema: #"{"type":"object","dependentRequired":{"a":["b"]}}"#, accepted: ["{}", #"{"a":1,"b":2}"#],
            refused: [#"{"a":1}"#]),
        Case(
            schema: #"{"type":"object","minProperties":1,"maxProperties":2,"propertyNames":{"pattern":"^[a-z]$"}}"#,
            accepted: [#"{"a":1}"#, #"{"a":1,"b":2}"#], refused: ["{}", #"{"a":1,"b":2,"c":3}"#, #"{"ab":1}"#]),
        Case(
            schema: #"{"$defs":{"n":{"$id":"http://x.y/n","type":"null"}},"$ref":"http://x.y/n"}"#, accepted: ["null"],
            refused: ["1"]),
        Case(
            schema: ##"{"definitions":{"a/b~c":{"type":"null"}},"items":{"$ref":"#/definitions/a~1b~0c"}}"##,
            accepted: ["[null]"], refused: ["[1]"]),
        Case(
            schema: #"{"type":"array","contains":{"const":1}}"#, accepted: ["[1]", "[2,1,3]"], refused: ["[]", "[2]"]),
        // Arrays and objects are excluded as wholes.
        Case(schema: #"{"not":{"const":[]}}"#, accepted: ["[1]", "{}", "0"], refused: ["[]", "[ ]"]),
        Case(
            schema: #"{"not":{"enum":[[1,{"a":2}],{"b":null,"c":[]},3]}}"#,
            accepted: ["[]", "[1]", #"[1,{"a":3}]"#, #"[1,{"a":2},0]"#, "{}", #"{"b":null}"#, #"{"b":1,"c":[]}"#, "4"],
            refused: [#"[1,{"a":2}]"#, #"[1.0, {"a":2e0}]"#, #"{"c":[],"b":null}"#, "3"]),
        Case(
            schema: #"{"oneOf":[{"type":"array","maxItems":2},{"enum":[[],false]}]}"#, accepted: ["[0]", "false"],
            refused: ["[]", "[1,2,3]", "true"]),
        // Branches that other names, patterns or places tell apart.
        Case(
            schema: #"""
                {"oneOf":[
                    {"type":"object","properties":{"a":{"type":"integer"},"b":{}},"additionalProperties":false},
                    {"type":"object","properties":{"a":{"type":"integer"},"c":{}},"additionalProperties":{"type":"null"}},
                    {"type":"object","required":["d"]}]}
                """#,
            accepted: [#"{"b":1}"#, #"{"c":1}"#, #"{"a":1,"x":null}"#, #"{"d":1}"#, #"{"a":"z","d":0}"#],
            refused: ["{}", #"{"a":1}"#, #"{"d":null}"#, #"{"b":null}"#, #"{"c":1,"d":null}"#, #"{"x":1}"#]),
        Case(
            schema:
                #"{"type":"object","not":{"additionalProperties":{"type":"integer"},"patternProperties":{"^x":{}}}}"#,
            accepted: [#"{"a":"1"}"#, #"{"x":"","b":null,"c":1}"#], refused: ["{}", #"{"a":1}"#, #"{"x":""}"#]),
        Case(
            schema: #"{"not":{"patternProperties":{"^x":{"type":"null"}},"dependentRequired":{"a":["b"]}}}"#,
            accepted: [#"{"x1":0}"#, #"{"y":0,"a":1}"#], refused: ["{}", #"{"x1":null}"#, #"{"a":1,"b":2}"#, "3"]),
        Case(
            schema: #"{"not":{"prefixItems":[{},{"type":"null"}]}}"#, accepted: ["[1,2]", "[0,[],null]"],
            refused: ["[]", "[1]", "[1,null]", "{}"]),
        Case(
            schema: #"{"not":{"oneOf":[{"multipleOf":2},{"multipleOf":3}]},"type":"integer"}"#,
            accepted: ["1", "6", "0"], refused: ["2", "3", "9"]),
        // What nothing else says anything of.
        Case(
            schema: ##"""
                {"$defs":{"b":{"properties":{"b":{"type":"null"}}}},"allOf":[{"$ref":"#/$defs/b"}],
                 "properties":{"a":{}},"patternProperties":{"^p":{}},"unevaluatedProperties":{"type":"integer"}}
                """##,
            accepted: ["{}", #"{"a":"","b":null,"p1":[],"z":3}"#], refused: [#"{"z":""}"#, #"{"b":1}"#]),
        Case(
            schema: #"""
                {"type":"object","anyOf":[{"properties":{"a":{"type":"integer"}}},{"properties":{"b":{"type":"integer"}}}],
                 "if":{"required":["c"]},"then":{"properties":{"c":{},"d":{}}},"unevaluatedProperties":false}
                """#,
            accepted: ["{}", #"{"a":1,"b":1}"#, #"{"a":1,"c":0,"d":0}"#],
            refused: [#"{"d":0}"#, #"{"a":"","b":1}"#, #"{"z":0}"#]),
        Case(
            schema: #"""
                {"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}},"unevaluatedProperties":false}]}
                """#,
            accepted: ["{}", #"{"b":1}"#], refused: [#"{"a":1}"#, #"{"a":1,"b":1}"#]),
        Case(
            schema: #"{"allOf":[{"prefixItems":[{},{"type":"null"}]}],"unevaluatedItems":{"type":"boolean"}}"#,
            accepted: ["[]", "[1,null,true]", "{}"], refused: ["[1,null,1]", "[1,1]"]),
        // Draft 4 has `enum` and no `const`.
        Case(
            schema: #"{"$schema":"http://json-schema.org/draft-04/schema#","enum":[[1],{"a":2}]}"#,
            accepted: ["[1]", #"{"a":2}"#], refused: ["[5]", #"{"a":3}"#, "[]"]),
    ]

    @Test("what a model writes is compact, and has the members that its schema names")
    func compact() throws {
        func grammar(_ schema: String, isCompact: Bool) throws -> Grammar {
            var builder = GrammarBuilder()
            builder.isCompact = isCompact
            let root = try builder.addJSONSchema(schema)
            return try builder.finished(root: root, at: "#")
        }
        let names = #""properties":{"a":{"type":"integer"}}"#
        let cases: [(schema: String, written: [String], onlyChecked: [String])] = [
            (#"{"type":"object","# + names + "}", ["{}", #"{"a": 1}"#], [#"{"b":1}"#, "{\n\n\"a\":1}", "{   }"]),
            (#"{"type":"object","additionalProperties":true,"# + names + "}", [#"{"b":1}"#], []),
            (#"{"type":"object","minProperties":2,"# + names + "}", [#"{"b":1,"a":2}"#], []),
            (#"{"type":"object"}"#, [#"{"b":[1, {}]}"#], ["{\n}"]),
            (#"{"type":"object","properties":{}}"#, ["{}"], [#"{"b":1}"#]),
        ]
        for (schema, written, onlyChecked) in cases {
            let (compact, any) = (try grammar(schema, isCompact: true), try grammar(schema, isCompact: false))
            for text in written { #expect(try compact.accepts(text) && any.accepts(text), "\(schema) \(text)") }
            for text in onlyChecked { #expect(try !compact.accepts(text) && any.accepts(text), "\(schema) \(text)") }
        }
    }

    @Test("values that schemas accept, and others", arguments: cases)
    func accepts(_ test: Case) throws {
        let grammar = try Grammar(jsonSchema: test.schema)
        for text in test.accepted { #expect(try grammar.accepts(text), "\(test.schema): \(text)") }
        for text in test.refused { #expect(try !grammar.accepts(text), "\(test.schema): \(text)") }
    }

    @Test(
        "what can not be followed is said with its place",
        arguments: [
            (
                #"{"properties":{"a":{"uniqueItems":true}}}"#,
                "schema: #/properties/a: keyword 'uniqueItems' is not supported; leave it out or write it another way"
            ),
            (
                ##"{"$ref":"#/nowhere"}"##,
                "schema: #: $ref '#/nowhere' leads to nothing in this document; nothing is fetched, put it under $defs"
            ),
            (#"{"type":"text"}"#, "schema: #/type must be the name of a JSON type, or an array of them"),
            (#"{"type":"string","minLength":3,"maxLength":2}"#, "schema: # accepts no value at all"),
            (
                ##"{"type":"object","required":["a"],"properties":{"a":{"$ref":"#"}}}"##,
                "schema: # accepts no value at all"
            ),
            (#"{"type":"string","pattern":"^aaaa$","maxLength":3}"#, "schema: # accepts no value at all"),
            (
                #"{"pattern":"(?!a)"}"#,
                "schema: #/pattern '(?!a)': column 4: lookaround is not supported; leave it out or write it another way"
            ),
            (
                #"{"properties":{"\u00e9":{},"e\u0301":{}}}"#,
                "schema: the name 'e\u{301}' in two spellings that look alike is not supported; "
                    + "leave it out or write it another way"
            ),
            ("[]", "schema: #/ must be an object, true or false"),
            (
                "{",
                "schema: invalid JSON at line 1, column 2 (byte 1): expected ',' or '}', found the end of the text"
            ),
        ])
    func mistakes(_ schema: String, _ message: String) {
        #expect { try Grammar(jsonSchema: schema) } throws: { error in
            if "\(error)" != message { print("\(error)") }
            return "\(error)" == message
        }
    }

    /// Counts of `data` that are judged rightly and wrongly.
    private struct Verdicts {
        var schemaCount = 0
        var compiledCount = 0
        var rightCount = 0
        var wrong: [String] = []
    }

    private func judge(_ groups: [JSON], _ name: String, _ verdicts: inout Verdicts) throws {
        for group in groups {
            guard let schema = group["schema"], let tests = group["tests"]?.arrayValue else { continue }
            verdicts.schemaCount += 1
            guard let grammar = try? Grammar(jsonSchema: schema.text) else { continue }
            verdicts.compiledCount += 1
            let automaton = try GrammarAutomaton(grammar, byteVocabulary)
            for test in tests {
                guard let data = test["data"] else { continue }
                if try automaton.accepts(data.text) == (test["valid"] == .bool(true)) {
                    verdicts.rightCount += 1
                } else {
                    verdicts.wrong.append("\(name): \(test["description"]?.stringValue ?? "")")
                }
            }
        }
    }

    private func read(_ url: URL) throws -> [JSON] {
        let root = JSON(try JSONDocument(parsing: [UInt8](Data(contentsOf: url))).root)
        return root.arrayValue ?? [root]
    }

    private func files(_ folder: URL) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }
    }

    @Test("real schemas: nearly all compile, and no value is judged wrongly")
    func maskbench() throws {
        guard let folder = ReferenceMaterial.locate("reference/json-schema/maskbench", for: "maskbench") else { return }
        var verdicts = Verdicts()
        // Every fifth file, so that the test stays short; docs/grammar.md has the numbers of all.
        for (index, file) in try files(folder).enumerated() where index % 5 == 0 {
            try judge(try read(file), file.lastPathComponent, &verdicts)
        }
        #expect(verdicts.compiledCount * 100 >= verdicts.schemaCount * 98)
        #expect(verdicts.wrong == [])
    }

    @Test("JSON Schema's own suite: no value is judged wrongly", arguments: ["draft7", "draft2020-12"])
    func suite(_ draft: String) throws {
        guard let folder = ReferenceMaterial.locate("reference/json-schema/suite/\(draft)", for: "suite") else {
            return
        }
        var verdicts = Verdicts()
        for file in try files(folder) where !["format.json", "vocabulary.json"].contains(file.lastPathComponent) {
            try judge(try read(file), file.lastPathComponent, &verdicts)
        }
        #expect(verdicts.compiledCount > 200)
        #expect(verdicts.wrong == [])
    }
}
