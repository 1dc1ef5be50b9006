import CPUBackend
import Foundation
import OpenCLBackend
import TensorCore
import TestSupport
import Testing

/// A backend that the model tests run on; made anew for each test.
struct InferenceDevice: Sendable, CustomTestStringConvertible {
    let name: String
    let make: @Sendable () throws -> any Backend

    var testDescription: String { name }

    /// The CPU backend and every OpenCL device that is there.
    static let all: [InferenceDevice] = {
        var devices = [
            InferenceDevice(name: "cpu") { try onProcessor() },
            InferenceDevice(name: "cpu, one thread") { try CPUBackend(threadCount: 1) },
        ]
        let found = (try? OpenCLDevice.all()) ?? []
        if found.isEmpty { print("InferenceTests: no OpenCL device is present; only the CPU backend is tested") }
        // Each test makes its own backend; compiled kernels are shared between them.
        let cache = FileManager.default.temporaryDirectory.appendingPathComponent("infer-test-kernels").path
        let options = OpenCLOptions(cacheDirectory: cache)
        devices += found.map { device in
            InferenceDevice(name: "opencl: \(device.name)") { try OpenCLBackend(device: device, options: options) }
        }
        return devices
    }()

    /// The best kernels, or those that `INFER_CPU_KERNELS` names.
    private static func onProcessor() throws -> CPUBackend {
        guard let names = ProcessInfo.processInfo.environment["INFER_CPU_KERNELS"] else { return try CPUBackend() }
        return try CPUBackend(kernelSets: CPUBackend.KernelSet.named(names, source: "INFER_CPU_KERNELS"))
    }

    static let fast: [InferenceDevice] = all.filter { $0.name != "cpu, one thread" }
}
