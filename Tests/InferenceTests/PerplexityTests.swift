import Foundation
import Inference
import TensorCore
import TestSupport
import Testing

@Suite("Perplexity")
struct PerplexityTests {
    private static let text = """
        Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a \
        big, red ball. She wanted to play with it, but it was too high. Lily's mom said, "Lily, let's go to the park." \
        Lily was sad and didn't know what to do. She said, "I want to play with your ball, but I can't find it." Lily was \
        sad and didn't know what to do. She said, "I'm sorry, Lily. I didn't know what to do."
        """

    /// Negative log-likelihoods in float64 from the logits of a whole window at once.
    private func reference(
        _ package: ModelPackage, _ tokens: [Int], windows: [(start: Int, length: Int, scored: Range<Int>)],
        beginning: Int?
    ) throws -> (mean: Double, deviation: Double, count: Int) {
        let device = try #require(InferenceDevice.all.first)
        let longest = windows.map(\.length).max() ?? 1
        let pass = try ForwardPass(package, on: device.make(), contextLength: longest)
        var losses: [Double] = []
        for window in windows {
            var inputs = Array(tokens[window.start..<window.start + window.length])
            if let beginning { inputs[0] = beginning }
            let logits = try pass.logits(for: inputs).map(Double.init)
            let size = pass.vocabularySize
            for place in window.scored {
                let row = logits[(place - 1) * size..<place * size]
                let largest = row.max() ?? 0
                let sum = row.reduce(0) { $0 + exp($1 - largest) }
                losses.append(log(sum) + largest - row[row.startIndex + tokens[window.start + place]])
            }
        }
        let mean = losses.reduce(0, +) / Double(losses.count)
        let variance = losses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(losses.count)
        return (mean, (variance / Double(losses.count - 1)).squareRoot(), losses.count)
    }

    @Test("is what float64 makes of the logits", arguments: InferenceDevice.fast, ["gpt2", "llama", "qwen2"])
    func plain(device: InferenceDevice, name: String) throws {
        let package = try ModelPackage(
            path: ReferenceMaterial.fixtures.appendingPathComponent("models/\(name)").path)
        let context = 32
        // Passes that divide a window unevenly.
        let measurement = try PerplexityMeasurement(
            package, on: device.make(), plan: PerplexityPlan(contextLength: context),
            options: EngineOptions(passTokenCount: 7))
        let tokens = try PerplexityMeasurement.tokens(of: Self.text, for: package)
        let count = tokens.count / context
        let windows = (0..<count).map { ($0 * context, context, context / 2 + 1..<context) }
        let expected = try reference(package, tokens, windows: windows, beginning: name == "llama" ? 1 : nil)
        var seen: [Int] = []
        let estimate = try measurement.measure(tokens) { window, total, _ in
            #expect(total == count)
            seen.append(window)
        }
        #expect(seen == Array(1...count) && estimate.tokenCount == expected.count)
        #expect(estimate.tokenCount == count * (context / 2 - 1))
        #expect(abs(estimate.meanNegativeLogLikelihood - expected.mean) < 1e-5)
        #expect(abs(estimate.perplexity / exp(expected.mean) - 1) < 1e-5)
        #expect(abs(estimate.standardError / (expected.deviation * exp(expected.mean)) - 1) < 1e-4)
        let first = try measurement.measure(tokens, maximumWindowCount: 1)
        #expect(first.tokenCount == context / 2 - 1)
    }

    @Test("with a stride scores the end of each window", arguments: InferenceDevice.fast)
    func strided(device: InferenceDevice) throws {
        let package = try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/llama").path)
        let (context, stride) = (40, 9)
        let plan = PerplexityPlan(contextLength: context, stride: stride)
        let length = context + stride / 2
        #expect(plan.windowTokenCount == length && plan.scored == length - stride..<length)
        let measurement = try PerplexityMeasurement(package, on: device.make(), plan: plan)
        let tokens = try PerplexityMeasurement.tokens(of: Self.text, for: package)
        let count = (tokens.count - length + stride - 1) / stride
        let windows = (0..<count).map { ($0 * stride, length, length - stride..<length) }
        let expected = try reference(package, tokens, windows: windows, beginning: nil)
        let estimate = try measurement.measure(tokens)
        #expect(estimate.tokenCount == expected.count && estimate.tokenCount == count * stride)
        #expect(abs(estimate.meanNegativeLogLikelihood - expected.mean) < 1e-5)
    }

    @Test("logarithms of probabilities are float64's", arguments: [1, 2, 15, 16, 17, 1040, 5003])
    func logSoftmax(vocabularySize: Int) {
        var random = SplitMix64(name: "log softmax \(vocabularySize)")
        let rows = 5
        var logits = random.floats(rows * vocabularySize, scale: 30)
        if vocabularySize > 2 { logits[vocabularySize + 1] = -.infinity }
        let tokens = (0..<rows).map { ($0 * 7) % vocabularySize }
        let found = LogSoftmax.logProbabilities(logits, of: tokens[...], vocabularySize: vocabularySize)
        for row in 0..<rows {
            let values = logits[row * vocabularySize..<(row + 1) * vocabularySize].map(Double.init)
            let largest = values.max() ?? 0
            let expected = values[tokens[row]] - largest - log(values.reduce(0) { $0 + exp($1 - largest) })
            #expect(abs(found[row] - expected) < 1e-6, "\(found[row]), \(expected)")
        }
        for bad: Float in [.nan, .infinity] {
            for place in Set([0, vocabularySize / 2, vocabularySize - 1]) {
                var broken = logits
                broken[2 * vocabularySize + place] = bad
                let found = LogSoftmax.logProbabilities(broken, of: tokens[...], vocabularySize: vocabularySize)
                #expect(found[2].isNaN && found[0].isFinite && found[3].isFinite, "\(bad) at \(place)")
            }
        }
    }

    @Test("refuses what it cannot measure") func refusals() throws {
        let package = try ModelPackage(path: ReferenceMaterial.fixtures.appendingPathComponent("models/gpt2").path)
        let device = try #require(InferenceDevice.all.first)
        let measurement = try PerplexityMeasurement(
            package, on: device.make(), plan: PerplexityPlan(contextLength: 128))
        #expect(throws: PerplexityError.textTooShort(tokenCount: 255, needed: 256)) {
            _ = try measurement.measure([Int](repeating: 5, count: 255))
        }
        #expect(throws: InferenceError.tokenOutOfRange(id: 384, vocabularySize: 384)) {
            _ = try measurement.measure([Int](repeating: 384, count: 256))
        }
        #expect(throws: InferenceError.contextTooLong(requested: 257, maximum: 256)) {
            _ = try PerplexityMeasurement(package, on: device.make(), plan: PerplexityPlan(contextLength: 257))
        }
    }
}
