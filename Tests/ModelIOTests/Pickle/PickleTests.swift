import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// Files of `torch.save`. `Tools/make_pickle_fixtures.py` makes the fixtures, with what they hold as safetensors.
@Suite struct PickleTests {
    private static let folder = ReferenceMaterial.fixtures.appendingPathComponent("pickle").path

    private func bytes(_ name: String) throws -> [UInt8] {
        try Array(Data(contentsOf: URL(fileURLWithPath: "\(Self.folder)/\(name)")))
    }

    private func read(_ bytes: [UInt8]) throws -> PickleFile {
        let copy = HostAllocation(byteCount: bytes.count)
        copy.pointer.copyBytes(from: bytes)
        return try PickleFile(copy.bytes, path: "p.bin")
    }

    @Test(arguments: ["zip.bin", "legacy.bin", "wrapped.bin"])
    func holdsWhatWasSaved(_ name: String) throws {
        let expected = try Checkpoint(safetensors: Self.folder + "/expected.safetensors")
        let found = try Checkpoint(pickle: "\(Self.folder)/\(name)")
        #expect(Set(found.tensors.keys) == Set(expected.tensors.keys))
        for (name, tensor) in expected.tensors {
            let other = try #require(found[name])
            #expect(other.type == tensor.type && other.shape == tensor.shape, "\(name)")
            #expect(elements(other.bytes, UInt8.self) == elements(tensor.bytes, UInt8.self), "\(name)")
        }
    }

    /// `state_dict` of a module carries versions in an attribute of its dictionary.
    @Test func readsStateDictionaries() throws {
        let file = try PickleFile(path: Self.folder + "/module.pt")
        #expect(file.tensors.map(\.name) == ["weight", "bias"])
        #expect(file.tensors.map(\.shape.extents) == [[1, 4], [1]])
    }

    @Test(arguments: [
        ("object.bin", "pathlib.PurePosixPath"), ("os-system.bin", "os.system"),
    ])
    func refusesWhatIsNoTensor(_ name: String, _ says: String) throws {
        let text = errorText { _ = try PickleFile(path: "\(Self.folder)/\(name)") }
        #expect(text?.contains(says) == true && text?.contains("only tensors") == true, "\(text ?? "no error")")
    }

    @Test(arguments: ["zip.bin", "legacy.bin"])
    func namesWhatIsCutOff(_ name: String) throws {
        let whole = try bytes(name)
        for count in stride(from: 1, to: whole.count - 1, by: 97) {
            let text = errorText { _ = try read(Array(whole.prefix(count))) }
            #expect(text?.hasPrefix("p.bin: ") == true, "\(count): \(text ?? "no error")")
        }
    }

    /// Views may not reach past their storage, nor take more memory than the file.
    @Test func checksViews() throws {
        // storage of 4 floats; a tensor of shape [2, 2] with the strides and the offset given.
        func pickle(_ extents: [UInt8], _ strides: [UInt8], offset: UInt8) -> [UInt8] {
            func text(_ value: String) -> [UInt8] { [0x8C, UInt8(value.utf8.count)] + Array(value.utf8) }
            func tuple(_ values: [UInt8]) -> [UInt8] { [0x28] + values.flatMap { [0x4B, $0] } + [0x74] }
            let global = Array("ctorch._utils\n_rebuild_tensor_v2\n".utf8)
            let storage =
                [0x28] + text("storage") + Array("ctorch\nFloatStorage\n".utf8) + text("0") + text("cpu") + [0x4B, 4]
                + [0x74, 0x51]
            let call = [0x28] + storage + [0x4B, offset] + tuple(extents) + tuple(strides) + [0x89, 0x7D, 0x74, 0x52]
            let root = [0x80, 2, 0x7D] + text("t") + global + call + [0x73, 0x2E]
            let head = [UInt8](repeating: 0, count: 0)
            let number = [0x80, 2, 0x4B, 1, 0x2E] as [UInt8]
            let keys = [0x80, 2, 0x5D] + text("0") + [0x61, 0x2E]
            return head + number + number + number + root + keys + [4, 0, 0, 0, 0, 0, 0, 0]
                + [UInt8](repeating: 1, count: 16)
        }
        #expect(try read(pickle([2, 2], [2, 1], offset: 0)).tensors.count == 1)
        #expect(try read(pickle([2, 2], [1, 2], offset: 0)).tensors.count == 1)
        for (extents, strides, offset) in [
            ([2, 2], [2, 1], 1), ([2, 2], [3, 1], 0), ([5], [0], 0), ([2, 4], [0, 1], 0),
        ]
            as [([UInt8], [UInt8], UInt8)]
        {
            let text = errorText { _ = try read(pickle(extents, strides, offset: offset)) }
            #expect(text?.contains("storage of 4") == true, "\(extents): \(text ?? "no error")")
        }
    }

    /// `INFER_FUZZ_RUNS` sets how many mutations are tried.
    @Test func mutationsEndInTypedErrors() throws {
        let seeds = try ["zip.bin", "legacy.bin", "module.pt"].map(bytes)
        let runs = ProcessInfo.processInfo.environment["INFER_FUZZ_RUNS"].flatMap { Int($0) } ?? 6_000
        var generator = SplitMix64(seed: 11)
        var accepted = 0
        for run in 0..<runs {
            let mutated = generator.mutate(seeds[run % seeds.count])
            do {
                for tensor in try read(mutated).tensors {
                    precondition(tensor.bytes.byteCount == tensor.shape.elementCount * tensor.type.blockByteCount)
                    accepted += tensor.bytes.pointer.reduce(0) { $0 &+ Int($1) } >= 0 ? 1 : 0
                }
            } catch let error as LoadError {
                #expect(!error.description.isEmpty)
            }
        }
        #expect(accepted > 100)
    }
}

@Suite struct DownloadMistakeTests {
    static let cases: [(content: String, says: String)] = [
        ("", "the file is empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
        ("<!DOCTYPE html>\n<html><head>", "web page"), ("\n  <html lang=\"en\">", "web page"),
        ("Entry not found", "Entry not found"), ("Invalid username or password.", "download it again"),
    ]

    @Test(arguments: cases, ["model.safetensors", "model.gguf", "pytorch_model.bin", "model.safetensors.index.json"])
    func isSaid(_ bad: (content: String, says: String), _ name: String) throws {
        let folder = try TemporaryFolder()
        try folder.write(bad.content, to: name)
        let text = errorText { _ = try ModelLocation(folder.file(name)).openCheckpoint() }
        #expect(text?.contains(bad.says) == true && text?.contains(name) == true, "\(text ?? "no error")")
    }

    @Test(arguments: cases)
    func isSaidOfConfigurations(_ bad: (content: String, says: String)) throws {
        let folder = try TemporaryFolder()
        try folder.write(bad.content, to: "config.json")
        let text = errorText { _ = try ModelConfiguration(path: folder.file("config.json")) }
        #expect(text?.contains(bad.says) == true && text?.contains("config.json") == true, "\(text ?? "no error")")
    }
}
