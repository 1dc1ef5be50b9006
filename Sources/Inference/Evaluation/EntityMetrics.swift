/// How many entities of tagged words are found, as conlleval and `seqeval` count them: type and words must both be right.
public enum EntityMetrics {
    /// An entity: its type and words.
    public struct Entity: Sendable, Hashable {
        /// The entity's type, such as `PER`.
        public var type: String
        /// The words of the sentence, counted from 0.
        public var words: Range<Int>
    }

    /// The entities of a sentence's tags (`B-PER`, `I-PER`, `O`; also `E-` and `S-`), as lenient as `seqeval` is: an `I-`
    /// without a `B-` begins one.
    public static func entities(in tags: [String]) -> [Entity] {
        var entities: [Entity] = []
        var start = 0
        var last = (prefix: Character("O"), type: "")
        for (index, tag) in (tags + ["O"]).enumerated() {
            let now = (prefix: tag.first ?? "O", type: type(of: tag))
            if ends(last, before: now) { entities.append(Entity(type: last.type, words: start..<index)) }
            if begins(now, after: last) { start = index }
            last = now
        }
        return entities
    }

    private static func type(of tag: String) -> String {
        let rest = tag.dropFirst()
        let type = rest.firstIndex(of: "-").map { rest[rest.index(after: $0)...] } ?? rest
        return type.isEmpty ? "_" : String(type)
    }

    private typealias Part = (prefix: Character, type: String)

    private static func ends(_ last: Part, before now: Part) -> Bool {
        if last.prefix == "E" || last.prefix == "S" { return true }
        if "BI".contains(last.prefix), "BSO".contains(now.prefix) { return true }
        return last.prefix != "O" && last.prefix != "." && last.type != now.type
    }

    private static func begins(_ now: Part, after last: Part) -> Bool {
        if now.prefix == "B" || now.prefix == "S" { return true }
        if "ESO".contains(last.prefix), "EI".contains(now.prefix) { return true }
        return now.prefix != "O" && now.prefix != "." && last.type != now.type
    }

    /// Found, wrong and missed entities of each type, types in alphabetical order.
    /// - Parameters:
    ///   - truths, answers: the tags of each sentence.
    public static func report(truths: [[String]], answers: [[String]]) -> LabelReport {
        var counts: [String: LabelCounts] = [:]
        for (truth, answer) in zip(truths, answers) {
            let (wanted, found) = (Set(entities(in: truth)), Set(entities(in: answer)))
            for entity in wanted {
                if found.contains(entity) {
                    counts[entity.type, default: LabelCounts()].truePositives += 1
                } else {
                    counts[entity.type, default: LabelCounts()].falseNegatives += 1
                }
            }
            for entity in found.subtracting(wanted) {
                counts[entity.type, default: LabelCounts()].falsePositives += 1
            }
        }
        return LabelReport(counts.sorted { $0.key < $1.key }.map { LabelReport.Row(label: $0.key, counts: $0.value) })
    }

    /// The share of words whose tag is right, and the averages over entities.
    public static func measures(truths: [[String]], answers: [[String]]) -> [Measure] {
        let wordCount = truths.reduce(0) { $0 + $1.count }
        let right = zip(truths, answers).reduce(0) { sum, pair in
            sum + zip(pair.0, pair.1).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
        }
        return [Measure("accuracy", LabelCounts.ratio(right, wordCount))]
            + report(truths: truths, answers: answers).averages
    }
}
