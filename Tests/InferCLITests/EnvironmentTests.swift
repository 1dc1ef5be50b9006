import Foundation
import TestSupport
import Testing

/// Folders, permissions and kernels that a command meets on a bad machine.
@Suite struct EnvironmentTests {
    private static let greedy = ["generate", "--temperature", "0", "--max-tokens", "5", "To be, or not"]
    /// From the bundled model's `expected.json`.
    private static let continuation = "hing"

    /// Whether OpenCL shows any device here; prints that a case was not run where it shows none.
    private static func hasOpenCL(_ test: String) throws -> Bool {
        let listing = try CommandLineTool.run(["devices"])
        let found = listing.output.contains("opencl:0")
        if !found { print("\(test): not run: no OpenCL device") }
        return found
    }

    @Test func devicesListsTheCPU() throws {
        let result = try CommandLineTool.run(["devices"])
        #expect(result.exitCode == 0 && result.output.hasPrefix("cpu "), "\(result.output)\(result.errors)")
        let json = try CommandLineTool.run(["devices", "--json"])
        let object = try JSONSerialization.jsonObject(with: Data(json.outputBytes)) as? [String: Any]
        #expect(object?["opencl"] is [Any])
    }

    @Test func aKernelThatDoesNotCompileIsNamed() throws {
        guard try Self.hasOpenCL("aKernelThatDoesNotCompileIsNamed") else { return }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let kernels = folder.file("kernels")
        try FileManager.default.copyItem(
            at: ReferenceMaterial.packageRoot.appendingPathComponent("Kernels"), to: kernels)
        let embedding = kernels.appendingPathComponent("embedding")
        for name in try FileManager.default.contentsOfDirectory(atPath: embedding.path) {
            let file = embedding.appendingPathComponent(name)
            try Data("kernel void broken( { undeclared_name; }\n".utf8).write(to: file)
        }
        let result = try CommandLineTool.run(
            Self.greedy + ["--device", "opencl"], environment: ["INFER_KERNELS": kernels.path])
        CommandLineTool.expectFailure(result, code: 1, naming: ["embedding", "does not compile"], "broken kernel")
    }

    /// A cache that cannot be written costs time, not the answer.
    @Test func aCacheThatCannotBeWrittenIsWarnedOf() throws {
        guard try Self.hasOpenCL("aCacheThatCannotBeWrittenIsWarnedOf") else { return }
        // PoCL keeps a cache of its own in the same place, and shows no device where it cannot. All runs share one, so
        // that only the first one compiles.
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        for cache in ["/proc/no-such-place", "/dev/full", "/dev/null/cache"] {
            let result = try CommandLineTool.run(
                Self.greedy + ["--device", "opencl"],
                environment: ["XDG_CACHE_HOME": cache, "POCL_CACHE_DIR": folder.path])
            #expect(result.exitCode == 0, "\(cache): \(result.errors)")
            #expect(result.output.hasPrefix(Self.continuation), "\(cache): \(result.output)")
            #expect(result.errorLines.isEmpty, "\(cache): \(result.errors)")
            let warnings = result.errors.split(separator: "\n").filter { $0.contains("warning") }
            #expect(warnings.count == 1 && warnings.allSatisfy { $0.contains(cache) }, "\(cache): \(result.errors)")
        }
    }

    /// Needs the right to mount a file system that is too small.
    @Test func aFullDiskUnderTheCacheIsNamed() throws {
        guard try Self.hasOpenCL("aFullDiskUnderTheCacheIsNamed") else { return }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let disk = folder.file("disk")
        try FileManager.default.createDirectory(at: disk, withIntermediateDirectories: true)
        guard mount("none", disk.path, "tmpfs", 0, "size=16k") == 0 else {
            print("aFullDiskUnderTheCacheIsNamed: not run: no right to mount a small disk")
            return
        }
        defer { umount(disk.path) }
        let result = try CommandLineTool.run(
            Self.greedy + ["--device", "opencl"],
            environment: ["XDG_CACHE_HOME": disk.path, "POCL_CACHE_DIR": folder.path])
        CommandLineTool.expectFailure(result, code: 1, naming: [disk.path, "full", "XDG_CACHE_HOME"], "a full disk")
    }

    @Test func linksThatLeadNowhereAreNamed() throws {
        let model = try ModelFolder()
        defer { model.remove() }
        try model.delete("config.json")
        try FileManager.default.createSymbolicLink(
            atPath: model.file("config.json"), withDestinationPath: model.file("config.json"))
        let result = try CommandLineTool.run(["generate", "--model", model.path, "hi"])
        CommandLineTool.expectFailure(result, code: 1, naming: ["config.json", "links"], "a link to itself")
    }

    @Test func unreadableFilesAreNamed() throws {
        guard geteuid() != 0 else {
            print("unreadableFilesAreNamed: not run: the superuser may read every file")
            return
        }
        let model = try ModelFolder()
        defer { model.remove() }
        try FileManager.default.setAttributes(
            [.posixPermissions: 0], ofItemAtPath: model.file("model.safetensors"))
        let result = try CommandLineTool.run(["generate", "--model", model.path, "hi"])
        CommandLineTool.expectFailure(result, code: 1, naming: ["model.safetensors", "permission"], "unreadable")
    }

    @Test func modelsThatOthersMustConvertAreNamed() throws {
        let model = try ModelFolder()
        defer { model.remove() }
        try model.write("weights.gguf", "GGUF\u{3}\0\0\0")
        let gguf = try CommandLineTool.run(["generate", "--model", model.file("weights.gguf"), "hi"])
        CommandLineTool.expectFailure(gguf, code: 1, naming: ["weights.gguf", "GGUF"], "GGUF")
        try model.delete("model.safetensors")
        try model.write("pytorch_model.bin", "PK")
        let pickle = try CommandLineTool.run(["generate", "--model", model.path, "hi"])
        CommandLineTool.expectFailure(pickle, code: 1, naming: ["pytorch_model.bin", "pickle"], "pickle")
    }

    @Test func outputsThatCannotBeWrittenAreNamed() throws {
        let inputs = ReferenceMaterial.fixtures.appendingPathComponent("models/llama/expected.safetensors").path
        for output in ["/no/such/folder/out.safetensors", "/proc/out.safetensors"] {
            let result = try CommandLineTool.run([
                "forward", "--inputs", inputs, "--outputs", output, "--device", "cpu",
                "--model", ReferenceMaterial.fixtures.appendingPathComponent("models/llama").path,
            ])
            CommandLineTool.expectFailure(result, code: 1, naming: [output], output)
        }
        let full = try CommandLineTool.run(Self.greedy, outputPath: "/dev/full")
        CommandLineTool.expectFailure(full, code: 1, naming: ["standard output"], "/dev/full")
    }
}
