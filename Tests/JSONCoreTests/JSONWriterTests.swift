import JSONCore
import TestSupport
import Testing

@Suite struct JSONWriterTests {
    @Test func writesCompactJSONInOrder() throws {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("text", "q\"\\ \n\t\r\u{8}\u{C}\u{1}\u{1F} é 😀 /")
        writer.member("ids", [1, -2, 3])
        writer.member("none", [])
        try writer.member("score", 1e-5)
        writer.member("ok", true)
        writer.key("null")
        writer.null()
        writer.key("nested")
        writer.beginArray()
        writer.beginObject()
        writer.endObject()
        writer.beginArray()
        writer.endArray()
        writer.value(7)
        writer.endArray()
        writer.endObject()
        let first = #"{"text":"q\"\\ \n\t\r\b\f\u0001\u001f é 😀 /","ids":[1,-2,3],"none":[],"#
        let second = #""score":1e-05,"ok":true,"null":null,"nested":[{},[],7]}"#
        #expect(writer.text == first + second)
        #expect(
            try JSONDocument(parsing: writer.text).root["text"]?.string == "q\"\\ \n\t\r\u{8}\u{C}\u{1}\u{1F} é 😀 /")
    }

    @Test func refusesNonFiniteNumbers() throws {
        var writer = JSONWriter()
        writer.beginObject()
        #expect(throws: JSONError.self) { try writer.member("x", Double.nan) }
        #expect(throws: JSONError.self) { try writer.member("x", -Double.infinity) }
        try writer.member("x", 0.1)
        writer.endObject()
        #expect(writer.text == #"{"x":0.1}"#)
    }

    @Test func doublesReadBackExactly() throws {
        var generator = SplitMix64(seed: 1)
        for _ in 0..<1000 {
            let number = Double(bitPattern: generator.next())
            guard number.isFinite else { continue }
            var writer = JSONWriter()
            try writer.value(number)
            #expect(try JSONDocument(parsing: writer.text).root.double == number)
        }
    }
}
