import ArgumentParser
import CommandSupport
import Devices
import Foundation
import JSONCore
import OpenCLBackend
import TensorCore

/// `infer devices`: what a model can run on.
struct DevicesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices",
        abstract: "Lists the CPU backend and every OpenCL device, under the names that --device takes.")

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let cpu = try DeviceSelection.makeBackend(.cpu, environment: ProcessInfo.processInfo.environment).backend
            .summary
        let openCL = OpenCLListing()
        var output = OutputWriter()
        try json ? output.writeLine(Self.json(openCL, cpu: cpu)) : output.write(Self.text(openCL, cpu: cpu))
        try output.flush()
    }

    /// The devices that OpenCL shows, or why it shows none.
    private struct OpenCLListing {
        var devices: [OpenCLDevice] = []
        var failure: String?

        init() {
            do { devices = try OpenCLDevice.all() } catch { failure = "\(error)" }
        }
    }

    private static func text(_ listing: OpenCLListing, cpu: String) -> String {
        var lines = ["cpu".padded(to: 10) + cpu]
        for (index, device) in listing.devices.enumerated() {
            lines.append("opencl:\(index)".padded(to: 10) + device.name + (device.isUsable ? "" : " (not usable)"))
            lines += details(of: device).map { "".padded(to: 10) + $0.0.padded(to: 12) + $0.1 }
        }
        if let failure = listing.failure { lines.append("opencl".padded(to: 10) + failure) }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func details(of device: OpenCLDevice) -> [(String, String)] {
        let memory = "\(device.memoryByteCount >> 20) MiB, largest buffer \(device.maxAllocationByteCount >> 20) MiB, "
        let sharing = device.sharesHostMemory ? "shared with the host" : "its own"
        return [
            ("kind", "\(device.kind.rawValue), \(device.computeUnitCount) compute units"),
            ("vendor", device.vendor),
            ("platform", "\(device.platformName), \(device.platformVersion)"),
            ("version", "\(device.version), \(device.languageVersion), driver \(device.driverVersion)"),
            ("memory", memory + sharing),
            ("local", "\(device.localMemoryByteCount >> 10) KiB, work-groups to \(device.maxWorkGroupSize)"),
            ("profiling", device.canProfile ? "yes" : "no"),
            ("extensions", device.notableExtensions.isEmpty ? "-" : device.notableExtensions.joined(separator: " ")),
        ]
            + probes(of: device).map { ("probed", "\($0.name): \($0.result)") }
    }

    /// Optional abilities, each tried with a small kernel whose numbers are checked.
    private static func probes(of device: OpenCLDevice) -> [(name: String, result: String)] {
        let options = OpenCLOptions(environment: ProcessInfo.processInfo.environment)
        guard device.isUsable, let backend = try? OpenCLBackend(device: device, options: options) else { return [] }
        return Capability.allCases.map { ($0.rawValue, backend.probe($0).description) }
    }

    private static func json(_ listing: OpenCLListing, cpu: String) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("cpu", cpu)
        writer.key("opencl")
        writer.beginArray()
        for (index, device) in listing.devices.enumerated() {
            writer.beginObject()
            writer.member("device", "opencl:\(index)")
            writer.member("name", device.name)
            writer.member("kind", device.kind.rawValue)
            writer.member("usable", device.isUsable)
            writer.member("vendor", device.vendor)
            writer.member("platform", device.platformName)
            writer.member("version", device.version)
            writer.member("language_version", device.languageVersion)
            writer.member("driver_version", device.driverVersion)
            writer.member("compute_units", device.computeUnitCount)
            writer.member("memory_bytes", device.memoryByteCount)
            writer.member("max_buffer_bytes", device.maxAllocationByteCount)
            writer.member("local_memory_bytes", device.localMemoryByteCount)
            writer.member("max_work_group_size", device.maxWorkGroupSize)
            writer.member("shares_host_memory", device.sharesHostMemory)
            writer.member("profiling", device.canProfile)
            writer.key("probed")
            writer.beginObject()
            for probe in probes(of: device) { writer.member(probe.name, probe.result) }
            writer.endObject()
            writer.key("extensions")
            writer.beginArray()
            for name in device.extensions { writer.value(name) }
            writer.endArray()
            writer.endObject()
        }
        writer.endArray()
        if let failure = listing.failure { writer.member("opencl_failure", failure) }
        writer.endObject()
        return writer.text
    }
}
