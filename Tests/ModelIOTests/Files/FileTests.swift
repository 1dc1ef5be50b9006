import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

@Suite struct FileTests {
    @Test func badPathsAreNamed() throws {
        let folder = try TemporaryFolder()
        try folder.write("", to: "empty.safetensors")
        try folder.write("GGUF\u{3}\0\0\0", to: "renamed.safetensors")
        try folder.write("x", to: "model.gguf")
        try folder.write("x", to: "notes.txt")
        try FileManager.default.createDirectory(atPath: folder.file("pickled"), withIntermediateDirectories: true)
        try folder.write("x", to: "pickled/pytorch_model.bin")
        #expect(mkfifo(folder.file("pipe.safetensors"), 0o600) == 0)
        let cases: [(path: String, says: String)] = [
            ("", "the path is empty"),
            (folder.file("missing"), "no such file or folder"),
            (folder.file("notes.txt/model"), "is not a folder"),
            (folder.path, "too few for a GGUF file"),
            (folder.file("empty.safetensors"), "the file is empty"),
            (folder.file("renamed.safetensors"), "too few for a GGUF file"),
            (folder.file("model.gguf"), "too few for a GGUF file"),
            (folder.file("notes.txt"), "is no model"),
            (folder.file("pickled"), "as a pickle"),
            (folder.file("pipe.safetensors"), "neither a folder nor a regular file"),
            ("/dev/zero", "neither a folder nor a regular file"),
            ("a\0b", "NUL"),
            (String(repeating: "x", count: 5000), "too long"),
        ]
        for (path, says) in cases {
            let text = errorText { _ = try ModelLocation(path).openCheckpoint() }
            #expect(text?.contains(says) == true, "\(path.prefix(80)): \(text ?? "no error")")
            if !path.isEmpty, !path.contains("\0") { #expect(text?.contains(path) == true) }
        }
        #expect(errorText { _ = try MappedFile(path: folder.path) }?.hasSuffix("is a folder, expected a file") == true)
        #expect(
            errorText { _ = try MappedFile(path: folder.file("pipe.safetensors")) }?.hasSuffix("not a regular file")
                == true)
        #expect(
            errorText { _ = try ModelConfiguration(path: folder.file("config.json")) }?.contains("config.json: no such")
                == true)
    }

    @Test func unreadableFileIsAnError() throws {
        guard getuid() != 0 else {
            print("unreadableFileIsAnError: not run: root reads every file")
            return
        }
        let folder = try TemporaryFolder()
        try folder.write("x", to: "f")
        chmod(folder.file("f"), 0)
        #expect(errorText { _ = try MappedFile(path: folder.file("f")) }?.contains("permission denied") == true)
    }

    @Test func discardedPagesComeBack() throws {
        let folder = try TemporaryFolder()
        let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try folder.write(bytes, to: "f")
        let file = try MappedFile(path: folder.file("f"))
        for range in [0..<50_000, 1..<4096, 100..<100, 4095..<12_289, 49_999..<50_000] {
            let part = file.bytes(range)
            file.prefetch(part.pointer)
            part.discard()
            #expect(elements(part, UInt8.self) == Array(bytes[range]))
        }
    }

    @Test func writtenTensorsReadBackTheSame() throws {
        let folder = try TemporaryFolder()
        var writer = SafetensorsWriter(metadata: ["b": "2", "a": "\"quoted\"\n"])
        writer.add("logits", [1.5, -2, .infinity, 0, 3, 4], shape: [1, 2, 3])
        writer.add("ids", [1, -1, 1 << 40], shape: [3])
        writer.add("half", type: .float16, shape: [1], bytes: [0, 0x3C])
        writer.add("none", [Float](), shape: [0, 4])
        writer.add("weird \u{1F600} \"name\"", [7.0], shape: [])
        try writer.write(to: folder.file("out.safetensors"))
        let checkpoint = try Checkpoint(safetensors: folder.file("out.safetensors"))
        #expect(checkpoint.metadata == ["b": "2", "a": "\"quoted\"\n"])
        #expect(checkpoint.tensors.count == 5)
        let logits = try #require(checkpoint["logits"])
        #expect(logits.shape == [1, 2, 3] && logits.type == .float32)
        #expect(elements(logits.bytes, Float.self) == [1.5, -2, .infinity, 0, 3, 4])
        #expect(elements(try #require(checkpoint["ids"]).bytes, Int64.self) == [1, -1, 1 << 40])
        #expect(elements(try #require(checkpoint["half"]).bytes, UInt8.self) == [0, 0x3C])
        #expect(checkpoint["weird \u{1F600} \"name\""]?.shape.rank == 0)
        for tensor in checkpoint.tensors.values where tensor.bytes.byteCount > 0 {
            let address = try #require(tensor.bytes.pointer.baseAddress)
            #expect(Int(bitPattern: address) % tensor.type.blockByteCount == 0)
        }
        // The same tensors in another order give the same bytes, over the old file.
        let first = try Data(contentsOf: URL(fileURLWithPath: folder.file("out.safetensors")))
        var again = SafetensorsWriter(metadata: ["a": "\"quoted\"\n", "b": "2"])
        again.add("weird \u{1F600} \"name\"", [7.0], shape: [])
        again.add("none", [Float](), shape: [0, 4])
        again.add("half", type: .float16, shape: [1], bytes: [0, 0x3C])
        again.add("ids", [1, -1, 1 << 40], shape: [3])
        again.add("logits", [1.5, -2, .infinity, 0, 3, 4], shape: [1, 2, 3])
        try again.write(to: folder.file("out.safetensors"))
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file("out.safetensors"))) == first)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.safetensors"])
    }

    @Test func failedWritesNameThePathAndLeaveNothing() throws {
        let folder = try TemporaryFolder()
        let writer = SafetensorsWriter()
        let missing = folder.file("none/out.safetensors")
        #expect(errorText { try writer.write(to: missing) } == "\(missing): cannot be written: no such file or folder")
        try FileManager.default.createDirectory(atPath: folder.file("taken"), withIntermediateDirectories: true)
        #expect(errorText { try writer.write(to: folder.file("taken")) }?.contains("cannot be written") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["taken"])
    }

    /// By way of a link of our own, so that not even a broken writer could replace the device.
    @Test func aDeviceIsWrittenToAndNotReplaced() throws {
        let folder = try TemporaryFolder()
        for device in ["null", "full"] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.file(device), withDestinationPath: "/dev/\(device)")
        }
        let writer = SafetensorsWriter()
        try writer.write(to: folder.file("null"))
        let full = folder.file("full")
        #expect(errorText { try writer.write(to: full) } == "\(full): cannot be written: No space left on device")
        for device in ["null", "full"] {
            #expect(
                try FileManager.default.destinationOfSymbolicLink(atPath: folder.file(device)) == "/dev/\(device)")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["full", "null"])
    }
}
