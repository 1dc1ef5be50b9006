import ArgumentParser
import Inference
import ModelIO

/// How `generate` and `chat` choose tokens. What is left out comes from the model's `generation_config.json`, then from
/// the defaults named here.
struct SamplingOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: "Most tokens to produce; left out, until the model ends or the context is full.")
    var maxTokens: Int?

    @Option(
        parsing: .unconditional,
        help: "Divides the logits; 0 takes the most likely token each time. (default: the model's, else 0.8)")
    var temperature: Float?

    @Option(
        parsing: .unconditional,
        help: "Keeps the K most likely tokens, 0 or -1 all. (default: the model's, else 40)")
    var topK: Int?

    @Option(
        parsing: .unconditional,
        help:
            "Keeps the fewest most likely tokens that reach probability P, at least one. (default: the model's, else 0.95)"
    )
    var topP: Float?

    @Option(
        parsing: .unconditional,
        help: "Keeps tokens at least P times as likely as the best. (default: the model's, else 0)")
    var minP: Float?

    @OptionGroup var cutoffs: CutoffOptions

    @Option(
        parsing: .unconditional,
        help: "Makes tokens of prompt and output less likely; 1 is off. (default: the model's, else 1)")
    var repetitionPenalty: Float?

    @Option(
        parsing: .unconditional,
        help: "Subtracted from the logits of tokens in the output.")
    var presencePenalty: Float = 0

    @Option(
        parsing: .unconditional,
        help: "Subtracted, once an occurrence, from the logits of tokens in the output.")
    var frequencyPenalty: Float = 0

    @Option(help: "Added to a token's logit; may be repeated.")
    var logitBias: [LogitBias] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The same seed gives the same text, on every device; left out or -1, a random one is taken.",
            discussion: "With it, --precision is highest where it is left out."))
    var seed: Seed?

    @Option(help: "Ends before this text would appear; may be repeated.")
    var stop: [String] = []

    @Flag(help: "Goes on past the model's end-of-sequence token.")
    var ignoreEos = false

    /// The parameters for a model that recommends `generation`.
    func parameters(_ generation: GenerationConfiguration) -> SamplingParameters {
        // A model that says it does not sample recommends no temperature, whatever value stands beside it.
        let recommends = generation.samples != false
        let topK = topK ?? (recommends ? generation.topK : nil) ?? 40
        var parameters = SamplingParameters(
            temperature: temperature ?? (recommends ? generation.temperature.map(Float.init) : nil) ?? 0.8,
            topK: topK > 0 ? topK : nil,
            topP: topP ?? (recommends ? generation.topP.map(Float.init) : nil) ?? 0.95,
            minP: minP ?? (recommends ? generation.minP.map(Float.init) : nil) ?? 0,
            repetitionPenalty: repetitionPenalty ?? generation.repetitionPenalty.map(Float.init) ?? 1,
            presencePenalty: presencePenalty, frequencyPenalty: frequencyPenalty,
            logitBias: Dictionary(logitBias.map { ($0.token, $0.bias) }, uniquingKeysWith: +), seed: seed?.value)
        cutoffs.apply(to: &parameters, recommends ? generation : nil)
        return parameters
    }
}

/// `--seed N`, with -1 for a random one, as other engines have it.
struct Seed: ExpressibleByArgument {
    /// `nil`: one is drawn.
    let value: UInt64?

    init?(argument: String) {
        if argument == "-1" {
            value = nil
        } else {
            guard let number = UInt64(argument) else { return nil }
            value = number
        }
    }

    var defaultValueDescription: String { value.map(String.init) ?? "-1" }
}

/// `--logit-bias ID=BIAS`.
struct LogitBias: ExpressibleByArgument {
    let token: Int
    let bias: Float

    init?(argument: String) {
        let fields = argument.split(separator: "=", maxSplits: 1)
        guard fields.count == 2, let token = Int(fields[0]), let bias = Float(fields[1]) else { return nil }
        self.token = token
        self.bias = bias
    }

    var defaultValueDescription: String { "\(token)=\(bias)" }
}
