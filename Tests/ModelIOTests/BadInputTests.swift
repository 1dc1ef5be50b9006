import Foundation
import ModelIO
import TensorCore
import TestSupport
import Testing

/// Every case must end in a one-line error that holds all of `mentions`.
struct BadInput: CustomTestStringConvertible, Sendable {
    let input: String
    let mentions: [String]
    var dataByteCount = 0
    var length: UInt64?

    init(_ input: String, _ mentions: String..., dataByteCount: Int = 0, length: UInt64? = nil) {
        self.input = input
        self.mentions = mentions
        self.dataByteCount = dataByteCount
        self.length = length
    }

    var testDescription: String { String(input.prefix(60)) }

    func check(_ text: String?) {
        guard let text else {
            Issue.record("no error for \(input)")
            return
        }
        #expect(!text.contains("\n") && !text.hasPrefix("not a LoadError"))
        for mention in mentions { #expect(text.contains(mention)) }
    }
}

@Suite struct BadSafetensorsTests {
    private static let entry = #"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#

    static let cases: [BadInput] = [
        BadInput("{}", "header length 100000001", length: 100_000_001),
        BadInput("{}", "header length 18446744073709551615", length: .max),
        BadInput("{}", "header length 9223372036854775808", length: 1 << 63),
        BadInput("{}", "header length 3 reaches past", length: 3),
        BadInput("", "does not start with '{'"),
        BadInput("[]", "does not start with '{'"),
        BadInput(" {}", "does not start with '{'"),
        BadInput("{", "invalid JSON", "header"),
        BadInput(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, "invalid JSON", dataByteCount: 8),
        BadInput(#"{"\u0061\ud800":1}"#, "invalid JSON"),
        BadInput(#"{"w":1}"#, "'w'", "an integer"),
        BadInput(#"{"w":{"shape":[2],"data_offsets":[0,8]}}"#, "'w' has no 'dtype'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","data_offsets":[0,8]}}"#, "'w' has no 'shape'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":[2]}}"#, "'w' has no 'data_offsets'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#, "'w'", "'F33'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":4,"shape":[2],"data_offsets":[0,8]}}"#, "'w'", "'dtype'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}"#, "'w'", "'shape'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, "'w'", "'shape'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, "'w'", "'shape'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}"#, "'w'", "'shape'", dataByteCount: 8),
        BadInput(
            #"{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#, "'w'", "overflows",
            dataByteCount: 8),
        BadInput(
            #"{"w":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,8]}}"#, "'w'", "more than any file",
            dataByteCount: 8),
        BadInput(
            #"{"w":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}}"#, "'w'", "'shape'",
            dataByteCount: 8),
        BadInput(
            #"{"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}"#, "'w'",
            "17 dimensions", dataByteCount: 8),
        BadInput(
            #"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "'w' has 8 bytes", "takes 12",
            dataByteCount: 8),
        BadInput(
            #"{"w":{"dtype":"F16","shape":[2],"data_offsets":[0,8]}}"#, "'w' has 8 bytes", "takes 4", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, "'w'", "'data_offsets'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "'w'", "'data_offsets'", dataByteCount: 8),
        BadInput(
            #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}"#, "'w'", "'data_offsets'", dataByteCount: 8),
        BadInput(
            #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,"8"]}}"#, "'w'", "'data_offsets'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":[2],"data_offsets":"0,8"}}"#, "'w'", "'data_offsets'", dataByteCount: 8),
        BadInput(#"{"w":\#(entry)}"#, "'w' ends at byte 8", "the file has 7", dataByteCount: 7),
        BadInput(
            #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[9223372036854775800,9223372036854775807]}}"#, "'w'",
            "the file has 8", dataByteCount: 8),
        BadInput(#"{"w":\#(entry),"x":1}"#, "'x'", dataByteCount: 8),
        BadInput(#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"z":1}}"#, "'w'", "'z'", dataByteCount: 8),
        BadInput(#"{"w":\#(entry),"w":\#(entry)}"#, "'w' appears twice", dataByteCount: 8),
        BadInput(#"{"w":\#(entry),"\u0077":\#(entry)}"#, "'w' appears twice", dataByteCount: 8),
        BadInput(
            #"{"w":\#(entry),"v":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, "'v' starts at byte 4 inside",
            "'w'", dataByteCount: 12),
        BadInput(#"{"w":\#(entry),"v":\#(entry)}"#, "starts at byte 0 inside", dataByteCount: 8),
        BadInput(
            #"{"w":\#(entry),"v":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#, "'v' starts at byte 12", "hole",
            dataByteCount: 16),
        BadInput(#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, "'w'", "hole", dataByteCount: 12),
        BadInput(#"{"w":\#(entry)}"#, "4 bytes behind the last tensor", dataByteCount: 12),
        BadInput(#"{"__metadata__":[]}"#, "__metadata__"),
        BadInput(#"{"__metadata__":{"a":1}}"#, "__metadata__.a", "a string"),
        BadInput(#"{"a\nb\u001b[31m":1}"#, "'a\u{FFFD}b\u{FFFD}[31m'"),
    ]

    @Test(arguments: cases)
    func isRefused(_ bad: BadInput) throws {
        let folder = try TemporaryFolder()
        try folder.write(
            safetensors(bad.input, dataByteCount: bad.dataByteCount, length: bad.length), to: "bad.safetensors")
        let text = errorText { _ = try Checkpoint(safetensors: folder.file("bad.safetensors")) }
        bad.check(text)
        #expect(text?.contains("bad.safetensors") == true)
    }

    @Test func truncatedFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let whole = safetensors(#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, dataByteCount: 8)
        for count in 0..<whole.count {
            try folder.write(Array(whole[..<count]), to: "t.safetensors")
            let text = errorText { _ = try Checkpoint(safetensors: folder.file("t.safetensors")) }
            #expect(text?.contains("t.safetensors") == true, "\(count) bytes")
        }
        try folder.write(whole, to: "t.safetensors")
        #expect(try Checkpoint(safetensors: folder.file("t.safetensors")).tensors.count == 1)
    }

    @Test func unusualButGoodFilesOpen() throws {
        let folder = try TemporaryFolder()
        let header =
            #"{"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"BF16","shape":[0,3],"#
            + #""data_offsets":[8,8]},"b":{"dtype":"BOOL","shape":[3],"data_offsets":[8,11]},"__metadata__":{"k":"v"}}   "#
        try folder.write(safetensors(header, dataByteCount: 11), to: "good.safetensors")
        let checkpoint = try Checkpoint(safetensors: folder.file("good.safetensors"))
        #expect(checkpoint.tensors.count == 3 && checkpoint.metadata == ["k": "v"])
        #expect(checkpoint["s"]?.shape.elementCount == 1 && checkpoint["e"]?.bytes.byteCount == 0)
        try folder.write(safetensors("{}"), to: "empty.safetensors")
        #expect(try Checkpoint(safetensors: folder.file("empty.safetensors")).tensors.isEmpty)
    }
}

@Suite struct BadIndexTests {
    static let cases: [BadInput] = [
        BadInput("", "index.json", "the file is empty"),
        BadInput("[]", "an array"),
        BadInput("{}", "'weight_map' is missing"),
        BadInput(#"{"weight_map":[]}"#, "'weight_map'", "an array"),
        BadInput(#"{"weight_map":{}}"#, "'weight_map'", "none"),
        BadInput(#"{"weight_map":{"w":1}}"#, "weight_map.w", "an integer"),
        BadInput(#"{"weight_map":{"w":"a.safetensors","w":"a.safetensors"}}"#, "'w' appears twice"),
        BadInput(#"{"weight_map":{"w":"none.safetensors"}}"#, "'none.safetensors'", "no such file"),
        BadInput(#"{"weight_map":{"w":"../a.safetensors"}}"#, "'../a.safetensors'", "'..'"),
        BadInput(#"{"weight_map":{"w":"sub/../../a.safetensors"}}"#, "'sub/../../a.safetensors'", "'..'"),
        BadInput(#"{"weight_map":{"w":"/etc/passwd"}}"#, "'/etc/passwd'", "absolute"),
        BadInput(#"{"weight_map":{"w":""}}"#, "empty file name"),
        BadInput(#"{"weight_map":{"w":"a\u0000b"}}"#, "NUL"),
        BadInput(#"{"weight_map":{"w":"sub"}}"#, "sub", "is a folder"),
        BadInput(#"{"weight_map":{"w":"config.json"}}"#, "config.json", "pickle"),
    ]

    @Test(arguments: cases)
    func isRefused(_ bad: BadInput) throws {
        let folder = try TemporaryFolder()
        let entry = #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
        try folder.write(safetensors(entry, dataByteCount: 8), to: "a.safetensors")
        try folder.write("{\"model_type\":\"gpt2\"}", to: "config.json")
        try FileManager.default.createDirectory(atPath: folder.file("sub"), withIntermediateDirectories: true)
        try folder.write(bad.input, to: "model.safetensors.index.json")
        let text = errorText { _ = try ModelLocation(folder.path).openCheckpoint() }
        bad.check(text)
    }

    /// The files decide: what an index says of a tensor that lies elsewhere, or nowhere, counts for nothing.
    @Test(arguments: [
        #"{"weight_map":{"w":"./a.safetensors","y":"b.safetensors"}}"#,
        #"{"weight_map":{"w":"b.safetensors","x":"b.safetensors","y":"a.safetensors"}}"#,
        #"{"weight_map":{"w":"a.safetensors","y":"b.safetensors","inv_freq":"a.safetensors"}}"#,
        #"{"weight_map":{"w":"a.safetensors","y":"b.safetensors","z":"missing.safetensors"}}"#,
    ])
    func theFilesDecide(_ index: String) throws {
        let folder = try TemporaryFolder()
        let header =
            #"{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"#
            + #""x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#
        try folder.write(safetensors(header, dataByteCount: 2), to: "a.safetensors")
        let other = #"{"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#
        try folder.write(safetensors(other, dataByteCount: 1), to: "b.safetensors")
        try folder.write(index, to: "model.safetensors.index.json")
        let checkpoint = try ModelLocation(folder.path).openCheckpoint()
        #expect(Set(checkpoint.tensors.keys) == ["w", "x", "y"])
        let missing = errorText { _ = try WeightLoader(checkpoint).tensor("z", shape: [1]) }
        #expect(missing?.contains(index.contains("missing") ? "'missing.safetensors'" : "'z' is missing") == true)
    }
}
