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

    @Option(help: "A folder with a folder for each reference model.", completion: .directory)
    var models = "Tests/Fixtures/models"

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
        let folders = try CountsCommand.modelFolders(in: models)
        var entries: [CountsBaseline.Entry] = []
        try output.begin("counts")
        for choice in device.map({ [$0] }) ?? CountsCommand.defaultDevices {
            for folder in folders {
                let selected = try DeviceSelection.makeBackend(
                    choice, environment: ProcessInfo.processInfo.environment)
                let kind = selected.backend.summary.hasPrefix("cpu") ? "cpu" : "opencl"
                let measured = try await CountsMeasurement(
                    ModelPackage(path: "\(models)/\(folder)"), on: selected.backend)
                let found = measured.entries(model: folder, device: kind)
                for entry in found { try output.write(entry.row()) }
                entries += found
            }
        }
        try output.end()
        if update { return try CountsBaseline.write(entries, to: baseline) }
        let differences = try CountsBaseline(path: baseline).differences(entries)
        guard differences.isEmpty else { throw BenchmarkError.countsDiffer(differences) }
    }

    private static var defaultDevices: [DeviceChoice] {
        let all = DeviceSelection.availableChoices()
        return [.cpu] + all.filter { $0 != .cpu }.prefix(1)
    }

    /// The reference models that generate text, in order of their names.
    private static func modelFolders(in path: String) throws -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        let folders = names.filter { FileManager.default.fileExists(atPath: "\(path)/\($0)/config.json") }.sorted()
        guard !folders.isEmpty else { throw BenchmarkError.noReferenceModels(path: path) }
        return folders
    }
}
