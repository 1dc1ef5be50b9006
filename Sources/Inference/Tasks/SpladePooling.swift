internal import Foundation
internal import ModelIO

/// How a masked language model's logits become a weight for each token of the vocabulary (SPLADE; Formal et al., 2021,
/// https://arxiv.org/abs/2109.10086): `w[v] = max_t log(1 + relu(logit[t, v]))`.
struct SpladePooling: Sendable, Hashable {
    /// Whether weights of places add up rather than the greatest counts.
    var sums = false
    /// Whether the logarithm is taken twice (SPLADE-v3-Doc's `log1p_relu`).
    var isDoubled = false

    /// - Parameter file: `config.json` of the module.
    init(_ file: ConfigurationReader) throws {
        let strategy = try file.optionalString("pooling_strategy") ?? "max"
        let activation = try file.optionalString("activation_function") ?? "relu"
        guard ["max", "sum"].contains(strategy) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "pooling_strategy", value: strategy, supported: ["max", "sum"])
        }
        guard ["relu", "log1p_relu"].contains(activation) else {
            throw LoadError.unsupportedValue(
                path: file.path, key: "activation_function", value: activation, supported: ["relu", "log1p_relu"])
        }
        sums = strategy == "sum"
        isDoubled = activation == "log1p_relu"
    }

    init() {}

    /// The tokens whose weight is not 0.
    func weights(_ logits: TextOutputs.Rows) -> [Int: Double] {
        var pooled = [Double](repeating: 0, count: logits.width)
        for row in 0..<logits.count {
            for (token, logit) in zip(pooled.indices, logits[row]) where logit > 0 {
                // The greatest logit has the greatest weight, so one logarithm a token will do.
                pooled[token] = sums ? pooled[token] + weight(Double(logit)) : max(pooled[token], Double(logit))
            }
        }
        var weights: [Int: Double] = [:]
        for (token, value) in pooled.enumerated() where value > 0 { weights[token] = sums ? value : weight(value) }
        return weights
    }

    private func weight(_ logit: Double) -> Double { isDoubled ? log1p(log1p(logit)) : log1p(logit) }
}
