import ArgumentParser
import CommandSupport
import Inference
import JSONCore

/// `infer rerank`: documents in the order of their relevance for a query.
struct RerankCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rerank", abstract: "Orders documents by how well they answer a query.",
        discussion: "Documents over the model's limit are cut.")

    @Option(help: "The query.") var query: String

    @Argument(help: "The documents; left out, the lines of standard input.") var documents: [String] = []

    @Option(help: "Print only so many.") var topN: Int?

    @Flag(help: "Print the model's own numbers rather than their sigmoid.") var rawScores = false

    @Option(help: "What a decoder is told to look for; left out, passages that answer a web search.")
    var instruction: String?

    @OptionGroup var list: TextListOptions
    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try OptionRange.check("--top-n", topN, in: 1...(1 << 30))
        try list.check(documents)
    }

    func run() async throws {
        let package = try model.openPackage()
        let task = try Reranker(
            package, on: try model.makeBackend(), givesLogits: rawScores, instruction: instruction,
            options: model.taskOptions())
        var ranked: [(index: Int, score: Double)] = []
        var texts: [Int: String] = [:]
        try list.forEachBatch(of: documents) { batch, first in
            let scores = try task.run(batch.map { TextPair(query, pair: $0) })
            for (index, score) in scores.enumerated() {
                ranked.append((first + index, score))
                if !list.json { texts[first + index] = String(batch[index].prefix(80)) }
            }
            // Of many documents only those are kept that can still be printed.
            ranked.sort { ($0.score, $1.index) > ($1.score, $0.index) }
            if let topN, ranked.count > topN {
                for dropped in ranked[topN...] { texts[dropped.index] = nil }
                ranked.removeLast(ranked.count - topN)
            }
        }
        var output = OutputWriter()
        if list.json {
            try output.writeLine(try json(ranked))
        } else {
            for (index, score) in ranked {
                try output.writeLine("\(ModelOptions.score(score))  \(index)  \(texts[index] ?? "")")
            }
        }
        try output.flush()
    }

    private func json(_ ranked: [(index: Int, score: Double)]) throws -> String {
        var writer = JSONWriter()
        writer.beginArray()
        for (index, score) in ranked {
            writer.beginObject()
            writer.member("index", index)
            try writer.member("relevance_score", score)
            writer.endObject()
        }
        writer.endArray()
        return writer.text
    }
}
