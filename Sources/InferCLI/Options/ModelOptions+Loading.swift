import Devices
import Foundation
import Inference
import Logging
import OpenCLBackend
import TensorCore

/// What every command that runs a model does with its options.
extension ModelOptions {
    /// The model's files; the bundled model where none is named.
    func openPackage() throws -> ModelPackage {
        try model.map(ModelPackage.init(path:)) ?? ModelPackage.bundled()
    }

    /// Starts the device, with the one number of threads that was given, and tells which it is.
    func makeBackend() throws -> any Backend {
        if let counts = threads?.counts, counts.count > 1 {
            throw CommandError.unsupported(
                option: "--threads", value: counts.map(String.init).joined(separator: ","),
                reason: "only bench takes several; give one")
        }
        return try makeBackend(threadCount: threads?.counts.first)
    }

    /// Starts the device and tells which it is.
    func makeBackend(threadCount: Int?) throws -> any Backend {
        let selected = try DeviceSelection.makeBackend(
            device, threadCount: threadCount, options: OpenCLOptions(environment: ProcessInfo.processInfo.environment))
        logger.notice("\(selected.summary)")
        return selected.backend
    }

    /// - Parameter defaultPrecision: that of products where `--precision` is left out.
    func engineOptions(defaultPrecision: MatmulPrecision = .automatic) -> EngineOptions {
        EngineOptions(
            contextLength: contextLength, weightFormat: dtype?.format,
            precision: precision?.precision ?? defaultPrecision,
            cacheType: cacheFormat.dtype)
    }
}
