import Retrieval
import Testing

@Suite("Analyzers")
struct AnalyzerTests {
    @Test("Letters and digits in lower case, everything else apart")
    func simple() {
        #expect(
            Analyzer.simple.terms(in: "The B-52's 3.5 km, isn't_it?") == [
                "the", "b", "52", "s", "3", "5", "km", "isn", "t", "it",
            ])
        #expect(Analyzer.simple.terms(in: "Größe ÉTÉ Ⅻ ½ cafe\u{301}") == ["größe", "été", "ⅻ", "½", "cafe"])
        #expect(Analyzer.simple.terms(in: " \n.-").isEmpty)
    }

    @Test("ASCII takes a way of its own and gives the same")
    func asciiAgrees() {
        let text = "Mixed 12AB cd-3 _x_ Y\u{7F}z 0"
        let withLetter = Analyzer.simple.terms(in: text + " é")
        #expect(Analyzer.simple.terms(in: text) + ["é"] == withLetter)
    }

    @Test("Words keep their marks, apostrophes and numbers")
    func unicode() {
        #expect(Analyzer.unicode.terms(in: "Don't pay 1,234.5 or a.b.c") == ["don't", "pay", "1,234.5", "or", "a.b.c"])
        #expect(Analyzer.unicode.terms(in: "cafe\u{301} au lait.") == ["cafe\u{301}", "au", "lait"])
        #expect(Analyzer.unicode.terms(in: "東京 tower") == ["東", "京", "tower"])
    }

    @Test("Runs of ideographs become pairs")
    func pairs() {
        #expect(Analyzer.cjk.terms(in: "東京都に GPU 人") == ["東京", "京都", "都に", "gpu", "人"])
    }
}
