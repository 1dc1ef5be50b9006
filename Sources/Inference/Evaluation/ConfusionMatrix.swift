/// How often each label was answered with each label: single-label classification.
public struct ConfusionMatrix: Sendable, Hashable {
    /// The names of the labels, `[L]`.
    public let labels: [String]
    /// `[true label][answered label]`
    public private(set) var counts: [[Int]]

    /// - Parameter answers: the true and the answered label of each example, as indices into `labels`.
    public init(labels: [String], answers: some Sequence<(truth: Int, answer: Int)>) {
        self.labels = labels
        counts = [[Int]](repeating: [Int](repeating: 0, count: labels.count), count: labels.count)
        for (truth, answer) in answers { counts[truth][answer] += 1 }
    }

    /// The number of examples.
    public var exampleCount: Int { counts.reduce(0) { $0 + $1.reduce(0, +) } }

    /// The share of examples whose label is right; 0 without examples.
    public var accuracy: Double {
        LabelCounts.ratio(counts.indices.reduce(0) { $0 + counts[$1][$1] }, exampleCount)
    }

    /// Precision, recall and F1 of each label.
    public var report: LabelReport {
        LabelReport(
            labels.indices.map { label in
                var own = LabelCounts()
                own.truePositives = counts[label][label]
                own.falseNegatives = counts[label].reduce(0, +) - own.truePositives
                own.falsePositives = counts.reduce(0) { $0 + $1[label] } - own.truePositives
                return LabelReport.Row(label: labels[label], counts: own)
            })
    }

    /// The correlation of truth and answer over all labels (Gorodkin, 2004); 0 where it is undefined.
    public var matthewsCorrelation: Double {
        let total = Double(exampleCount)
        let truths = counts.map { Double($0.reduce(0, +)) }
        let answers = labels.indices.map { label in Double(counts.reduce(0) { $0 + $1[label] }) }
        let correct = Double(counts.indices.reduce(0) { $0 + counts[$1][$1] })
        let covariance = correct * total - zip(truths, answers).reduce(0) { $0 + $1.0 * $1.1 }
        let truthSpread = total * total - truths.reduce(0) { $0 + $1 * $1 }
        let answerSpread = total * total - answers.reduce(0) { $0 + $1 * $1 }
        let scale = (truthSpread * answerSpread).squareRoot()
        return scale > 0 ? covariance / scale : 0
    }

    /// Accuracy, the averages of precision, recall and F1, and Matthews' correlation.
    public var measures: [Measure] {
        [Measure("accuracy", accuracy)] + report.averages
            + [Measure("matthews_correlation", matthewsCorrelation)]
    }
}

/// Labels of which any number may be right.
public enum MultiLabel {
    /// - Parameters:
    ///   - truths, answers: `[N][L]`: whether an example has a label.
    public static func report(labels: [String], truths: [[Bool]], answers: [[Bool]]) -> LabelReport {
        let rows = labels.indices.map { label in
            var counts = LabelCounts()
            for (truth, answer) in zip(truths, answers) {
                switch (truth[label], answer[label]) {
                case (true, true): counts.truePositives += 1
                case (true, false): counts.falseNegatives += 1
                case (false, true): counts.falsePositives += 1
                case (false, false): break
                }
            }
            return LabelReport.Row(label: labels[label], counts: counts)
        }
        return LabelReport(rows, countsUnused: true)
    }

    /// The share of examples whose labels are all right, the share of wrong labels, and the averages.
    public static func measures(labels: [String], truths: [[Bool]], answers: [[Bool]]) -> [Measure] {
        let exact = zip(truths, answers).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
        let wrong = zip(truths, answers).reduce(0) { sum, pair in
            sum + zip(pair.0, pair.1).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
        }
        return [
            Measure("accuracy", LabelCounts.ratio(exact, truths.count)),
            Measure("hamming_loss", LabelCounts.ratio(wrong, truths.count * labels.count)),
        ] + report(labels: labels, truths: truths, answers: answers).averages
    }
}
