import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

@Suite struct GGUFWriterTests {
    /// Writes `writer`'s tensors with the bytes given and opens the file.
    private func roundTrip(_ writer: GGUFWriter, _ bytes: [[UInt8]] = [], pieces: Int = 1) throws -> GGUFFile {
        let folder = try TemporaryFolder()
        let path = folder.file("m.gguf")
        try writer.write(to: path) { index, write in
            let all = bytes[index]
            let size = max((all.count + pieces - 1) / pieces, 1)
            for start in stride(from: 0, to: all.count, by: size) {
                try all[start..<min(start + size, all.count)].withUnsafeBytes { try write($0) }
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["m.gguf"])
        return try GGUFFile(path: path)
    }

    @Test func everyKindOfValueIsReadBack() throws {
        var writer = GGUFWriter()
        let integers: [(String, GGUFEncodedValue, Int)] = [
            ("u8", .uint8(200), 200), ("i8", .int8(-3), -3), ("u16", .uint16(60_000), 60_000),
            ("i16", .int16(-300), -300), ("u32", .uint32(4_000_000_000), 4_000_000_000),
            ("i32", .int32(-70_000), -70_000), ("u64", .uint64(1 << 40), 1 << 40), ("i64", .int64(.min), .min),
        ]
        for (key, value, _) in integers { writer.set(key, value) }
        writer.set("f32", .float32(1.5))
        writer.set("f64", .float64(0.1))
        writer.set("yes", .bool(true))
        writer.set("no", .bool(false))
        writer.set("text", .string("grüß\u{0}ich"))
        writer.set("empty", .string(""))
        writer.set("strings", .strings(["", "x", "▁yz"]))
        writer.set("floats", .floats([0.5, -2, .infinity]))
        writer.set("ints", .int32s([.min, 0, .max]))
        writer.set("none", .array(of: .uint16, []))
        writer.set("nested", .array(of: .array, [.int32s([1, 2]), .strings(["a"])]))
        writer.set("u8", .uint8(201))

        let metadata = try roundTrip(writer).metadata
        #expect(
            metadata.keys == integers.map(\.0) + [
                "f32", "f64", "yes", "no", "text", "empty", "strings", "floats", "ints", "none", "nested",
            ])
        let wide = Int.min...Int.max
        for (key, _, expected) in integers.dropFirst() {
            #expect(try metadata.optionalInteger(key, in: wide) == expected, "\(key)")
        }
        #expect(try metadata.optionalInteger("u8", in: wide) == 201)
        #expect(try metadata.optionalNumber("f32", in: NumberRange.finite) == 1.5)
        #expect(try metadata.optionalNumber("f64", in: NumberRange.finite) == 0.1)
        #expect(try metadata.optionalBool("yes") == true && metadata.optionalBool("no") == false)
        #expect(try metadata.optionalString("text") == "grüß\u{0}ich" && metadata.optionalString("empty") == "")
        var strings: [String] = []
        try metadata.optionalStrings("strings")?.forEachString { strings.append(String(decoding: $0, as: UTF8.self)) }
        #expect(strings == ["", "x", "▁yz"])
        #expect(try metadata.optionalNumbers("floats") == [0.5, -2, .infinity])
        #expect(try metadata.optionalIntegers("ints") == [Int(Int32.min), 0, Int(Int32.max)])
        #expect(try metadata.optionalIntegers("none") == [])
        guard case .array(let nested)? = metadata["nested"] else { throw TestFailure() }
        #expect(nested.elementType == .array && nested.count == 2)
    }

    @Test(arguments: [32, 64, 1, 4096]) func tensorsStartAtTheAlignment(alignment: Int) throws {
        var writer = GGUFWriter(alignment: alignment)
        writer.set("general.architecture", .string("llama"))
        let floats: [Float] = [0, 1, 2, 3, 4, 5]
        try writer.addTensor("a.weight", type: .float32, shape: [2, 3])
        try writer.addTensor("none", type: .float16, shape: [4, 0])
        try writer.addTensor("scalar", type: .float32, shape: [])
        try writer.addTensor("q", type: .q8_0, shape: [2, 64])
        try writer.addTensor("i", type: .int64, shape: [1, 1, 1, 1])
        let bytes: [[UInt8]] = [
            floats.withUnsafeBytes { [UInt8]($0) }, [], [0, 0, 16, 65], [UInt8](repeating: 7, count: 136),
            [1, 0, 0, 0, 0, 0, 0, 255],
        ]
        #expect(writer.tensors.map(\.byteCount) == bytes.map(\.count))
        let file = try roundTrip(writer, bytes, pieces: 3)
        #expect(file.version == 3)
        #expect(file.tensors.map(\.name) == ["a.weight", "none", "scalar", "q", "i"])
        #expect(file.tensors.map(\.shape.extents) == [[2, 3], [4, 0], [], [2, 64], [1, 1, 1, 1]])
        #expect(file.tensors.map(\.type) == [.float32, .float16, .float32, .q8_0, .int64])
        for (tensor, bytes) in zip(file.tensors, bytes) { #expect(elements(tensor.bytes, UInt8.self) == bytes) }
    }

    @Test func whatCannotBeInAFileIsRefused() throws {
        var writer = GGUFWriter()
        try writer.addTensor("a", type: .float32, shape: [2])
        let refused: [(String, StoredType, Shape, String)] = [
            ("a", .float32, [2], "the name is taken"), ("b", .complex64, [2], "has no number"),
            ("b", .float32, [1, 1, 1, 1, 1], "5 dimensions"), ("b", .q4_K, [2, 128], "no whole Q4_K blocks"),
        ]
        for (name, type, shape, reason) in refused {
            let text = errorText { try writer.addTensor(name, type: type, shape: shape) }
            #expect(text?.contains(reason) == true, "\(text ?? "no error")")
        }
    }

    @Test func aFailureLeavesTheOldFileAndNothingElse() throws {
        let folder = try TemporaryFolder()
        try folder.write("old", to: "m.gguf")
        var writer = GGUFWriter()
        try writer.addTensor("a", type: .float32, shape: [1 << 20])
        #expect(throws: TestFailure.self) {
            try writer.write(to: folder.file("m.gguf")) { _, write in
                let half = [UInt8](repeating: 1, count: 1 << 21)
                try half.withUnsafeBytes { try write($0) }
                throw TestFailure()
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["m.gguf"])
        #expect(try String(contentsOfFile: folder.file("m.gguf"), encoding: .utf8) == "old")
    }

    @Test func placesThatCannotBeWrittenAreNamed() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("d.gguf"), withIntermediateDirectories: false)
        var writer = GGUFWriter()
        try writer.addTensor("a", type: .float32, shape: [4])
        let paths = [
            (folder.file("d.gguf"), "Is a directory"), (folder.file("no/m.gguf"), "no such file or folder"),
            ("/dev/full", "No space left on device"), ("", "not a file name"),
        ]
        for (path, reason) in paths {
            let text = errorText {
                try writer.write(to: path) { _, write in
                    try [UInt8](repeating: 0, count: 16).withUnsafeBytes { try write($0) }
                }
            }
            #expect(text?.contains(reason) == true && text?.hasPrefix(path) == true, "\(text ?? "no error")")
        }
    }

    /// A header alone tells how long a file is: what no disk holds is refused before anything is computed.
    @Test func aFullDiskIsFoundBeforeTheWork() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        try writer.addTensor("a", type: .float32, shape: [1 << 50])
        let text = errorText { try writer.write(to: folder.file("m.gguf")) { _, _ in throw TestFailure() } }
        #expect(text?.contains("No space left on device") == true, "\(text ?? "no error")")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
    }
}
