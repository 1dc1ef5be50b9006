import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// Bytes of a test in memory, kept alive by whatever reads them.
func hostBytes(_ bytes: [UInt8]) -> HostBytes {
    let memory = HostAllocation(byteCount: bytes.count)
    memory.pointer.copyBytes(from: bytes)
    return memory.bytes
}

func gguf(_ builder: GGUFBuilder) throws -> GGUFFile { try GGUFFile(hostBytes(builder.file), path: "m.gguf") }

@Suite struct GGUFFileTests {
    @Test(arguments: [UInt32(2), 3]) func readsEveryKindOfValue(version: UInt32) throws {
        let nested = GGUFBuilder.Value.array(
            type: 9, count: 2,
            elements: Array(GGUFBuilder.Value.int32s([1, 2]).encoded.dropFirst(4))
                + GGUFBuilder.Value.strings(["a"]).encoded.dropFirst(4))
        var builder = GGUFBuilder(metadata: [
            ("u8", .uint8(200)), ("i8", .int8(-3)), ("u16", .uint16(60_000)), ("i16", .int16(-300)),
            ("u32", .uint32(4_000_000_000)), ("i32", .int32(-70_000)), ("f32", .float32(1.5)), ("yes", .bool(1)),
            ("no", .bool(0)), ("text", .string("grüß")), ("u64", .uint64(1 << 40)), ("big", .uint64(.max)),
            ("i64", .int64(-(1 << 40))), ("f64", .float64(0.1)), ("strings", .strings(["", "x", "▁yz"])),
            ("floats", .floats([0.5, -2])), ("nested", nested), ("after", .uint32(7)),
        ])
        builder.version = version
        let metadata = try gguf(builder).metadata
        let wide = Int.min...Int.max
        let integers = [
            ("u8", 200), ("i8", -3), ("u16", 60_000), ("i16", -300), ("u32", 4_000_000_000), ("i32", -70_000),
            ("u64", 1 << 40), ("i64", -(1 << 40)), ("after", 7),
        ]
        for (key, value) in integers { #expect(try metadata.optionalInteger(key, in: wide) == value) }
        #expect(try metadata.optionalNumber("f32", in: NumberRange.finite) == 1.5)
        #expect(try metadata.optionalNumber("f64", in: NumberRange.finite) == 0.1)
        #expect(try metadata.optionalBool("yes") == true && metadata.optionalBool("no") == false)
        #expect(try metadata.optionalString("text") == "grüß")
        let tooBig = errorText { _ = try metadata.optionalInteger("big", in: wide) }
        #expect(tooBig?.contains("18446744073709551615") == true)
        var strings: [String] = []
        try metadata.optionalStrings("strings")?.forEachString { strings.append(String(decoding: $0, as: UTF8.self)) }
        #expect(strings == ["", "x", "▁yz"])
        #expect(try metadata.optionalNumbers("floats") == [0.5, -2])
        guard case .array(let array)? = metadata["nested"] else { throw TestFailure() }
        #expect(array.elementType == .array && array.count == 2)
        #expect(metadata.keys.count == 18 && metadata.keys.first == "u8")
    }

    @Test func tensorsLieWhereTheyAreAndShapesAreReversed() throws {
        let floats = (0..<6).map(Float.init)
        var builder = GGUFBuilder(
            metadata: [("general.alignment", .uint32(64))],
            tensors: [
                .init("a.weight", [3, 2], floats), .init("b", [], [9]),
                .init("q", [64], type: 8, bytes: [UInt8](repeating: 1, count: 68)), .init("none", [0, 4], []),
            ])
        builder.alignment = 64
        let file = try gguf(builder)
        #expect(file.tensors.map(\.name) == ["a.weight", "b", "q", "none"])
        #expect(file.tensors.map(\.shape.extents) == [[2, 3], [], [64], [4, 0]])
        #expect(file.tensors.map(\.type) == [.float32, .float32, .q8_0, .float32])
        #expect(file.tensors.map(\.bytes.byteCount) == [24, 4, 68, 0])
        #expect(elements(file.tensors[0].bytes, Float.self) == floats)
        #expect(elements(file.tensors[1].bytes, Float.self) == [9])
    }

    @Test func shardsMakeOneModel() throws {
        let folder = try TemporaryFolder()
        func write(_ index: Int, count: UInt16 = 2, number: UInt16? = nil, tensor: String? = nil) throws {
            let builder = GGUFBuilder(
                metadata: [
                    ("general.architecture", .string("llama")), ("split.no", .uint16(number ?? UInt16(index))),
                    ("split.count", .uint16(count)), ("split.tensors.count", .int32(2)),
                ], tensors: [.init(tensor ?? "t\(index)", [2], [Float(index), 2])])
            try folder.write(builder.file, to: "m-0000\(index + 1)-of-00002.gguf")
        }
        let (first, second) = (folder.file("m-00001-of-00002.gguf"), folder.file("m-00002-of-00002.gguf"))
        try write(0)
        let missing = errorText { _ = try GGUFModel(path: first) }
        #expect(missing?.contains("m-00002-of-00002.gguf") == true && missing?.contains("cannot be opened") == true)
        try write(1)
        for path in [first, second] { #expect(try GGUFModel(path: path).tensors.map(\.name) == ["t0", "t1"]) }
        #expect(try ModelLocation(second).openCheckpoint().tensors.count == 2)
        try write(1, tensor: "t0")
        #expect(errorText { _ = try GGUFModel(path: first) }?.contains("tensor 't0' is in") == true)
        try write(1, number: 0)
        #expect(errorText { _ = try GGUFModel(path: first) }?.contains("number 0 of 2") == true)
        try write(1, count: 3)
        #expect(errorText { _ = try GGUFModel(path: first) }?.contains("number 1 of 3") == true)
        let other = folder.file("other.gguf")
        try FileManager.default.copyItem(atPath: first, toPath: other)
        #expect(errorText { _ = try GGUFModel(path: other) }?.contains("NAME-00001-of-00002.gguf") == true)
    }

    @Test func detectedByItsFirstBytes() throws {
        let folder = try TemporaryFolder()
        let builder = GGUFBuilder(metadata: [("general.architecture", .string("llama"))])
        try folder.write(builder.file, to: "model.bin")
        #expect(try ModelLocation(folder.file("model.bin")).weights == .gguf(folder.file("model.bin")))
        #expect(!ModelLocation.isGGUF(folder.path) && !ModelLocation.isGGUF(folder.file("absent.gguf")))
    }

    /// Every reference file has tensors of its type whose sizes add up, or opening would fail.
    @Test func referenceFilesOpen() throws {
        guard let folder = ReferenceMaterial.locate("reference/gguf", for: "GGUF reference files") else { return }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".gguf") }
        #expect(names.count >= 16)
        for name in names {
            let model = try GGUFModel(path: folder.appendingPathComponent(name).path)
            #expect(model.tensors.count == 21 && model.architecture == "llama")
            #expect(try model.configuration().attentionGeometry().headSize == 32)
            #expect(model.checkpoint()["model.layers.1.mlp.down_proj.weight"]?.shape.extents == [256, 512])
        }
    }
}

struct TestFailure: Error {}
