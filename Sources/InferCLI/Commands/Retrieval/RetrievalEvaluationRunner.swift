#if SQLite
    import CommandSupport
    import Foundation
    import Retrieval

    /// Runs judged queries under one setting or several.
    struct RetrievalEvaluationRunner {
        let queries: [RetrievalEvaluation.Query]
        let judgements: Judgements
        let models: SearchModels
        let depth: Int

        func run(_ point: SweepPoint, _ reader: CollectionReader) async throws -> RetrievalEvaluation.Result {
            try await run(point, models.makeSearcher(reader))
        }

        private func run(_ point: SweepPoint, _ searcher: Searcher) async throws -> RetrievalEvaluation.Result {
            var evaluation = RetrievalEvaluation(searcher)
            var bar = ProgressLine(point.label.isEmpty ? "evaluate" : point.label)
            defer { bar.clear() }
            return try await evaluation.run(
                queries, judgements, point.options, k: point.k, depth: max(depth, point.k)
            ) { done, count in
                bar.update(Double(done) / Double(count), "\(done)/\(count) queries")
            }
        }

        /// Learns the weights of the arms from the queries.
        func fitFusion(_ point: SweepPoint, _ reader: CollectionReader) async throws -> FusionWeights {
            var evaluation = RetrievalEvaluation(try models.makeSearcher(reader))
            var bar = ProgressLine("fit")
            defer { bar.clear() }
            let examples = try await evaluation.fusionExamples(queries, judgements, point.options) { done, count in
                bar.update(Double(done) / Double(count), "\(done)/\(count) queries")
            }
            return try FusionTrainer.fit(examples, k: point.k)
        }

        /// Points of one chunk size lie beside each other and share a collection.
        func run(_ points: [SweepPoint], _ reader: CollectionReader) async throws -> [SweepResult] {
            var results: [SweepResult] = []
            var rest = points[...]
            while let first = rest.first {
                let group = rest.prefix { $0.chunkTokenCount == first.chunkTokenCount }
                rest = rest.dropFirst(group.count)
                var rechunked: RechunkedCollection?
                if let count = first.chunkTokenCount {
                    rechunked = try await RechunkedCollection(
                        reader, chunkTokenCount: count, embedder: models.embedder)
                }
                let searcher = try models.makeSearcher(rechunked?.reader ?? reader)
                for point in group {
                    var result = SweepResult(point: point, evaluation: try await run(point, searcher))
                    if point.options.vectorSearch != .exact {
                        var exact = point
                        exact.options.vectorSearch = .exact
                        result.recallOfExact = result.recall(of: try await run(exact, searcher))
                    }
                    results.append(result)
                }
            }
            return results
        }
    }
#endif
