/// Cuts a text down to the sentences that matter most for a question, in their order.
public enum ContextCompression {
    /// The largest number of best sentences that `fits` lets through; where that is none, the beginning of the best one.
    /// - Parameters:
    ///   - weigh: how much a sentence matters; of equal ones the first is taken.
    ///   - fits: whether a text is short enough; what is shorter than a text that fits is taken to fit too.
    /// - Returns: `nil` where not even the beginning of the best sentence fits.
    public static func compress(
        _ text: String, weigh: (String) -> Double, fits: (String) throws -> Bool
    ) rethrows -> String? {
        let bytes = Array(text.utf8)
        let sentences = SentenceSplitter.split(bytes, in: 0..<bytes.count).map { bytes[$0.range].trimmedText }
            .filter { !$0.isEmpty }
        let weights = sentences.map(weigh)
        let order = sentences.indices.sorted { weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 < $1 }
        func joined(_ count: Int) -> String {
            let kept = order.prefix(count).sorted()
            var text = ""
            for (place, index) in kept.enumerated() {
                if place > 0 { text += kept[place - 1] + 1 == index ? " " : " … " }
                text += sentences[index]
            }
            return text
        }
        let count = try most(sentences.count) { try fits(joined($0)) }
        if count > 0 { return joined(count) }
        // Tables and lists have very long sentences; take the beginning of the best one.
        guard let best = order.first else { return nil }
        let words = sentences[best].split(whereSeparator: \.isWhitespace)
        let kept = try most(words.count) { try fits(words.prefix($0).joined(separator: " ") + " …") }
        return kept < fewestWords ? nil : words.prefix(kept).joined(separator: " ") + " …"
    }

    /// Fewer words of a sentence carry no meaning.
    private static let fewestWords = 8

    /// The largest number up to `limit` that fits, by halving; 0 where none does.
    private static func most(_ limit: Int, fits: (Int) throws -> Bool) rethrows -> Int {
        var (low, high) = (0, limit)
        while low < high {
            let middle = (low + high + 1) / 2
            if try fits(middle) { low = middle } else { high = middle - 1 }
        }
        return low
    }
}
