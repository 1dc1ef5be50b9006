package import ArgumentParser
import CommandSupport
import Devices
import Foundation
import Inference
import TensorCore

/// `bench counts`: what a prompt and a token cost, exactly, compared with the baseline.
package struct CountsCommand: AsyncParsableCommand {
    package static let configuration = CommandConfiguration(
        commandName: "counts", abstract: "Launches, synchronises, allocations and copies of a prompt and of a token.",
        discussion: "The counts are exact. Those that are not the baseline's are an error; the tests compare them too.")

    @Option(
        help: ArgumentHelp(
            "A folder with a folder for each reference model; may be given again.",
            discussion: "Left out: Tests/Fixtures/models, and reference/models of INFER_SHARED or ../shared."),
        completion: .directory)
    var models: [String] = []

    @Option(help: "The counts to compare with.", completion: .file())
    var baseline = "Benchmarks/baselines/counts.json"

    @Flag(help: "Writes the baseline anew instead of comparing.")
    var update = false

    @Option(help: "Where to run: auto, cpu, opencl or opencl:N; left out, the CPU backend and the first OpenCL device.")
    var device: DeviceChoice?

    @OptionGroup var results: ResultOptions

    package init() {}

    package func run() async throws {
        var output = try ResultOutput(results)
        let baseline = update ? nil : try CountsBaseline(path: self.baseline)
        let folders = try CountsReference.models(in: models.isEmpty ? CountsReference.folders() : models, of: baseline)
        var entries: [CountsBaseline.Entry] = []
        try output.begin("counts")
        for choice in device.map({ [$0] }) ?? CountsCommand.defaultDevices {
            for folder in folders {
                let selected = try DeviceSelection.makeBackend(
                    choice, environment: ProcessInfo.processInfo.environment)
                let kind = selected.backend.summary.hasPrefix("cpu") ? "cpu" : "opencl"
                let measured = try await CountsMeasurement(
                    ModelPackage(path: folder.path), on: selected.backend)
                let found = measured.entries(model: folder.name, device: kind)
                for entry in found { try output.write(entry.row()) }
                entries += found
            }
        }
        try output.end()
        guard let baseline else { return try CountsBaseline.write(entries, to: self.baseline) }
        let differences = baseline.differences(entries)
        guard differences.isEmpty else { throw BenchmarkError.countsDiffer(differences) }
    }

    private static var defaultDevices: [DeviceChoice] {
        let all = DeviceSelection.availableChoices()
        return [.cpu] + all.filter { $0 != .cpu }.prefix(1)
    }
}
