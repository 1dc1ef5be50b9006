import Foundation
internal import Inference
internal import ModelIO
internal import Models

/// Finds the reference models whose counts are kept.
package struct CountsReference: Sendable, Hashable {
    /// The folder's own name, which the baseline has.
    package let name: String
    package let path: String

    /// The reference material's, and those that travel with the repository, whose root the working folder is.
    package static func folders(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> [String] {
        [(environment["INFER_SHARED"] ?? "../shared") + "/reference/models", "Tests/Fixtures/models"]
    }

    /// The decoders in some folders, in order of their names; the first of a name counts. The smallest fixtures have fewer
    /// tokens than are measured, and other layers than the reference of their name.
    /// - Parameter baseline: leaves out what it does not have.
    /// - Throws: `BenchmarkError.noReferenceModels` where there is none.
    package static func models(in folders: [String], of baseline: CountsBaseline?) throws -> [CountsReference] {
        var found: [CountsReference] = []
        for folder in folders {
            for name in ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
            where !found.contains(where: { $0.name == name }) && baseline?.names.contains(name) ?? true {
                let path = "\(folder)/\(name)"
                guard let configuration = try? ModelConfiguration(path: path + "/config.json"),
                    ModelRegistry.names(of: .decoder).contains(configuration.modelType),
                    let model = try? ModelPackage(path: path).describe(),
                    model.vocabularySize >= CountsMeasurement.leastVocabularySize
                else { continue }
                found.append(CountsReference(name: name, path: path))
            }
        }
        guard !found.isEmpty else { throw BenchmarkError.noReferenceModels(path: folders.joined(separator: ", ")) }
        return found
    }
}
