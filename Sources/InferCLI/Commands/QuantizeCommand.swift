public import ArgumentParser
import CommandSupport
import Inference
import Logging
public import ModelIO
internal import TensorCore

/// `infer quantize`: writes a model as a GGUF file.
struct QuantizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "quantize", abstract: "Writes a model as a GGUF file, in a number format or a mixture.",
        discussion: """
            IN is a Hugging Face folder or a GGUF file. The types ending in _s, _m and _l give tensors whose errors cost \
            more further bits; rows that a format's blocks do not divide get the next one that does. OUT is replaced when \
            it is whole, and stays as it was if anything goes wrong.
            """)

    @Argument(help: "A Hugging Face folder, a .safetensors or a .gguf file.", completion: .directory)
    var input: String

    @Argument(help: "The GGUF file to write.", completion: .file(extensions: ["gguf"]))
    var output: String

    @Option(name: .long, help: "The number format or mixture.")
    var type: QuantizationType

    @Flag(help: "Convert tensors that are quantised already, which loses more than starting from the original weights.")
    var allowRequantize = false

    @Flag(help: "Log what happens to each tensor.")
    var verbose = false

    func validate() throws {
        if input.isEmpty { throw ValidationError("IN is empty; name a folder or a file") }
        if output.isEmpty { throw ValidationError("OUT is empty; name a file") }
    }

    func run() throws {
        let logger = StandardErrorLog.logger(verbose: verbose)
        let source = try QuantizationInput(path: input)
        let quantizer = try ModelQuantizer(source, type: type, allowsRequantizing: allowRequantize)
        for notice in source.notices { logger.notice("\(notice)") }
        for step in quantizer.steps {
            logger.debug(
                "\(step.name) \(step.extents): \(step.storedType.rawValue) to \(step.type.rawValue), \(step.byteCount) bytes"
            )
        }
        try write(quantizer)
        try printSummary(quantizer)
    }

    private func write(_ quantizer: ModelQuantizer) throws {
        let interrupt = InterruptSignal()
        var bar = ProgressLine("quantizing")
        defer { bar.clear() }
        do {
            try quantizer.write(to: output) { progress in
                let step = progress.step
                bar.update(
                    Double(progress.elementCount) / Double(max(quantizer.elementCount, 1)),
                    "\(progress.index + 1)/\(quantizer.steps.count) \(step.name) \(step.type.rawValue)")
            } isCancelled: {
                interrupt.isReceived
            }
        } catch QuantizationError.interrupted(let path) {
            bar.clear()
            StandardErrorLog.line("error: \(QuantizationError.interrupted(path: path))")
            try interrupt.endProcess()
        }
    }

    private func printSummary(_ quantizer: ModelQuantizer) throws {
        var counts: [String: Int] = [:]
        for step in quantizer.steps { counts[step.type.rawValue, default: 0] += 1 }
        let formats = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        var writer = OutputWriter()
        try writer.writeLine("\(output): \(quantizer.steps.count) tensors (\(formats))")
        try writer.writeLine(
            "\(Self.megabytes(quantizer.storedByteCount)) to \(Self.megabytes(quantizer.byteCount)), "
                + "\(fixed(quantizer.bitsPerWeight, digits: 2)) bits per weight")
        try writer.flush()
    }

    private static func megabytes(_ byteCount: Int) -> String { fixed(Double(byteCount) / 1e6, digits: 2) + " MB" }
}

extension QuantizationType: ExpressibleByArgument {}
