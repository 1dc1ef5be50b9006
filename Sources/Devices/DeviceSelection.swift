internal import CPUBackend
public import OpenCLBackend
public import TensorCore

/// A backend and the line that tells a person what was chosen.
public struct SelectedDevice: Sendable {
    public let backend: any Backend
    /// For example `device: cpu (2 threads, avx512)`.
    public let summary: String
    /// Whether it computes on the processor that this program runs on, so that both share memory and caches.
    public let isHostProcessor: Bool
}

/// Makes the backend that a choice names.
public enum DeviceSelection {
    /// - Parameters:
    ///   - threadCount: threads of the CPU backend; `nil`: one a core.
    ///   - kernelSets: names of the CPU backend's kernel sets, separated by commas; `nil`: the best.
    ///   - options: where OpenCL finds and keeps its kernels.
    /// - Throws: `BackendError.deviceNotFound` listing what is there; `.libraryMissing` where OpenCL is asked for but
    ///   cannot be loaded; `.kernelSetUnavailable`; what the backend throws when it starts.
    public static func makeBackend(
        _ choice: DeviceChoice, threadCount: Int? = nil, kernelSets: String? = nil,
        options: OpenCLOptions = OpenCLOptions()
    ) throws -> SelectedDevice {
        let processor = Processor(threadCount: threadCount, kernelSets: kernelSets)
        switch choice {
        case .cpu: return try cpu(processor)
        case .auto: return try automatic(processor, options)
        case .opencl(let index):
            let devices = try OpenCLDevice.all()
            let named = index.map { devices.indices.contains($0) ? devices[$0] : nil }
            guard let device = named ?? preferred(devices) else {
                throw BackendError.deviceNotFound(
                    request: choice.description,
                    available: ["cpu"] + devices.enumerated().map { "opencl:\($0.offset) (\($0.element.name))" })
            }
            return try opencl(device, options)
        }
    }

    /// Names the kernel sets of the CPU backend.
    static let kernelSetsVariable = "INFER_CPU_KERNELS"

    /// How the CPU backend is to be made.
    private struct Processor {
        let threadCount: Int?
        let kernelSets: String?

        func makeBackend() throws -> CPUBackend {
            guard let kernelSets else { return try CPUBackend(threadCount: threadCount) }
            let sets = try CPUBackend.KernelSet.named(kernelSets, source: DeviceSelection.kernelSetsVariable)
            return try CPUBackend(threadCount: threadCount, kernelSets: sets)
        }
    }

    /// The same, with the kernels that the variables of an environment name: `INFER_CPU_KERNELS` for the CPU backend,
    /// those of `OpenCLOptions` for OpenCL.
    public static func makeBackend(
        _ choice: DeviceChoice, threadCount: Int? = nil, environment: [String: String]
    ) throws -> SelectedDevice {
        try makeBackend(
            choice, threadCount: threadCount,
            kernelSets: environment[kernelSetsVariable].flatMap { $0.isEmpty ? nil : $0 },
            options: OpenCLOptions(environment: environment))
    }

    /// The CPU backend with OpenBLAS for FP32 products of many tokens, whatever the processor: what others are measured by.
    /// - Throws: `BackendError.libraryMissing` where OpenBLAS is not installed.
    public static func makeBLASBackend(threadCount: Int? = nil) throws -> SelectedDevice {
        let backend = try CPUBackend(threadCount: threadCount, matrixLibrary: .openBLAS)
        return SelectedDevice(backend: backend, summary: "device: \(backend.summary)", isHostProcessor: true)
    }

    /// `--device` values of everything that is here: the CPU backend and each OpenCL device that can run kernels.
    public static func availableChoices() -> [DeviceChoice] {
        let devices = (try? OpenCLDevice.all()) ?? []
        return [.cpu] + devices.indices.filter { devices[$0].isUsable }.map { .opencl(index: $0) }
    }

    /// The first GPU or accelerator, else the CPU backend; the summary says why the latter.
    private static func automatic(_ processor: Processor, _ options: OpenCLOptions) throws -> SelectedDevice {
        // Where there is no GPU for sure, its drivers need not be loaded into this process either.
        let devices: [OpenCLDevice]
        switch DriverTrial.result {
        case .nothing: return try cpu(processor, because: "no OpenCL device")
        case .processorsOnly: return try cpu(processor, because: "no OpenCL GPU or accelerator")
        case .noLibrary: return try cpu(processor, because: "OpenCL is not installed")
        case .failed(let reason): return try cpu(processor, because: "OpenCL is left out: \(reason)")
        case .accelerator, .unknown: devices = (try? OpenCLDevice.all()) ?? []
        }
        guard let device = devices.first(where: { $0.isUsable && $0.isGPUOrAccelerator }) else {
            return try cpu(processor, because: "no OpenCL GPU or accelerator that can run kernels")
        }
        do {
            return try opencl(device, options)
        } catch {
            return try cpu(processor, because: "\(device.name) cannot be used: \(error)")
        }
    }

    /// A GPU or accelerator before a CPU.
    private static func preferred(_ devices: [OpenCLDevice]) -> OpenCLDevice? {
        let usable = devices.filter(\.isUsable)
        return usable.first(where: \.isGPUOrAccelerator) ?? usable.first
    }

    private static func cpu(_ processor: Processor, because reason: String? = nil) throws -> SelectedDevice {
        let backend = try processor.makeBackend()
        return SelectedDevice(
            backend: backend, summary: "device: \(backend.summary)" + (reason.map { " (\($0))" } ?? ""),
            isHostProcessor: true)
    }

    private static func opencl(_ device: OpenCLDevice, _ options: OpenCLOptions) throws -> SelectedDevice {
        let backend = try OpenCLBackend(device: device, options: options)
        return SelectedDevice(
            backend: backend, summary: "device: \(backend.summary)", isHostProcessor: device.kind == .cpu)
    }
}

extension OpenCLDevice {
    fileprivate var isGPUOrAccelerator: Bool { kind == .gpu || kind == .accelerator }
}
