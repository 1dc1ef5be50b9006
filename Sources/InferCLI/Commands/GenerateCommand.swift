import ArgumentParser
import ChatTemplate
import CommandSupport
import Inference
import JSONCore
import Models
import TensorCore
import Tokenization

/// `infer generate`: streams a continuation.
struct GenerateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "generate", abstract: "Continues a text.",
        discussion: """
            The prompt is the argument, --file, --prompt-ids, or standard input, taken as it is. An encoder-decoder reads it, \
            and writes a text of its own.
            """)

    @Argument(help: "The text to continue.")
    var prompt: String?

    @Option(help: "Reads the prompt from a file.", completion: .file())
    var file: String?

    @Option(help: ArgumentHelp("The prompt as token ids.", valueName: "1,2,3"))
    var promptIds: TokenIDList?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Sampling") var sampling: SamplingOptions
    @OptionGroup(title: "Beam search") var beamSearch: BeamOptions
    @OptionGroup(title: "What the text must look like") var constraint: ConstraintOptions

    @Flag(help: "Takes the prompt as a message, and writes it as the model's chat template has it.")
    var chat = false

    @Option(help: "The system prompt, with --chat.")
    var system: String?

    @Flag(help: "Prints the prompt before its continuation.")
    var echo = false

    @Flag(help: "Prints tokens a second, time to first token and peak memory at the end, on standard error.")
    var stats = false

    @Flag(help: "Prints one JSON object at the end instead of streaming text.")
    var json = false

    func validate() throws {
        try model.validate()
        try OptionRange.check("--max-tokens", sampling.maxTokens, in: 1...Int(Int32.max))
        try OptionRange.check("--top-k", sampling.topK, in: -1...Int(Int32.max))
        guard [prompt != nil, file != nil, promptIds != nil].filter({ $0 }).count <= 1 else {
            throw ValidationError("give the prompt once: as the argument, --file or --prompt-ids")
        }
        if system != nil, !chat { throw ValidationError("--system needs --chat") }
        if chat, promptIds != nil { throw ValidationError("--chat and --prompt-ids exclude each other") }
        if beamSearch.isUsed, constraint.isUsed {
            throw ValidationError("--beams follows no --json-schema, --grammar, --regex or --choices")
        }
        if beamSearch.isUsed {
            let stopCount = sampling.stop.count
            guard stopCount == 0, sampling.logitBias.isEmpty, sampling.temperature ?? 0 == 0,
                sampling.presencePenalty == 0, sampling.frequencyPenalty == 0
            else {
                throw ValidationError(
                    "--beams takes the most likely texts; leave out --temperature, --stop, "
                        + "--logit-bias, --presence-penalty, --frequency-penalty")
            }
        }
    }

    func run() async throws {
        let started = ContinuousClock.now
        let package = try model.openPackage()
        try package.requireGenerator()
        let request = try makeRequest(package)
        if beamSearch.isUsed {
            return try BeamReport(package: package, model: model, request: request, started: started).run(
                beamSearch.options(sampling), json: json,
                prefix: echo ? try promptText(package, request) : "")
        }
        // Who names a seed wants the same text again, on whatever device: that takes activations that none rounds.
        var options = model.engineOptions(defaultPrecision: sampling.seed?.value == nil ? .automatic : .highest)
        // One sequence runs, so the cache needs room for it alone and not for the longest context there is.
        if let maxTokens = request.maxTokens, package.kind == .decoder {
            let context = try options.contextLength ?? package.describe().maxContextLength
            options.cacheTokenCount = min(request.promptTokens.count + min(maxTokens, context), context)
        }
        let backend = try model.makeBackend()
        let engine = try await Engine(package, on: backend, options: options)
        let loadSeconds = (ContinuousClock.now - started).seconds
        if model.profile { backend.setProfiling(true) }

        var output = OutputWriter()
        var tokens: [Int] = []
        var text = ""
        var result: GenerationResult?
        if echo, !json { try output.write(promptText(package, request)) }
        for try await update in try engine.generate(request) {
            tokens += update.tokens
            text += update.text
            result = update.result ?? result
            guard !json, !update.text.isEmpty else { continue }
            try output.write(update.text)
            try output.flush()
        }
        guard let result else { throw InferenceError.engineStopped(reason: "the stream ended without a result") }
        if json {
            let prefix = echo ? try promptText(package, request) : ""
            try output.writeLine(GenerationReport(request, result, tokens, prefix + text, loadSeconds).json())
        } else {
            try output.writeLine("")
        }
        try output.flush()
        if stats { GenerationReport(request, result, tokens, text, loadSeconds).printStatistics() }
        if model.profile { ProfileTable(try backend.profile()).print() }
    }

    private func makeRequest(_ package: ModelPackage) throws -> GenerationRequest {
        let tokens: [Int]
        if let promptIds {
            tokens = promptIds.tokens
        } else {
            let text = try file.map(InputText.file) ?? InputText.argumentOrStandardInput(prompt)
            tokens = try chat ? chatTokens(package, text) : package.promptTokens(for: text)
        }
        return GenerationRequest(
            promptTokens: tokens, sampling: sampling.parameters(package.generation), maxTokens: sampling.maxTokens,
            stopStrings: sampling.stop, ignoresEndOfSequence: sampling.ignoreEos,
            constraint: try constraint.constraint())
    }

    /// The text as one message of a user, by the model's chat template.
    private func chatTokens(_ package: ModelPackage, _ text: String) throws -> [Int] {
        var messages: [TemplateValue] = [["role": "user", "content": .string(text)]]
        if let system { messages.insert(["role": "system", "content": .string(system)], at: 0) }
        return try package.chatTokens(
            for: package.promptTemplate().render([
                .init("messages", .array(messages)), .init("add_generation_prompt", true),
            ]))
    }

    private func promptText(_ package: ModelPackage, _ request: GenerationRequest) throws -> String {
        try package.tokenizer?.decode(request.promptTokens, skipSpecialTokens: true) ?? ""
    }
}

/// `--prompt-ids 1,2,3`.
struct TokenIDList: ExpressibleByArgument {
    let tokens: [Int]

    init?(argument: String) {
        let fields = argument.split(separator: ",", omittingEmptySubsequences: false)
        let tokens = fields.compactMap { Int($0.drop(while: { $0 == " " })) }
        guard tokens.count == fields.count else { return nil }
        self.tokens = tokens
    }
}
