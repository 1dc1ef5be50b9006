/// How a text becomes the terms of a lexical index: it is cut into words, which are brought to their stems where a stemmer is
/// there.
public struct Analyzer: Sendable, Hashable {
    /// Where words begin and end.
    public enum Segmentation: String, Sendable, CaseIterable {
        /// Unicode lower case, then runs of letters and digits.
        case simple
        /// Words as Unicode's rules for word boundaries (UAX #29) give them for scripts that separate words, lower case:
        /// combining marks stay in their word, as do apostrophes between letters and separators between digits. Ideographs
        /// and kana are terms of their own.
        case unicode
        /// As ``unicode``, but runs of ideographs and kana become overlapping pairs, the usual index for Chinese and Japanese.
        case cjk
    }

    public var segmentation: Segmentation
    public var stemmer: Stemmer?

    public static let simple = Analyzer(.simple)
    public static let unicode = Analyzer(.unicode)
    public static let cjk = Analyzer(.cjk)

    public init(_ segmentation: Segmentation, stemmer: Stemmer? = nil) {
        self.segmentation = segmentation
        self.stemmer = stemmer
    }

    /// Calls `body` with each term in the order of the text.
    public func forEachTerm(in text: String, _ body: (String) -> Void) {
        guard let stemmer else { return forEachWord(in: text, body) }
        forEachWord(in: text) { body(stemmer.stem($0)) }
    }

    /// The terms of a text in order, repeated as they are in it.
    public func terms(in text: String) -> [String] {
        var terms: [String] = []
        forEachTerm(in: text) { terms.append($0) }
        return terms
    }

    /// The terms of the words that say what a question is about, each once; all of them where nothing else would be left.
    func contentTerms(in question: String) -> [String] {
        var words: [String] = []
        forEachWord(in: question) { words.append($0) }
        let content = FunctionWords.contentWords(words)
        guard let stemmer else { return content }
        var seen: Set<String> = []
        return content.map(stemmer.stem).filter { seen.insert($0).inserted }
    }

    private func forEachWord(in text: String, _ body: (String) -> Void) {
        switch segmentation {
        case .simple: Analyzer.simpleWords(text, body)
        case .unicode: WordSegmentation(pairsIdeographs: false).forEachTerm(in: text, body)
        case .cjk: WordSegmentation(pairsIdeographs: true).forEachTerm(in: text, body)
        }
    }

    private static func simpleWords(_ text: String, _ body: (String) -> Void) {
        var text = text
        let isASCII = text.withUTF8 { bytes in
            guard bytes.allSatisfy({ $0 < 0x80 }) else { return false }
            asciiWords(bytes, body)
            return true
        }
        if isASCII { return }
        var term = String.UnicodeScalarView()
        for scalar in text.lowercased().unicodeScalars {
            if scalar.isLetterOrDigit {
                term.append(scalar)
            } else if !term.isEmpty {
                body(String(term))
                term = String.UnicodeScalarView()
            }
        }
        if !term.isEmpty { body(String(term)) }
    }

    /// The same for ASCII, without a look into Unicode's tables.
    private static func asciiWords(_ bytes: UnsafeBufferPointer<UInt8>, _ body: (String) -> Void) {
        var term: [UInt8] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): term.append(byte)
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): term.append(byte | 0x20)
            default:
                guard !term.isEmpty else { continue }
                body(String(decoding: term, as: UTF8.self))
                term.removeAll(keepingCapacity: true)
            }
        }
        if !term.isEmpty { body(String(decoding: term, as: UTF8.self)) }
    }
}

extension Unicode.Scalar {
    /// Letters and numbers of every script (general categories L and N).
    var isLetterOrDigit: Bool {
        if isASCII {
            return (0x30...0x39).contains(value) || (0x41...0x5A).contains(value) || (0x61...0x7A).contains(value)
        }
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber:
            return true
        default: return false
        }
    }

    var isCombiningMark: Bool {
        switch properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }

    /// Ideographs, and kana, which are written without spaces between words.
    var isIdeographOrKana: Bool {
        switch value {
        case 0x3005...0x3007, 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA, 0x30FC...0x30FF, 0x31F0...0x31FF,
            0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0xFF66...0xFF9F, 0x20000...0x323AF:
            true
        default: false
        }
    }
}
