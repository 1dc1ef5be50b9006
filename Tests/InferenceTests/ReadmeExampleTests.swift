import CPUBackend
import Foundation
import Inference
import TestSupport
import Testing

/// The README's example of the library, as it stands there but for the model and the variable that collects the text.
@Suite struct ReadmeExampleTests {
    @Test func theExampleRuns() async throws {
        var text = ""
        let engine = try await Engine(ModelPackage.bundled(), on: CPUBackend())
        for try await update in try engine.generate("To be, or not", maxTokens: 5) {
            text += update.text
        }
        #expect(text == "hing,\nAnd I")
    }

    @Test func theReadmeShowsIt() throws {
        let readme = try String(
            contentsOf: ReferenceMaterial.packageRoot.appendingPathComponent("README.md"), encoding: .utf8)
        for line in [
            "let engine = try await Engine(ModelPackage(path: \"models/llama\"), on: CPUBackend())",
            "for try await update in try engine.generate(\"Once upon a time\", maxTokens: 64) {",
        ] {
            #expect(readme.contains(line))
        }
    }
}
