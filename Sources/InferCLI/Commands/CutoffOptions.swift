import ArgumentParser
import Inference
import ModelIO

/// What sampling leaves out by entropy and by least probabilities.
struct CutoffOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: "Keeps the best tokens that hold a share H of the entropy. (default: the model's, else all)")
    var topH: Float?

    @Option(
        parsing: .unconditional,
        help:
            "Keeps tokens whose surprise is nearest to the entropy, until they reach P. (default: the model's, else 1)")
    var typicalP: Float?

    @Option(
        parsing: .unconditional,
        help: "Keeps tokens of at least this probability. (default: the model's, else 0)")
    var epsilonCutoff: Float?

    @Option(
        parsing: .unconditional,
        help: "The same, less where the entropy is large. (default: the model's, else 0)")
    var etaCutoff: Float?

    /// Sets them in the parameters for a model that recommends `generation`; `nil`: one that recommends none.
    func apply(to parameters: inout SamplingParameters, _ generation: GenerationConfiguration?) {
        parameters.topH = topH ?? generation?.topH.map(Float.init)
        parameters.typicalP = typicalP ?? generation?.typicalP.map(Float.init) ?? 1
        parameters.epsilonCutoff = epsilonCutoff ?? generation?.epsilonCutoff.map(Float.init) ?? 0
        parameters.etaCutoff = etaCutoff ?? generation?.etaCutoff.map(Float.init) ?? 0
    }
}
