import ArgumentParser
import CommandSupport
import Inference
import JSONCore
import Models
import TensorCore

/// `infer perplexity`: how well a model predicts a text.
struct PerplexityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "perplexity", abstract: "Measures how well a model predicts a text, as llama-perplexity does.",
        discussion: """
            The text is cut into contexts of --ctx tokens, and the second half of each is predicted. With --stride S, \
            contexts of --ctx + S/2 tokens start every S tokens, and the last S of each are predicted. Printed are the \
            values so far and, at the end, the perplexity and its standard error. --kl-divergence-base FILE also writes \
            the probabilities of all tokens, in llama-perplexity's format; with --kl-divergence, the text and the \
            probabilities of that file are what the model is compared with.
            """)

    /// Tokens of a context where none is asked for: llama-perplexity's.
    private static let defaultContextLength = 512

    @Option(name: [.customShort("f"), .long], help: "The text.", completion: .file())
    var file: String?

    @Option(help: "Tokens from one context to the next; left out, contexts follow each other.")
    var stride: Int?

    @Option(help: "Stop after so many contexts.")
    var chunks: Int?

    @Option(
        name: [.customLong("kl-divergence-base"), .customLong("save-all-logits")],
        help: ArgumentHelp("Write the probabilities of all tokens to this file.", valueName: "file"),
        completion: .file())
    var base: String?

    @Flag(help: "Compare with the probabilities in --kl-divergence-base rather than write them.")
    var klDivergence = false

    @Flag(help: "Print one JSON object at the end.")
    var json = false

    @OptionGroup(title: "Model") var model: ModelOptions

    func validate() throws {
        try model.validate()
        try OptionRange.check("--stride", stride, in: 1...(1 << 24))
        try OptionRange.check("--chunks", chunks, in: 1...Int(Int32.max))
        try OptionRange.check("--ctx", model.contextLength, in: 4...(1 << 24))
        if let stride, stride > model.contextLength ?? Self.defaultContextLength {
            throw ValidationError("--stride is \(stride), more than --ctx; tokens between contexts would be left out")
        }
        if base != nil, stride != nil {
            throw ValidationError("--kl-divergence-base is of contexts that follow each other; leave --stride out")
        }
        if klDivergence {
            guard base != nil else { throw ValidationError("--kl-divergence needs --kl-divergence-base FILE") }
            guard file == nil else {
                throw ValidationError("--kl-divergence takes the text from --kl-divergence-base; leave --file out")
            }
        } else if file == nil {
            throw ValidationError("give the text with --file")
        }
    }

    func run() throws {
        let package = try model.openPackage()
        if klDivergence, let base {
            return try DivergenceReport(package: package, model: model, chunks: chunks, json: json).run(base)
        }
        let text = try InputText.file(file ?? "")
        let longest = try package.describe().maxContextLength
        let contextLength = model.contextLength ?? min(Self.defaultContextLength, longest)
        let plan =
            stride.map { PerplexityPlan(contextLength: contextLength, stride: $0) }
            ?? PerplexityPlan(contextLength: contextLength)
        // What does not fit is told before the model is loaded.
        guard plan.windowTokenCount <= longest else {
            throw InferenceError.contextTooLong(requested: plan.windowTokenCount, maximum: longest)
        }
        let tokens = try PerplexityMeasurement.tokens(of: text, for: package)
        _ = try plan.windowCount(tokenCount: tokens.count)
        let backend = try model.makeBackend()
        let measurement = try PerplexityMeasurement(package, on: backend, plan: plan, options: model.engineOptions())
        backend.setProfiling(model.profile)
        try measure(measurement, tokens)
        if model.profile { ProfileTable(try backend.profile()).print() }
    }

    private func measure(_ measurement: PerplexityMeasurement, _ tokens: [Int]) throws {
        var output = OutputWriter()
        var bar = ProgressLine("perplexity")
        defer { bar.clear() }
        var values: [Double] = []
        let start = ContinuousClock.now
        let progress: (Int, Int, PerplexityEstimate) throws -> Void = { window, count, estimate in
            values.append(estimate.perplexity)
            let elapsed = (ContinuousClock.now - start) / .seconds(1)
            let left = elapsed / Double(window) * Double(count - window)
            bar.update(Double(window) / Double(count), "\(window)/\(count), \(fixed(left, digits: 0)) s left")
            guard !json else { return }
            try output.write("[\(window)]\(fixed(estimate.perplexity, digits: 4)),")
            try output.flush()
        }
        let estimate =
            try base.map {
                try measurement.measure(tokens, maximumWindowCount: chunks, writingBase: $0, progress: progress)
            } ?? measurement.measure(tokens, maximumWindowCount: chunks, progress: progress)
        bar.clear()
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        if json {
            try output.writeLine(report(estimate, values, measurement.plan, tokens.count, seconds))
        } else {
            try output.writeLine("")
            try output.writeLine(
                "Final estimate: PPL = \(fixed(estimate.perplexity, digits: 4)) "
                    + "+/- \(fixed(estimate.standardError, digits: 5))")
        }
        try output.flush()
    }

    private func report(
        _ estimate: PerplexityEstimate, _ values: [Double], _ plan: PerplexityPlan, _ tokenCount: Int, _ seconds: Double
    ) throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        try writer.member("perplexity", estimate.perplexity)
        try writer.member("error", estimate.standardError)
        try writer.member("negative_log_likelihood", estimate.meanNegativeLogLikelihood)
        writer.member("scored_tokens", estimate.tokenCount)
        writer.member("tokens", tokenCount)
        writer.member("context", plan.windowTokenCount)
        writer.member("stride", plan.step)
        writer.member("chunks", values.count)
        writer.key("running")
        writer.beginArray()
        for value in values { try writer.value(value) }
        writer.endArray()
        try writer.member("seconds", seconds)
        writer.endObject()
        return writer.text
    }
}
