package import ArgumentParser
package import Devices
import Foundation
package import Logging
import TensorCore

/// The options of every command that runs a model.
package struct ModelOptions: ParsableArguments {
    /// `serve` takes several.
    @Option(name: [.customShort("m"), .customLong("model")], help: ModelArgument.help, completion: .directory)
    package var models: [String] = []

    /// The one model of the other commands.
    package var model: String? {
        get { models.last }
        set { models = newValue.map { [$0] } ?? [] }
    }

    @Option(
        help: ArgumentHelp(
            "Where to run: auto, cpu, opencl or opencl:N, with N as `infer devices` counts.",
            discussion: "auto takes the first GPU or accelerator that OpenCL shows, else the CPU."),
        completion: .list(["auto", "cpu", "opencl"]))
    package var device: DeviceChoice = .auto

    @Option(help: "Number format of the weights; left out, as they are stored.")
    package var dtype: WeightFormatArgument?

    @Option(
        help: ArgumentHelp(
            "How exact products are: highest, high or medium; left out, highest for FP32 weights, fastest for others.",
            discussion: """
                highest keeps activations in FP32. For FP32 weights, high allows sums of two BF16 and medium plain BF16, \
                where the device is faster at it. Left out, layers of fewer than 262,144 weights (131,072 of encoders) keep FP32 too.
                """))
    package var precision: PrecisionArgument?

    @Flag(
        help: ArgumentHelp(
            "The same bits for an answer whatever runs beside it and however its prompt is divided.",
            discussion: "Takes --precision highest, and leaves out the faster kernels for many tokens."))
    package var deterministic = false

    @Option(name: .customLong("kv-dtype"), help: CacheFormatArgument.help)
    package var cacheFormat: CacheFormatArgument?

    @Option(
        help: ArgumentHelp(
            "A LoRA adapter that is merged into the model, optionally scaled; several may be given.",
            valueName: "dir[=scale]"), completion: .directory)
    package var lora: [String] = []

    @Option(
        name: [.customShort("t"), .long], parsing: .unconditional,
        help: "Threads of the CPU backend; left out, one a core. `bench` takes several, as 1,2.")
    package var threads: CountList?

    @Option(
        name: .customLong("ctx"), parsing: .unconditional,
        help: "Tokens that the context holds; left out, what the model was made for.")
    package var contextLength: Int?

    @Flag(help: "Print a table of every kernel's launches and times at the end.")
    package var profile = false

    @Flag(help: "Log what happens while loading and running.")
    package var verbose = false

    package init() {}

    package func validate() throws {
        for count in threads?.counts ?? [] { try OptionRange.check("--threads", count, in: 1...1024) }
        try OptionRange.check("--ctx", contextLength, in: 1...(1 << 24))
        if deterministic, let precision, precision.precision != .highest {
            throw ValidationError("--deterministic takes --precision highest, not \(precision.rawValue)")
        }
        for adapter in lora { _ = try AdapterArgument(adapter) }
    }

    package var logger: Logger { StandardErrorLog.logger(verbose: verbose) }
}

/// `DIR` or `DIR=scale`, as `--lora` takes it; `NAME=DIR` and `NAME=DIR=scale` for adapters that requests name.
struct AdapterArgument {
    /// `nil`: the adapter is merged.
    let name: String?
    let path: String
    let scale: Double

    /// - Throws: `ValidationError` for a scale that is no number.
    init(_ argument: String) throws {
        guard let equals = argument.lastIndex(of: "=") else {
            (name, path, scale) = (nil, argument, 1)
            return
        }
        let (before, text) = (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
        if let scale = Double(text), scale.isFinite {
            self.scale = scale
            (name, path) = AdapterArgument.split(before)
            return
        }
        guard FileManager.default.fileExists(atPath: text), !before.isEmpty else {
            throw ValidationError(
                "--lora \(argument): '\(text)' is no scale and no adapter; write a number behind the last '=', or NAME=DIR"
            )
        }
        (name, path, scale) = (before, text, 1)
    }

    /// `NAME=DIR`, unless there is a file of that name.
    private static func split(_ text: String) -> (name: String?, path: String) {
        guard !FileManager.default.fileExists(atPath: text), let equals = text.firstIndex(of: "="),
            equals > text.startIndex
        else { return (nil, text) }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }
}

/// What `--model` means, for every command that takes it.
package enum ModelArgument {
    package static let help = ArgumentHelp(
        "A Hugging Face folder, a .safetensors or .gguf file, or org/name; left out, the bundled model.",
        valueName: "path")
}

/// Checks numbers that the command line gives before anything is loaded.
package enum OptionRange {
    package static func check<Number: Comparable>(
        _ name: String, _ value: Number?, in range: ClosedRange<Number>
    ) throws {
        guard let value, !range.contains(value) else { return }
        throw ValidationError("\(name) is \(value), expected \(range.lowerBound) to \(range.upperBound)")
    }
}
