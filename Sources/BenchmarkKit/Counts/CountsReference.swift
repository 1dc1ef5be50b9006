import Foundation
internal import ModelIO
internal import Models

/// Finds the reference models whose counts are kept.
package struct CountsReference: Sendable, Hashable {
    /// The folder's own name, which the baseline has.
    package let name: String
    package let path: String

    /// Those that travel with the repository, whose root the working folder is, and those of the reference material.
    package static func folders(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> [String] {
        ["Tests/Fixtures/models", (environment["INFER_SHARED"] ?? "../shared") + "/reference/models"]
    }

    /// The decoders in some folders, in order of their names; the first of a name counts.
    /// - Parameter baseline: leaves out what it does not have.
    /// - Throws: `BenchmarkError.noReferenceModels` where there is none.
    package static func models(in folders: [String], of baseline: CountsBaseline?) throws -> [CountsReference] {
        var found: [CountsReference] = []
        for folder in folders {
            for name in ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
            where !found.contains(where: { $0.name == name }) && baseline?.names.contains(name) ?? true {
                let path = "\(folder)/\(name)"
                guard let configuration = try? ModelConfiguration(path: path + "/config.json"),
                    ModelRegistry.names(of: .decoder).contains(configuration.modelType)
                else { continue }
                found.append(CountsReference(name: name, path: path))
            }
        }
        guard !found.isEmpty else { throw BenchmarkError.noReferenceModels(path: folders.joined(separator: ", ")) }
        return found
    }
}
