import Foundation
import OpenCLBackend
import TensorCore

/// The devices tests run on, each with the kernel variants of its own kind and with those of a GPU.
enum OpenCLDevices {
    static let all: [OpenCLDevice] = {
        do {
            let usable = try OpenCLDevice.all().filter(\.isUsable)
            if usable.isEmpty { print("no OpenCL device: the tests that need one did not run") }
            return usable
        } catch {
            print("the tests that need an OpenCL device did not run: \(error)")
            return []
        }
    }()

    /// Compiled kernels of this run of the tests.
    static let cache = FileManager.default.temporaryDirectory.appendingPathComponent(
        "infer-kernel-tests-\(ProcessInfo.processInfo.processIdentifier)"
    ).path

    struct Variant: CustomStringConvertible, Sendable {
        let device: OpenCLDevice
        let tuning: Tuning

        var description: String { "\(device.name), \(tuning.family) kernels in groups of \(tuning.rowGroupSize)" }
        func backend() throws -> OpenCLBackend {
            try OpenCLBackend(device: device, options: OpenCLOptions(cacheDirectory: cache, tuning: tuning))
        }
    }

    static let variants: [Variant] = all.flatMap { device in
        var group = Tuning.table(.other)
        group.rowGroupSize = 16
        group.elementGroupSize = 32
        group.selectionGroupSize = 64
        return [Variant(device: device, tuning: .forDevice(device)), Variant(device: device, tuning: group)]
    }
}

/// Deterministic numbers in -1..<1.
struct Numbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
    }

    mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }
}

/// `Σ (found - expected)² / Σ expected²`.
func normalizedError(_ found: [Float], _ expected: [Double]) -> Double {
    guard found.count == expected.count else { return .infinity }
    var difference = 0.0
    var norm = 0.0
    for (a, b) in zip(found, expected) {
        difference += (Double(a) - b) * (Double(a) - b)
        norm += b * b
    }
    return norm == 0 ? difference : difference / norm
}
