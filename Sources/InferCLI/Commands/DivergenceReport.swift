import CommandSupport
import Inference
import JSONCore
import Models

/// `infer perplexity --kl-divergence`: a model against the probabilities of another one.
struct DivergenceReport {
    let package: ModelPackage
    let model: ModelOptions
    let chunks: Int?
    let json: Bool

    private static let quantiles: [(name: String, share: Double)] = [
        ("99.9%", 0.999), ("99.0%", 0.99), ("95.0%", 0.95), ("90.0%", 0.9), ("75.0%", 0.75), ("Median", 0.5),
        ("25.0%", 0.25), ("10.0%", 0.1), ("5.0%", 0.05), ("1.0%", 0.01), ("0.1%", 0.001),
    ]

    func run(_ path: String) throws {
        let base = try LogitBaseFile(path: path)
        let longest = try package.describe().maxContextLength
        guard base.contextLength <= longest else {
            throw InferenceError.contextTooLong(requested: base.contextLength, maximum: longest)
        }
        let plan = PerplexityPlan(contextLength: base.contextLength)
        let measurement = try PerplexityMeasurement(
            package, on: try model.makeBackend(), plan: plan, options: model.engineOptions())
        var bar = ProgressLine("perplexity")
        defer { bar.clear() }
        let start = ContinuousClock.now
        let estimate = try measurement.compare(with: base, maximumWindowCount: chunks) { window, count, _ in
            let elapsed = (ContinuousClock.now - start) / .seconds(1)
            let left = elapsed / Double(window) * Double(count - window)
            bar.update(Double(window) / Double(count), "\(window)/\(count), \(fixed(left, digits: 0)) s left")
        }
        bar.clear()
        var output = OutputWriter()
        try output.write(json ? try encoded(estimate) + "\n" : table(estimate))
        try output.flush()
    }

    private func table(_ estimate: DivergenceEstimate) -> String {
        func line(_ name: String, _ mean: DivergenceEstimate.Mean, digits: Int = 6, scale: Double = 1) -> String {
            row(name, "\(fixed(mean.value * scale, digits: digits)) ± \(fixed(mean.error * scale, digits: digits))")
        }
        func row(_ name: String, _ value: String) -> String {
            name + String(repeating: " ", count: max(30 - name.count, 1)) + ": " + value + "\n"
        }
        let changes = estimate.sortedProbabilityChanges
        let divergences = estimate.sortedDivergences
        var text = "====== Perplexity statistics ======\n"
        text += line("Mean PPL(Q)", estimate.perplexity) + line("Mean PPL(base)", estimate.basePerplexity)
        text += row("Cor(ln(PPL(Q)), ln(PPL(base)))", fixed(estimate.correlation * 100, digits: 2) + "%")
        text += line("Mean ln(PPL(Q)/PPL(base))", estimate.logRatio) + line("Mean PPL(Q)/PPL(base)", estimate.ratio)
        text += line("Mean PPL(Q)-PPL(base)", estimate.difference)
        text += "\n====== KL divergence statistics ======\n" + line("Mean KLD", estimate.divergence)
        text += row("Maximum KLD", fixed(divergences.last ?? 0, digits: 6))
        for (name, share) in DivergenceReport.quantiles {
            text += row("\(name) KLD", fixed(Resampling.quantile(divergences, share), digits: 6))
        }
        text += row("Minimum KLD", fixed(divergences.first ?? 0, digits: 6))
        text += "\n====== Token probability statistics ======\n"
        text += line("Mean Δp (%)", estimate.probabilityChange, digits: 3, scale: 100)
        text += row("Maximum Δp (%)", fixed((changes.last ?? 0) * 100, digits: 3))
        for (name, share) in DivergenceReport.quantiles {
            text += row("\(name) Δp (%)", fixed(Resampling.quantile(changes, share) * 100, digits: 3))
        }
        text += row("Minimum Δp (%)", fixed((changes.first ?? 0) * 100, digits: 3))
        text += line("RMS Δp (%)", estimate.rootMeanSquareChange, digits: 3, scale: 100)
        return text + line("Same top p (%)", estimate.sameTop, digits: 3, scale: 100)
    }

    private func encoded(_ estimate: DivergenceEstimate) throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        let means: [(String, DivergenceEstimate.Mean)] = [
            ("perplexity", estimate.perplexity), ("base_perplexity", estimate.basePerplexity),
            ("log_ratio", estimate.logRatio), ("ratio", estimate.ratio), ("difference", estimate.difference),
            ("kl_divergence", estimate.divergence), ("probability_change", estimate.probabilityChange),
            ("rms_probability_change", estimate.rootMeanSquareChange), ("same_top", estimate.sameTop),
        ]
        for (name, mean) in means {
            writer.key(name)
            try writer.number(mean.value)
            writer.key("\(name)_error")
            try writer.number(mean.error)
        }
        writer.key("correlation")
        try writer.number(estimate.correlation)
        for (name, sorted) in [
            ("kl_divergence_quantiles", estimate.sortedDivergences),
            ("probability_change_quantiles", estimate.sortedProbabilityChanges),
        ] {
            writer.key(name)
            writer.beginObject()
            for share in [1.0] + DivergenceReport.quantiles.map(\.share) + [0] {
                try writer.member(fixed(share, digits: 3), Resampling.quantile(sorted, share))
            }
            writer.endObject()
        }
        writer.member("scored_tokens", estimate.tokenCount)
        writer.endObject()
        return writer.text
    }
}
