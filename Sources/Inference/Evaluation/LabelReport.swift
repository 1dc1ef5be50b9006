/// How often a label was right, put where it does not belong, and missed.
public struct LabelCounts: Sendable, Hashable {
    /// Examples that have the label and were given it.
    public var truePositives = 0
    /// Examples that were given the label and do not have it.
    public var falsePositives = 0
    /// Examples that have the label and were not given it.
    public var falseNegatives = 0

    public init() {}

    /// Examples that have the label.
    public var support: Int { truePositives + falseNegatives }
    /// Precision; 0 where the label was never given.
    public var precision: Double { LabelCounts.ratio(truePositives, truePositives + falsePositives) }
    /// Recall; 0 where no example has the label.
    public var recall: Double { LabelCounts.ratio(truePositives, support) }
    /// The harmonic mean of precision and recall; 0 where both are 0.
    public var f1: Double {
        LabelCounts.ratio(2 * truePositives, 2 * truePositives + falsePositives + falseNegatives)
    }

    static func ratio(_ part: Int, _ whole: Int) -> Double { whole == 0 ? 0 : Double(part) / Double(whole) }
}

/// Precision, recall and F1 of each label, and their averages as scikit-learn defines them.
public struct LabelReport: Sendable, Hashable {
    /// The counts of one label.
    public struct Row: Sendable, Hashable {
        public var label: String
        public var counts: LabelCounts
    }

    /// One row for each label.
    public var rows: [Row]
    /// Labels that no example has and no answer gave do not count in macro averages, unless this says so.
    public var countsUnused: Bool

    public init(_ rows: [Row], countsUnused: Bool = false) {
        self.rows = rows
        self.countsUnused = countsUnused
    }

    /// The sum over labels.
    public var total: LabelCounts {
        rows.reduce(into: LabelCounts()) { sum, row in
            sum.truePositives += row.counts.truePositives
            sum.falsePositives += row.counts.falsePositives
            sum.falseNegatives += row.counts.falseNegatives
        }
    }

    /// The mean over labels.
    public func macro(_ path: KeyPath<LabelCounts, Double>) -> Double {
        let used = rows.filter { countsUnused || $0.counts.support + $0.counts.falsePositives > 0 }
        guard !used.isEmpty else { return 0 }
        return used.reduce(0) { $0 + $1.counts[keyPath: path] } / Double(used.count)
    }

    /// The mean over labels, each weighted by the number of its examples.
    public func weighted(_ path: KeyPath<LabelCounts, Double>) -> Double {
        let support = rows.reduce(0) { $0 + $1.counts.support }
        guard support > 0 else { return 0 }
        return rows.reduce(0) { $0 + $1.counts[keyPath: path] * Double($1.counts.support) } / Double(support)
    }

    /// `precision_micro`, `precision_macro` and so on.
    public var averages: [Measure] {
        let parts: [(String, KeyPath<LabelCounts, Double>)] = [
            ("precision", \.precision), ("recall", \.recall), ("f1", \.f1),
        ]
        let total = total
        return parts.flatMap { name, path in
            [
                Measure("\(name)_micro", total[keyPath: path]), Measure("\(name)_macro", macro(path)),
                Measure("\(name)_weighted", weighted(path)),
            ]
        }
    }
}
