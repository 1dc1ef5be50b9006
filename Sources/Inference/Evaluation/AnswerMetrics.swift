/// How well an extracted answer agrees with those that people gave, by SQuAD's script (Rajpurkar et al., 2016 and 2018).
public enum AnswerMetrics {
    /// Lower case, without ASCII punctuation, articles and further spaces.
    public static func normalized(_ text: String) -> String { words(of: text).joined(separator: " ") }

    private static func words(of text: String) -> [String] {
        let kept = text.lowercased().unicodeScalars.filter { !isPunctuation($0) }
        var words: [String] = []
        var word = String.UnicodeScalarView()
        // An article counts as one wherever no letter or digit touches it.
        var run = String.UnicodeScalarView()
        func endRun() {
            if ["a", "an", "the"].contains(String(run)) { endWord() } else { word.append(contentsOf: run) }
            run = String.UnicodeScalarView()
        }
        func endWord() {
            if !word.isEmpty { words.append(String(word)) }
            word = String.UnicodeScalarView()
        }
        for scalar in kept {
            if isWordScalar(scalar) {
                run.append(scalar)
                continue
            }
            endRun()
            if PythonText.isSpace(scalar) { endWord() } else { word.append(scalar) }
        }
        endRun()
        endWord()
        return words
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }

    private static func isWordScalar(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: scalar.properties.numericType != nil
        }
    }

    /// Whether an answer is one of those wanted, and its share of their words; the best over all of them.
    /// - Parameter wanted: none: the question has no answer, which `""` says.
    public static func score(_ answer: String, wanted: [String]) -> (exact: Bool, f1: Double) {
        let answerWords = words(of: answer)
        var golds = wanted.map { words(of: $0) }.filter { !$0.isEmpty }
        if golds.isEmpty { golds = [[]] }
        return (golds.contains(answerWords), golds.map { f1(answerWords, $0) }.max() ?? 0)
    }

    private static func f1(_ answer: [String], _ gold: [String]) -> Double {
        if answer.isEmpty || gold.isEmpty { return answer == gold ? 1 : 0 }
        let wanted = gold.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        let found = answer.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        let common = found.reduce(0) { $0 + min($1.value, wanted[$1.key] ?? 0) }
        guard common > 0 else { return 0 }
        let (precision, recall) = (Double(common) / Double(answer.count), Double(common) / Double(gold.count))
        return 2 * precision * recall / (precision + recall)
    }

    /// `exact_match` and `f1`, from 0 to 1.
    public static func measures(_ scores: [(exact: Bool, f1: Double)]) -> [Measure] {
        let count = Double(max(scores.count, 1))
        return [
            Measure("exact_match", scores.reduce(0) { $0 + ($1.exact ? 1 : 0) } / count),
            Measure("f1", scores.reduce(0) { $0 + $1.f1 } / count),
        ]
    }
}

/// The characters that Python's string methods take for white space.
enum PythonText {
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }

    /// `str.split()`.
    static func split(_ text: some Sequence<Unicode.Scalar>) -> [String] {
        var words: [String] = []
        var word = String.UnicodeScalarView()
        for scalar in text {
            if !isSpace(scalar) {
                word.append(scalar)
            } else if !word.isEmpty {
                words.append(String(word))
                word = String.UnicodeScalarView()
            }
        }
        if !word.isEmpty { words.append(String(word)) }
        return words
    }
}
