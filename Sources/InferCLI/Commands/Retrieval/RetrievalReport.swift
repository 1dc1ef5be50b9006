#if SQLite
    import CommandSupport
    import Inference
    import JSONCore
    import Retrieval

    /// What an evaluation found, as people and programs read it.
    struct RetrievalReport {
        let result: RetrievalEvaluation.Result
        /// The weights that were learned from the same queries; `nil`: none were.
        let learned: FusionWeights?
        let comparisons: [(path: String, comparison: RunComparison)]
        let swept: [SweepResult]

        func table() -> String {
            var lines = RetrievalMetrics.measures.map { name, path in
                let interval = Resampling.interval(result.queries.map { $0.metrics[keyPath: path] })
                return "\(name)@\(result.k)\t\(Self.number(result.mean[keyPath: path]))\t\(Self.interval(interval))"
            }
            let seconds = result.seconds.reduce(0, +) / Double(max(result.seconds.count, 1))
            lines.append("\(result.queries.count) queries, \(fixed(seconds * 1000, digits: 3)) ms each")
            if let learned {
                let weights = learned.sorted.map { "\($0.arm.rawValue) \(fixed($0.weight, digits: 3))" }
                let validated = learned.crossValidatedNDCG.map { "; cross-validated \(Self.number($0))" } ?? ""
                lines.append(
                    "learned: \(weights.joined(separator: ", ")); ndcg@\(learned.k) of these queries "
                        + "\(Self.number(learned.ndcg))\(validated)")
            }
            for (path, comparison) in comparisons {
                lines += ["", "against \(path):\tthere\tdifference\t95 %\tp"]
                lines += comparison.rows.map { row in
                    "\(row.measure)@\(result.k)\t\(Self.number(row.other))\t\(Self.signed(row.difference))\t"
                        + "\(Self.interval(row.interval))\t\(Self.number(row.probability))"
                }
            }
            if let first = swept.first {
                let names = first.point.values.map(\.parameter.rawValue) + RetrievalMetrics.measures.map(\.name)
                lines += ["", (names + ["ndcg 95 %", "ms", "of exact"]).joined(separator: "\t")]
                lines += swept.map { swept in
                    let values =
                        swept.point.values.map(\.value)
                        + RetrievalMetrics.measures.map { Self.number(swept.evaluation.mean[keyPath: $0.path]) }
                    let milliseconds = fixed(swept.secondsPerQuery * 1000, digits: 3)
                    let recall = swept.recallOfExact.map(Self.number) ?? "-"
                    return (values + [Self.interval(swept.interval(\.ndcg)), milliseconds, recall]).joined(
                        separator: "\t")
                }
            }
            return lines.joined(separator: "\n")
        }

        private static func number(_ value: Double) -> String { fixed(value, digits: 4) }

        private static func signed(_ value: Double) -> String { (value < 0 ? "" : "+") + number(value) }

        private static func interval(_ interval: ClosedRange<Double>) -> String {
            "[\(number(interval.lowerBound)), \(number(interval.upperBound))]"
        }

        func json() throws -> String {
            var writer = JSONWriter()
            writer.beginObject()
            try Self.write(result, to: &writer)
            if let learned {
                writer.key("learned")
                try learned.write(to: &writer)
            }
            if !comparisons.isEmpty {
                writer.key("comparisons")
                writer.beginArray()
                for (path, comparison) in comparisons { try Self.write(comparison, path, to: &writer) }
                writer.endArray()
            }
            if !swept.isEmpty {
                writer.key("sweep")
                writer.beginArray()
                for swept in swept {
                    writer.beginObject()
                    writer.key("values")
                    writer.beginObject()
                    for (parameter, value) in swept.point.values { writer.member(parameter.rawValue, value) }
                    writer.endObject()
                    try Self.write(swept.evaluation, to: &writer)
                    if let recall = swept.recallOfExact { try writer.member("recall_of_exact", recall) }
                    writer.endObject()
                }
                writer.endArray()
            }
            writer.endObject()
            return writer.text
        }

        private static func write(_ result: RetrievalEvaluation.Result, to writer: inout JSONWriter) throws {
            for (name, path) in RetrievalMetrics.measures { try writer.member(name, result.mean[keyPath: path]) }
            writer.member("k", result.k)
            writer.member("queries", result.queries.count)
            writer.key("intervals")
            writer.beginObject()
            for (name, path) in RetrievalMetrics.measures {
                try write(Resampling.interval(result.queries.map { $0.metrics[keyPath: path] }), name, to: &writer)
            }
            writer.endObject()
            try writer.member("seconds_per_query", result.seconds.reduce(0, +) / Double(max(result.seconds.count, 1)))
        }

        private static func write(
            _ comparison: RunComparison, _ path: String, to writer: inout JSONWriter
        ) throws {
            writer.beginObject()
            writer.member("run", path)
            writer.key("measures")
            writer.beginObject()
            for row in comparison.rows {
                writer.key(row.measure)
                writer.beginObject()
                try writer.member("other", row.other)
                try writer.member("difference", row.difference)
                try write(row.interval, "interval", to: &writer)
                try writer.member("p", row.probability)
                writer.endObject()
            }
            writer.endObject()
            writer.endObject()
        }

        private static func write(
            _ interval: ClosedRange<Double>, _ name: String, to writer: inout JSONWriter
        ) throws {
            writer.key(name)
            writer.beginArray()
            try writer.value(interval.lowerBound)
            try writer.value(interval.upperBound)
            writer.endArray()
        }
    }
#endif
