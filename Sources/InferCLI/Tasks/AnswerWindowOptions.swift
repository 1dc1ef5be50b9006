import ArgumentParser
import CommandSupport
import Inference

/// How a text is cut into windows that a model answers questions about, and which answers count.
struct AnswerWindowOptions: ParsableArguments {
    @Option(help: "Tokens of a window, with the question; left out, 384 or what the model takes.") var maxLength: Int?

    @Option(help: "Tokens that a window repeats of the one before; left out, 128 or half a window.") var docStride: Int?

    @Option(help: "Tokens of the longest answer.") var maxAnswerLength = 15

    @Flag(help: "Let \"no answer\" be an answer, for models that know it.") var handleImpossible = false

    func validate() throws {
        try OptionRange.check("--max-length", maxLength, in: 1...(1 << 20))
        try OptionRange.check("--doc-stride", docStride, in: 0...(1 << 20))
        try OptionRange.check("--max-answer-length", maxAnswerLength, in: 1...(1 << 20))
    }

    var search: QuestionAnswerer.Options {
        var search = QuestionAnswerer.Options()
        search.windowLength = maxLength
        search.stride = docStride
        search.maximumAnswerLength = maxAnswerLength
        search.allowsNoAnswer = handleImpossible
        return search
    }
}
