import ArgumentParser
import CommandSupport
import Inference
import JSONCore
import ModelIO
import TensorCore
import Tokenization

/// How `generate` searches for the most likely texts rather than samples.
struct BeamOptions: ParsableArguments {
    @Option(help: "Texts held at once, of which the most likely is given; left out, tokens are sampled.")
    var beams: Int?

    @Option(parsing: .unconditional, help: "Above 0, longer texts gain.") var lengthPenalty: Double?

    @Flag(help: "End as soon as there are as many texts as beams.") var earlyStopping = false

    @Flag(help: "End only when no longer text could be better.") var neverStopEarly = false

    @Option(help: ArgumentHelp("No so many tokens in a row come twice.", valueName: "n")) var noRepeatNgram: Int?

    @Option(help: "Tokens of the shortest text.") var minTokens: Int?

    @Option(help: "Texts given, at most as many as beams.") var count: Int?

    var isUsed: Bool { beams != nil }

    func validate() throws {
        try OptionRange.check("--beams", beams, in: 1...256)
        try OptionRange.check("--length-penalty", lengthPenalty, in: -100...100)
        try OptionRange.check("--no-repeat-ngram", noRepeatNgram, in: 0...(1 << 20))
        try OptionRange.check("--min-tokens", minTokens, in: 0...(1 << 20))
        try OptionRange.check("--count", count, in: 1...256)
        if earlyStopping, neverStopEarly {
            throw ValidationError("--early-stopping and --never-stop-early exclude each other; give one of them")
        }
        let others = lengthPenalty != nil || noRepeatNgram != nil || minTokens != nil || count != nil
        guard isUsed || !(others || earlyStopping || neverStopEarly) else {
            throw ValidationError("options of beam search need --beams")
        }
    }

    func options(maxTokens: Int?) -> SearchOptions {
        var search = SearchOptions()
        search.beamCount = beams
        search.lengthPenalty = lengthPenalty
        search.earlyStopping = earlyStopping ? .always : neverStopEarly ? .never : nil
        search.noRepeatNgramSize = noRepeatNgram
        search.minimumNewTokens = minTokens
        search.maximumNewTokens = maxTokens
        search.resultCount = count ?? 1
        return search
    }
}

/// What `generate --beams` prints.
struct BeamReport {
    let package: ModelPackage
    let model: ModelOptions
    let request: GenerationRequest
    let started: ContinuousClock.Instant

    func run(_ search: SearchOptions, json: Bool, prefix: String) throws {
        let backend = try model.makeBackend()
        let generator = try BeamGenerator(
            package, on: backend, prompt: request.promptTokens, search: search,
            ignoresEndOfSequence: request.ignoresEndOfSequence, options: model.engineOptions())
        let loaded = ContinuousClock.now
        if model.profile { backend.setProfiling(true) }
        let found = try generator.run()
        let seconds = (ContinuousClock.now - loaded) / .seconds(1)
        var output = OutputWriter()
        if json {
            try output.writeLine(try encoded(found, prefix, loadSeconds: (loaded - started) / .seconds(1), seconds))
        } else {
            for continuation in found { try output.writeLine(prefix + (try text(continuation))) }
        }
        try output.flush()
        if model.profile { ProfileTable(try backend.profile()).print() }
    }

    private func text(_ continuation: BeamContinuation) throws -> String {
        guard let tokenizer = package.tokenizer else { return "" }
        // A token by itself may lose the space that it begins with.
        let prompt = try tokenizer.decode(request.promptTokens)
        let whole = try tokenizer.decode(request.promptTokens + continuation.tokens)
        return whole.hasPrefix(prompt)
            ? String(whole.dropFirst(prompt.count)) : try tokenizer.decode(continuation.tokens)
    }

    private func encoded(
        _ found: [BeamContinuation], _ prefix: String, loadSeconds: Double, _ seconds: Double
    ) throws -> String {
        var writer = JSONWriter()
        writer.beginObject()
        if let best = found.first {
            writer.member("text", prefix + (try text(best)))
            writer.member("token_ids", best.tokens)
        }
        writer.member("prompt_token_ids", request.promptTokens)
        writer.member("finish_reason", found.first?.isComplete == true ? "stop" : "length")
        writer.key("sequences")
        writer.beginArray()
        for continuation in found {
            writer.beginObject()
            writer.member("token_ids", continuation.tokens)
            writer.member("text", prefix + (try text(continuation)))
            if let score = continuation.score { try writer.member("score", score) }
            writer.endObject()
        }
        writer.endArray()
        writer.key("usage")
        writer.beginObject()
        let count = found.first?.tokens.count ?? 0
        writer.member("prompt_tokens", request.promptTokens.count)
        writer.member("completion_tokens", count)
        writer.member("total_tokens", request.promptTokens.count + count)
        writer.endObject()
        writer.key("timings")
        writer.beginObject()
        try writer.member("load_seconds", loadSeconds)
        try writer.member("decode_seconds", seconds)
        writer.endObject()
        writer.endObject()
        return writer.text
    }
}
