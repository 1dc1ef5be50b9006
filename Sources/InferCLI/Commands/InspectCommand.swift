import ArgumentParser
import CommandSupport
import Inference
import JSONCore
import ModelIO
import TensorCore
import Tokenization

/// `infer inspect`: what a model is, without loading its weights.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Shows a model's architecture, sizes, number formats, tokenizer and the memory it needs.")

    @Argument(help: ModelArgument.help, completion: .directory)
    var model: String?

    @Option(
        name: .customLong("ctx"), parsing: .unconditional, help: "Tokens of the context that memory is computed for.")
    var contextLength: Int?

    @Option(name: .customLong("kv-dtype"), help: CacheFormatArgument.help)
    var cacheFormat: CacheFormatArgument?

    @Flag(help: "List every tensor.")
    var tensors = false

    @Flag(help: "List every layer of a model of images, with the shape of its result.")
    var layers = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try OptionRange.check("--ctx", contextLength, in: 1...(1 << 24))
    }

    func run() throws {
        let inspection = try ModelInspection(
            model.map { try ModelPackage(path: $0) } ?? .bundled(), contextLength: contextLength,
            cacheFormat: cacheFormat?.dtype)
        var output = OutputWriter()
        try json
            ? output.writeLine(inspection.json(listsTensors: tensors, listsLayers: layers))
            : output.write(inspection.text(listsTensors: tensors, listsLayers: layers))
        try output.flush()
    }
}
