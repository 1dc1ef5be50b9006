import ArgumentParser
import CommandSupport
import Inference
import JSONCore
import Models
import TensorCore
import Tokenization

/// How `generate` searches for the most likely texts rather than samples.
struct BeamOptions: ParsableArguments {
    @Option(help: "Texts held at once, of which the most likely is given; left out, tokens are sampled.")
    var beams: Int?

    @OptionGroup var search: SearchFlags

    var isUsed: Bool { beams != nil }

    func validate() throws {
        try search.check(beams: beams)
        guard isUsed || !search.isUsed else { throw ValidationError("options of beam search need --beams") }
    }

    func options(_ sampling: SamplingOptions) -> SearchOptions {
        var options = search.options(beams: beams, maxTokens: sampling.maxTokens)
        options.repetitionPenalty = sampling.repetitionPenalty.map(Double.init)
        return options
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
        let run = try load(search, on: backend)
        let loaded = ContinuousClock.now
        if model.profile { backend.setProfiling(true) }
        let found = try run()
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

    /// Loads the model, and returns what searches its texts.
    private func load(_ search: SearchOptions, on backend: any Backend) throws -> () throws -> [BeamContinuation] {
        let (prompt, ignoresEnd) = (request.promptTokens, request.ignoresEndOfSequence)
        let options = model.engineOptions()
        if package.kind == .encoderDecoder {
            return try TargetBeamGenerator(
                package, on: backend, source: prompt, search: search, ignoresEndOfSequence: ignoresEnd,
                options: options
            ).run
        }
        return try BeamGenerator(
            package, on: backend, prompt: prompt, search: search, ignoresEndOfSequence: ignoresEnd, options: options
        ).run
    }

    private func text(_ continuation: BeamContinuation) throws -> String {
        guard let tokenizer = package.tokenizer else { return "" }
        if package.kind == .encoderDecoder { return try tokenizer.decode(continuation.tokens) }
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
