import ArgumentParser
import CommandSupport
import Inference
import Logging
import ModelIO
import TensorCore

/// `infer forward`: one forward pass over named tensors.
struct ForwardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward", abstract: "Runs one forward pass over tensors of a safetensors file.",
        discussion: """
            Inputs: input_ids [B, T] and, if some tokens are padding, attention_mask [B, T]. Output: logits [B, T, V],
            float32; zero where the mask is.
            """)

    @Option(help: "A safetensors file with the named inputs.", completion: .file(extensions: ["safetensors"]))
    var inputs: String

    @Option(help: "The safetensors file to write.", completion: .file(extensions: ["safetensors"]))
    var outputs: String

    @OptionGroup(title: "Model") var model: ModelOptions

    func run() async throws {
        let package = try model.openPackage()
        let file = try Checkpoint(safetensors: inputs)
        let tokens = try IntegerMatrix("input_ids", in: file)
        let mask = try file["attention_mask"].map { _ in try IntegerMatrix("attention_mask", in: file) }
        if let mask, mask.rowCount != tokens.rowCount || mask.columnCount != tokens.columnCount {
            throw LoadError.shapeMismatch(
                name: "attention_mask", expected: [tokens.rowCount, tokens.columnCount],
                found: [mask.rowCount, mask.columnCount])
        }
        let known: Set<String> = ["input_ids", "attention_mask"]
        if let stray = file.tensors.keys.filter({ !known.contains($0) }).sorted().first {
            model.logger.notice("\(inputs): tensor '\(stray)' is no input of this model and is not read")
        }
        let backend = try model.makeBackend()
        // Its numbers are there to be compared.
        let options = model.engineOptions(defaultPrecision: .highest)
        if let limit = options.contextLength, tokens.columnCount > limit {
            throw InferenceError.contextTooLong(requested: tokens.columnCount, maximum: limit)
        }
        let pass = try ForwardPass(
            package, on: backend, contextLength: max(tokens.columnCount, 1), options: options)
        if model.profile { backend.setProfiling(true) }
        var logits: [Float] = []
        for row in 0..<tokens.rowCount {
            logits += try pass.logits(for: tokens[row], mask: mask.map { $0[row].map { $0 != 0 } })
        }
        var writer = SafetensorsWriter()
        writer.add("logits", logits, shape: [tokens.rowCount, tokens.columnCount, pass.vocabularySize])
        try writer.write(to: outputs)
        if model.profile { ProfileTable(try backend.profile()).print() }
    }
}

/// A matrix of integers from a file of inputs.
private struct IntegerMatrix {
    let rowCount: Int
    let columnCount: Int
    private let values: [Int]

    /// - Throws: `LoadError` where the tensor is missing, of another rank, or holds no integers.
    init(_ name: String, in file: Checkpoint) throws {
        guard let tensor = file[name] else {
            throw LoadError.missingTensor(path: file.path, name: name, tried: [])
        }
        guard tensor.shape.rank == 2 else {
            throw LoadError.invalidTensor(
                path: file.path, tensor: name, reason: "has shape \(tensor.shape), expected two dimensions [B, T]")
        }
        guard let values = tensor.integers() else {
            throw LoadError.unsupportedElement(
                name: name, found: tensor.type.rawValue, expected: "I64, I32, U8 or BOOL")
        }
        rowCount = tensor.shape[0]
        columnCount = tensor.shape[1]
        self.values = values
    }

    subscript(row: Int) -> [Int] { Array(values[row * columnCount..<(row + 1) * columnCount]) }
}
