internal import Foundation

/// How many runs of words a text shares with its references (Papineni et al., 2002), as sacrebleu counts it:
/// exponential smoothing, no effective order.
public struct BLEU: Sendable {
    /// How texts become words.
    public enum Tokenization: String, Sendable, Hashable, CaseIterable {
        /// As mteval-v13a tokenizes Western languages.
        case wmt13a = "13a"
        /// Every character.
        case characters = "char"
        /// At white space.
        case none
    }

    /// Counts of one text, which add up over texts.
    public struct Counts: Sendable, Hashable {
        var length = 0
        var referenceLength = 0
        var matches = [Int](repeating: 0, count: BLEU.order)
        var totals = [Int](repeating: 0, count: BLEU.order)

        public init() {}

        public static func += (sum: inout Counts, other: Counts) {
            sum.length += other.length
            sum.referenceLength += other.referenceLength
            for index in 0..<BLEU.order {
                sum.matches[index] += other.matches[index]
                sum.totals[index] += other.totals[index]
            }
        }

        /// From 0 to 100.
        public var score: Double {
            guard matches.contains(where: { $0 > 0 }), length > 0 else { return 0 }
            let brevity =
                length < referenceLength ? exp(1 - Double(referenceLength) / Double(length)) : 1
            var smoothing = 1.0
            var logarithms = 0.0
            for (match, total) in zip(matches, totals) {
                // A text that is shorter than an order has no n-gram of it, and no score.
                guard total > 0 else { return 0 }
                if match == 0 { smoothing *= 2 }
                logarithms += log(100 * (match == 0 ? 1 / smoothing : Double(match)) / Double(total))
            }
            return brevity * exp(logarithms / Double(BLEU.order))
        }
    }

    static let order = 4
    /// How texts are split into words.
    public let tokenization: Tokenization

    public init(_ tokenization: Tokenization = .wmt13a) { self.tokenization = tokenization }

    /// The counts of a text against its references.
    public func counts(_ text: String, references: [String]) -> Counts {
        // Code points are compared, not characters as people see them.
        let words = words(of: text).map { Array($0.unicodeScalars) }
        let references = references.map { self.words(of: $0).map { Array($0.unicodeScalars) } }
        var counts = Counts()
        counts.length = words.count
        counts.referenceLength =
            references.map(\.count).min { (abs($0 - words.count), $0) < (abs($1 - words.count), $1) } ?? 0
        for size in 1...BLEU.order {
            var limits: [[[Unicode.Scalar]]: Int] = [:]
            for reference in references {
                for (run, count) in NGrams.counts(reference, size: size) { limits[run] = max(limits[run] ?? 0, count) }
            }
            let found = NGrams.counts(words, size: size)
            counts.totals[size - 1] = max(words.count - size + 1, 0)
            counts.matches[size - 1] = found.reduce(0) { $0 + min($1.value, limits[$1.key] ?? 0) }
        }
        return counts
    }

    /// The words that are compared.
    public func words(of text: String) -> [String] {
        let end = text.unicodeScalars.lastIndex { !PythonText.isSpace($0) }
        let trimmed = end.map { String(text.unicodeScalars[...$0]) } ?? ""
        switch tokenization {
        case .none: return PythonText.split(trimmed.unicodeScalars)
        case .characters: return trimmed.unicodeScalars.filter { !PythonText.isSpace($0) }.map { String($0) }
        case .wmt13a: return BLEU.mteval(trimmed)
        }
    }

    private static func mteval(_ text: String) -> [String] {
        var line = text.replacingOccurrences(of: "<skipped>", with: "").replacingOccurrences(of: "-\n", with: "")
            .replacingOccurrences(of: "\n", with: " ")
        for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            line = line.replacingOccurrences(of: entity, with: character)
        }
        var scalars = Array(" \(line) ".unicodeScalars)
        scalars = scalars.flatMap { isSymbol($0) ? [" ", $0, " "] : [$0] }
        // Full stops and commas are words of their own except within numbers; so is a dash behind a digit.
        scalars = replacingPairs(scalars, where: { !isDigit($0) && isPoint($1) }) { [$0, " ", $1, " "] }
        scalars = replacingPairs(scalars, where: { isPoint($0) && !isDigit($1) }) { [" ", $0, " ", $1] }
        scalars = replacingPairs(scalars, where: { isDigit($0) && $1 == "-" }) { [$0, " ", $1, " "] }
        return PythonText.split(scalars)
    }

    /// Replaces pairs of neighbours from left to right; what was replaced is not looked at again.
    private static func replacingPairs(
        _ scalars: [Unicode.Scalar], where matches: (Unicode.Scalar, Unicode.Scalar) -> Bool,
        with replacement: (Unicode.Scalar, Unicode.Scalar) -> [Unicode.Scalar]
    ) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        var index = 0
        while index < scalars.count {
            if index + 1 < scalars.count, matches(scalars[index], scalars[index + 1]) {
                result += replacement(scalars[index], scalars[index + 1])
                index += 2
            } else {
                result.append(scalars[index])
                index += 1
            }
        }
        return result
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
    private static func isPoint(_ scalar: Unicode.Scalar) -> Bool { scalar == "." || scalar == "," }
    private static func isSymbol(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "{"..."~", "["..."`", " "..."&", "("..."+", ":"..."@", "/": true
        default: false
        }
    }
}

/// Runs of elements that follow each other.
enum NGrams {
    static func counts<Element: Hashable>(_ elements: [Element], size: Int) -> [[Element]: Int] {
        guard elements.count >= size else { return [:] }
        return (0...elements.count - size).reduce(into: [:]) { counts, start in
            counts[Array(elements[start..<start + size]), default: 0] += 1
        }
    }
}
