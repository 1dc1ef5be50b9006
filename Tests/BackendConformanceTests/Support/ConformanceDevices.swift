import CPUBackend
import Foundation
import OpenCLBackend
import TensorCore
import TestSupport

/// The backends that every case runs on.
///
/// `INFER_CONFORMANCE_DEVICES` keeps those whose name contains one of its comma-separated words.
enum ConformanceDevices {
    static let all: [ConformanceDevice] = {
        let devices = wanted(reference + cpu + openCL)
        print("conformance runs on: \(devices.map(\.name).joined(separator: "; "))")
        return devices
    }()

    /// OpenCL devices with the variants of kernels for CPUs that this processor would not take by itself: rounded
    /// activations in plain OpenCL C, which a device that lacks the instructions, and a checker, run too, and the other
    /// size of tiles.
    static let otherVariants: [ConformanceDevice] = wanted(
        openCLDevices().map { device in
            var tuning = Tuning.forDevice(device, as: .cpu)
            tuning.matmul.usesPortableDots = true
            tuning.matmul.panelTokens = tuning.matmul.panelTokens == 8 ? 4 : 8
            tuning.attention.tileRows = tuning.attention.tileRows == 8 ? 4 : 8
            return openCL(device, " in other variants", tuning)
        })

    private static func wanted(_ devices: [ConformanceDevice]) -> [ConformanceDevice] {
        let wanted = ProcessInfo.processInfo.environment["INFER_CONFORMANCE_DEVICES"]?.split(separator: ",") ?? []
        return devices.filter { device in wanted.isEmpty || wanted.contains { device.name.contains($0) } }
    }

    /// The references as a backend: what fails on it is a mistake of the cases.
    private static var reference: [ConformanceDevice] { [ConformanceDevice("reference") { ReferenceBackend() }] }

    /// Each instruction set that this machine runs, the widest with one thread too; and each set of kernels for rounded
    /// activations that an instruction set does not use by itself, such as that without VNNI where there is VNNI. One
    /// device takes products as encoders have them.
    private static var cpu: [ConformanceDevice] {
        let sets = CPUBackend.InstructionSet.allCases.filter(\.isSupported)
        let configurations = sets.map { ($0, 2) } + [(CPUBackend.InstructionSet.best, 1)]
        let usual = configurations.map { set, threads in
            ConformanceDevice("cpu \(set.rawValue) \(threads) thread\(threads == 1 ? "" : "s")") {
                try CPUBackend(threadCount: threads, instructionSet: set)
            }
        }
        let encoders = ConformanceDevice("cpu for whole texts 2 threads", readsWholeTexts: true) {
            try CPUBackend(threadCount: 2, matrixLibrary: .kernels)
        }
        let used = Set(sets.flatMap { (try? CPUBackend(threadCount: 1, instructionSet: $0))?.kernelSets ?? [] })
        let left = CPUBackend.KernelSet.all.filter { $0.isSupported && !used.contains($0) }
        let lacking = CPUBackend.KernelSet.all.filter { !$0.isSupported }
        if !lacking.isEmpty { print("kernel sets that this processor does not run: \(lacking)") }
        return usual + [encoders]
            + left.map { set in
                ConformanceDevice("cpu \(set.name) 2 threads") { try CPUBackend(threadCount: 2, kernelSets: [set]) }
            }
    }

    /// Every OpenCL device with its own tuning; a CPU device also runs the kernels that GPUs get.
    private static var openCL: [ConformanceDevice] {
        let devices = openCLDevices()
        if devices.isEmpty { print("the OpenCL cases do not run: no OpenCL device is present") }
        return devices.flatMap { device in
            let own = openCL(device, "", nil)
            // Registers instead of groups on a GPU is slow, so only a checker's small run takes them there.
            guard device.kind == .cpu || ConformanceSizes.isSmall else { return [own] }
            let (kind, family) = device.kind == .cpu ? ("GPU", Tuning.Family.other) : ("CPU", .cpu)
            return [own, openCL(device, " \(kind) variants", Tuning.forDevice(device, as: family))]
        }
    }

    private static func openCLDevices() -> [OpenCLDevice] {
        do {
            return try OpenCLDevice.all().filter(\.isUsable)
        } catch {
            print("the OpenCL cases do not run: \(error)")
            return []
        }
    }

    private static func openCL(_ device: OpenCLDevice, _ suffix: String, _ tuning: Tuning?) -> ConformanceDevice {
        ConformanceDevice("opencl \(device.name) (\(device.platformName))\(suffix)") {
            try OpenCLBackend(device: device, options: options(for: tuning))
        }
    }

    /// Kernels from `INFER_KERNELS` where it is set, so that a changed kernel is tried without a build.
    private static func options(for tuning: Tuning?) -> OpenCLOptions {
        OpenCLOptions(kernelDirectory: ProcessInfo.processInfo.environment["INFER_KERNELS"], tuning: tuning)
    }
}
