package import Devices
import Foundation
package import Inference
import Logging
import ModelIO
package import TensorCore

/// What every command that runs a model does with its options.
extension ModelOptions {
    /// The model's files, with the adapters merged in; the bundled model where none is named.
    package func openPackage() throws -> ModelPackage {
        guard models.count <= 1 else {
            throw CommandError.unsupported(
                option: "--model", value: models.joined(separator: ", "), reason: "only serve takes several; give one")
        }
        return try openPackage(model)
    }

    /// As `openPackage()`, with one of the bundled models of images where no model is named.
    package func openPackage(orBundled image: BundledImageModel) throws -> ModelPackage {
        guard models.isEmpty else { return try openPackage() }
        if let adapter = lora.first {
            throw CommandError.unsupported(
                option: "--lora", value: adapter, reason: "the bundled model of images takes no adapters; give --model")
        }
        return try ModelPackage.bundled(image)
    }

    /// The files of one model of several, with the adapters merged in; the bundled model for `nil`.
    /// - Parameter offersAdapters: whether adapters with a name stay apart, for requests that name them.
    package func openPackage(_ path: String?, offersAdapters: Bool = false) throws -> ModelPackage {
        var package = try path.map(ModelPackage.init(path:)) ?? ModelPackage.bundled()
        for argument in try lora.map(AdapterArgument.init) {
            let adapter = try LoRAAdapter(path: argument.path)
            guard let name = argument.name else {
                package = try package.merging(adapter, scale: argument.scale)
                continue
            }
            guard offersAdapters else {
                throw CommandError.unsupported(
                    option: "--lora", value: "\(name)=\(argument.path)",
                    reason: "only serve takes adapters by name; give the folder alone to merge it")
            }
            package = try package.offering([NamedAdapter(name: name, adapter: adapter, scale: argument.scale)])
        }
        for notice in package.notices { logger.notice("\(notice)") }
        return package
    }

    /// Starts the device, with the one number of threads that was given, and tells which it is.
    package func makeBackend() throws -> any Backend {
        if let counts = threads?.counts, counts.count > 1 {
            throw CommandError.unsupported(
                option: "--threads", value: counts.map(String.init).joined(separator: ","),
                reason: "only bench takes several; give one")
        }
        return try makeBackend(threadCount: threads?.counts.first)
    }

    /// Starts the device and tells which it is.
    package func makeBackend(threadCount: Int?) throws -> any Backend {
        try makeDevice(threadCount: threadCount).backend
    }

    /// Starts the device and tells which it is.
    package func makeDevice(threadCount: Int?) throws -> SelectedDevice {
        let selected = try DeviceSelection.makeBackend(
            device, threadCount: threadCount, environment: ProcessInfo.processInfo.environment)
        logger.notice("\(selected.summary)")
        return selected
    }

    /// - Parameter defaultPrecision: that of products where `--precision` is left out.
    package func engineOptions(defaultPrecision: MatmulPrecision = .automatic) -> EngineOptions {
        EngineOptions(
            contextLength: contextLength, weightFormat: dtype?.format,
            precision: deterministic ? .highest : precision?.precision ?? defaultPrecision,
            isDeterministic: deterministic,
            cacheType: cacheFormat?.dtype)
    }
}
