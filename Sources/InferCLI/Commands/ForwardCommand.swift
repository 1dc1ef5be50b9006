import ArgumentParser
import CommandSupport
import Inference
import Logging
import ModelIO
import Models
import TensorCore

/// `infer forward`: one forward pass over named tensors.
struct ForwardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forward", abstract: "Runs one forward pass over tensors of a safetensors file.",
        discussion: """
            Inputs: input_ids [B, T] and, if some tokens are padding, attention_mask [B, T]; for encoders with segments \
            token_type_ids [B, T], for encoder-decoders decoder_input_ids [B, U]. Outputs, float32: logits [B, T, V] of \
            a decoder; of an encoder what its head gives: last_hidden_state [B, T, D] and pooler_output [B, D], logits \
            [B, T, C] or [B, C], start_logits and end_logits [B, T]; of an encoder-decoder logits [B, U, V] and \
            encoder_last_hidden_state [B, T, D]. Zero where the mask is. Models of images read pixel_values [B, C, H, W] \
            or, where they make images, latents [B, N, 1, 1] or [B, N], and give logits [B, L], feature maps, or images \
            [B, C, H, W].
            """)

    @Option(help: "A safetensors file with the named inputs.", completion: .file(extensions: ["safetensors"]))
    var inputs: String

    @Option(help: "The safetensors file to write.", completion: .file(extensions: ["safetensors"]))
    var outputs: String

    @OptionGroup(title: "Model") var model: ModelOptions

    func run() async throws {
        let package = try model.openPackage()
        if package.kind == .vision { return try runVision(package) }
        let rows = try ForwardInputs(path: inputs, known: names(package), logger: model.logger)
        let backend = try model.makeBackend()
        // Its numbers are there to be compared.
        let options = model.engineOptions(defaultPrecision: .highest)
        if let limit = options.contextLength, rows.tokens.columnCount > limit {
            throw InferenceError.contextTooLong(requested: rows.tokens.columnCount, maximum: limit)
        }
        var writer = SafetensorsWriter()
        switch package.kind {
        case .decoder: try decode(rows, package, backend, options, into: &writer)
        case .encoder: try encode(rows, package, backend, options, into: &writer)
        case .encoderDecoder: try translate(rows, package, backend, options, into: &writer)
        case .vision: break
        }
        try writer.write(to: outputs)
        if model.profile { ProfileTable(try backend.profile()).print() }
    }

    /// The inputs that a model reads.
    private func names(_ package: ModelPackage) throws -> Set<String> {
        let shared: Set<String> = ["input_ids", "attention_mask"]
        switch package.kind {
        case .decoder:
            // A model that is not known is told before an input that is missing.
            _ = try package.describe()
            return shared
        case .encoder: return try package.describeEncoder().segmentCount > 0 ? shared.union(["token_type_ids"]) : shared
        case .encoderDecoder: return shared.union(["decoder_input_ids"])
        case .vision: return []
        }
    }

    private func decode(
        _ rows: ForwardInputs, _ package: ModelPackage, _ backend: any Backend, _ options: EngineOptions,
        into writer: inout SafetensorsWriter
    ) throws {
        let (rowCount, columnCount) = (rows.tokens.rowCount, rows.tokens.columnCount)
        let pass = try ForwardPass(package, on: backend, contextLength: max(columnCount, 1), options: options)
        if model.profile { backend.setProfiling(true) }
        var logits: [Float] = []
        for row in 0..<rowCount { logits += try pass.logits(for: rows.tokens[row], mask: rows.mask(row)) }
        writer.add("logits", logits, shape: [rowCount, columnCount, pass.vocabularySize])
    }

    private func encode(
        _ rows: ForwardInputs, _ package: ModelPackage, _ backend: any Backend, _ options: EngineOptions,
        into writer: inout SafetensorsWriter
    ) throws {
        let (rowCount, columnCount) = (rows.tokens.rowCount, rows.tokens.columnCount)
        let pass = try EncoderPass(package, on: backend, longest: columnCount, options: options)
        if model.profile { backend.setProfiling(true) }
        let inputs = (0..<rowCount).map { row in
            EncoderInput(tokens: rows.tokens[row], mask: rows.mask(row), segments: rows.segments?[row])
        }
        for result in try pass.run(inputs) { writer.add(result, rowCount: rowCount, tokenCount: columnCount) }
    }

    private func translate(
        _ rows: ForwardInputs, _ package: ModelPackage, _ backend: any Backend, _ options: EngineOptions,
        into writer: inout SafetensorsWriter
    ) throws {
        guard let targets = rows.targets else {
            throw LoadError.missingTensor(path: inputs, name: "decoder_input_ids", tried: [])
        }
        let (rowCount, columnCount) = (rows.tokens.rowCount, rows.tokens.columnCount)
        let pass = try EncoderDecoderPass(
            package, on: backend, longestSource: columnCount, longestTarget: targets.columnCount, options: options)
        if model.profile { backend.setProfiling(true) }
        let pairs = (0..<rowCount).map { row in
            EncoderDecoderInput(
                source: EncoderInput(tokens: rows.tokens[row], mask: rows.mask(row)), target: targets[row])
        }
        for result in try pass.run(pairs) {
            let count = result.rows == .targets ? targets.columnCount : columnCount
            writer.add(result, rowCount: rowCount, tokenCount: count)
        }
    }
}

extension SafetensorsWriter {
    /// Adds a result of `rowCount` texts.
    fileprivate mutating func add(_ result: EncoderResult, rowCount: Int, tokenCount: Int) {
        let extents = [rowCount] + (result.rows == .sequences ? [] : [tokenCount])
        add(
            result.name, result.values.flatMap { $0 }, shape: Shape(extents + (result.isScalar ? [] : [result.width])))
    }
}

/// The rows of tokens that `infer forward` reads.
private struct ForwardInputs {
    let tokens: IntegerMatrix
    let segments: IntegerMatrix?
    let targets: IntegerMatrix?
    private let masks: IntegerMatrix?

    /// - Parameter known: the inputs that the model reads; of others one is told.
    /// - Throws: `LoadError` naming the file and the tensor.
    init(path: String, known: Set<String>, logger: Logger) throws {
        let file = try Checkpoint(safetensors: path)
        let tokens = try IntegerMatrix("input_ids", in: file)
        /// - Parameter isAligned: whether it has a number for each of the tokens, not only as many rows.
        func optional(_ name: String, isAligned: Bool = true) throws -> IntegerMatrix? {
            guard known.contains(name), file[name] != nil else { return nil }
            let matrix = try IntegerMatrix(name, in: file)
            let columnCount = isAligned ? tokens.columnCount : matrix.columnCount
            guard matrix.rowCount == tokens.rowCount, matrix.columnCount == columnCount else {
                throw LoadError.shapeMismatch(
                    name: name, expected: [tokens.rowCount, columnCount],
                    found: [matrix.rowCount, matrix.columnCount])
            }
            return matrix
        }
        self.tokens = tokens
        masks = try optional("attention_mask")
        segments = try optional("token_type_ids")
        targets = try optional("decoder_input_ids", isAligned: false)
        if let stray = file.tensors.keys.filter({ !known.contains($0) }).sorted().first {
            logger.notice("\(path): tensor '\(stray)' is no input of this model and is not read")
        }
    }

    func mask(_ row: Int) -> [Bool]? { masks.map { $0[row].map { $0 != 0 } } }
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
