import ArgumentParser
import CommandSupport
import Inference
import ModelIO

/// What shapes a search for the most likely texts, for every command that searches.
struct SearchFlags: ParsableArguments {
    @Option(parsing: .unconditional, help: "Above 0, longer texts gain.") var lengthPenalty: Double?

    @Flag(help: "End as soon as there are as many texts as beams.") var earlyStopping = false

    @Flag(help: "End only when no longer text could be better.") var neverStopEarly = false

    @Option(help: ArgumentHelp("No so many tokens in a row come twice.", valueName: "n")) var noRepeatNgram: Int?

    @Option(help: "Tokens of the shortest text.") var minTokens: Int?

    @Option(help: "Texts given, at most as many as beams; left out, one.") var count: Int?

    /// Whether any of them is given.
    var isUsed: Bool {
        lengthPenalty != nil || earlyStopping || neverStopEarly || noRepeatNgram != nil || minTokens != nil
            || count != nil
    }

    /// Checks these and `beams`, which each command explains in its own words.
    func check(beams: Int?) throws {
        try OptionRange.check("--beams", beams, in: 1...256)
        try OptionRange.check("--length-penalty", lengthPenalty, in: -100...100)
        try OptionRange.check("--no-repeat-ngram", noRepeatNgram, in: 0...(1 << 20))
        try OptionRange.check("--min-tokens", minTokens, in: 0...(1 << 20))
        try OptionRange.check("--count", count, in: 1...256)
        if earlyStopping, neverStopEarly {
            throw ValidationError("--early-stopping and --never-stop-early exclude each other; give one of them")
        }
    }

    func options(beams: Int?, maxTokens: Int?) -> SearchOptions {
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
