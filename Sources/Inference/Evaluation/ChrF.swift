/// How many runs of characters a text shares with its references (chrF; Popović, 2015), and of words too (chrF++;
/// Popović, 2017), as sacrebleu counts it: β = 2, six characters, without white space.
public struct ChrF: Sendable {
    /// Counts of one text, which add up over texts.
    public struct Counts: Sendable, Hashable {
        /// For each order, the number of runs in the text, in the reference, and in both.
        var values: [[Int]]

        init(order: Int) { values = [[Int]](repeating: [0, 0, 0], count: order) }

        public static func += (sum: inout Counts, other: Counts) {
            for order in sum.values.indices {
                for index in 0..<3 { sum.values[order][index] += other.values[order][index] }
            }
        }

        /// From 0 to 100.
        public var score: Double {
            var (precision, recall) = (0.0, 0.0)
            let used = values.filter { $0[0] > 0 && $0[1] > 0 }
            for value in used {
                precision += Double(value[2]) / Double(value[0]) / Double(used.count)
                recall += Double(value[2]) / Double(value[1]) / Double(used.count)
            }
            let factor = 4.0
            return precision + recall > 0
                ? 100 * (1 + factor) * precision * recall / (factor * precision + recall) : 0
        }
    }

    private static let characterOrder = 6
    /// 0: chrF; 2: chrF++.
    public let wordOrder: Int

    public init(wordOrder: Int = 0) { self.wordOrder = wordOrder }

    /// The counts of no text, to which others are added.
    public var noCounts: Counts { Counts(order: ChrF.characterOrder + wordOrder) }

    /// The counts of a text against the reference that it is nearest to.
    public func counts(_ text: String, references: [String]) -> Counts {
        let own = runs(of: text)
        var best: (counts: Counts, score: Double)?
        for reference in references {
            let counts = ChrF.compare(own, runs(of: reference))
            let score = counts.score
            if score > best?.score ?? -1 { best = (counts, score) }
        }
        return best?.counts ?? noCounts
    }

    private static func compare(_ own: Runs, _ reference: Runs) -> Counts {
        var counts = Counts(order: own.characters.count + own.words.count)
        counts.values =
            zip(own.characters, reference.characters).map { compare($0, $1) }
            + zip(own.words, reference.words).map { compare($0, $1) }
        return counts
    }

    private static func compare<Run>(_ found: [Run: Int], _ wanted: [Run: Int]) -> [Int] {
        let common = found.reduce(0) { $0 + min($1.value, wanted[$1.key] ?? 0) }
        return [wanted.isEmpty ? 0 : found.values.reduce(0, +), wanted.values.reduce(0, +), common]
    }

    /// The counts by order. Code points are compared, not characters as people see them.
    private struct Runs {
        var characters: [[[Unicode.Scalar]: Int]]
        var words: [[[[Unicode.Scalar]]: Int]]
    }

    private func runs(of text: String) -> Runs {
        let characters = text.unicodeScalars.filter { !PythonText.isSpace($0) }
        let words = ChrF.words(of: text)
        return Runs(
            characters: (1...ChrF.characterOrder).map { NGrams.counts(Array(characters), size: $0) },
            words: (0..<wordOrder).map { NGrams.counts(words, size: $0 + 1) })
    }

    /// Words with a sign of punctuation at their end, or else at their start, taken off.
    private static func words(of text: String) -> [[Unicode.Scalar]] {
        PythonText.split(text.unicodeScalars).flatMap { word in
            let scalars = Array(word.unicodeScalars)
            guard scalars.count > 1 else { return [scalars] }
            if isPunctuation(scalars[scalars.count - 1]) {
                return [scalars.dropLast(), scalars.suffix(1)].map(Array.init)
            }
            if isPunctuation(scalars[0]) { return [scalars.prefix(1), scalars.dropFirst()].map(Array.init) }
            return [scalars]
        }
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }
}
