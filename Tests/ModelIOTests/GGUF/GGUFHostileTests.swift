import JSONCore
import ModelIO
import TensorCore
import TestSupport
import Testing

/// A file made wrong in one way, and what its error must say.
struct HostileGGUF: CustomTestStringConvertible, Sendable {
    let name: String
    let mentions: [String]
    let bytes: [UInt8]

    init(_ name: String, _ mentions: [String], _ change: (inout GGUFBuilder) -> Void) {
        self.name = name
        self.mentions = mentions
        var builder = GGUFBuilder(
            metadata: [("general.architecture", .string("llama")), ("list", .int32s([1, 2, 3]))],
            tensors: [.init("w", [4, 2], [Float](repeating: 1, count: 8)), .init("v", [4], [1, 2, 3, 4])])
        change(&builder)
        bytes = builder.file
    }

    init(_ name: String, _ mentions: [String], bytes: [UInt8]) {
        self.name = name
        self.mentions = mentions
        self.bytes = bytes
    }

    var testDescription: String { name }
}

@Suite struct GGUFHostileTests {
    private static let good = GGUFBuilder(
        metadata: [("general.architecture", .string("llama"))], tensors: [.init("w", [4], [1, 2, 3, 4])]
    ).file

    private static func replacing(_ place: Int) -> [UInt8] {
        var bytes = good
        bytes[place] = 0xFF
        return bytes
    }

    private static func value(_ name: String, _ mentions: [String], _ value: GGUFBuilder.Value) -> HostileGGUF {
        HostileGGUF(name, mentions) { $0.metadata.append((key: "bad.key", value: value)) }
    }

    private static func tensor(_ name: String, _ mentions: [String], _ tensor: GGUFBuilder.Tensor) -> HostileGGUF {
        HostileGGUF(name, mentions) { $0.tensors.append(tensor) }
    }

    static let frames: [HostileGGUF] = [
        HostileGGUF("magic alone", ["4 bytes are too few"], bytes: Array("GGUF".utf8)),
        HostileGGUF("23 bytes", ["23 bytes are too few"], bytes: Array(good.prefix(23))),
        HostileGGUF("other magic", ["does not start with 'GGUF'"]) { $0.magic = Array("GGML".utf8) },
        HostileGGUF("version 0", ["version 0 is not supported"]) { $0.version = 0 },
        HostileGGUF("version 1", ["version 1 is not supported"]) { $0.version = 1 },
        HostileGGUF("version 4", ["version 4 is not supported"]) { $0.version = 4 },
        HostileGGUF("version 2^32-1", ["version 4294967295"]) { $0.version = .max },
        HostileGGUF("big-endian", ["big-endian"]) { $0.version = 3 << 24 },
        HostileGGUF("tensor count 2^64-1", ["number of tensors is 18446744073709551615"]) { $0.tensorCount = .max },
        HostileGGUF("tensor count 2^63", ["number of tensors is 9223372036854775808"]) { $0.tensorCount = 1 << 63 },
        HostileGGUF("a thousand tensors too many", ["number of tensors is 1000"]) { $0.tensorCount = 1000 },
        HostileGGUF("one tensor too many", ["tensor 2"]) { $0.tensorCount = 3 },
        HostileGGUF("key count 2^64-1", ["number of metadata keys is 18446744073709551615"]) { $0.pairCount = .max },
        HostileGGUF("key count 2^40", ["number of metadata keys is 1099511627776"]) { $0.pairCount = 1 << 40 },
        HostileGGUF("one key too many", ["tensor 0", "length of 562949953421312"]) { $0.pairCount = 3 },
        HostileGGUF("one key too few", ["tensor 'list'", "9 dimensions"]) { $0.pairCount = 1 },
        HostileGGUF("cut inside the metadata", ["ends"], bytes: Array(good.prefix(40))),
        HostileGGUF("cut inside the tensors", ["tensor"], bytes: Array(good.prefix(90))),
        HostileGGUF("cut inside the data", ["tensor 'w'", "truncated"], bytes: Array(good.dropLast(1))),
        HostileGGUF("no data", ["tensor 'w'", "truncated"], bytes: Array(good.dropLast(16))),
    ]

    static let values: [HostileGGUF] = [
        value("unknown value type", ["'bad.key'", "unknown type 13"], .raw(type: 13, bytes: [0])),
        value("value type 2^32-1", ["'bad.key'", "unknown type 4294967295"], .raw(type: .max, bytes: [0])),
        value("boolean 2", ["'bad.key'", "byte 2"], .bool(2)),
        value(
            "string length 2^64-1", ["'bad.key'", "18446744073709551615"],
            .raw(type: 8, bytes: GGUFBuilder.bytes(of: UInt64.max))),
        value(
            "string length 2^63", ["'bad.key'", "9223372036854775808"],
            .raw(type: 8, bytes: GGUFBuilder.bytes(of: UInt64(1) << 63))),
        value(
            "string past the file", ["'bad.key'", "length of 5000"],
            .raw(type: 8, bytes: GGUFBuilder.bytes(of: UInt64(5000)))),
        value("array count 2^64-1", ["'bad.key'", "length of"], .array(type: 5, count: .max, elements: [])),
        value("array count 2^61", ["'bad.key'", "length of"], .array(type: 10, count: 1 << 61, elements: [])),
        value("array past the file", ["'bad.key'", "is 400"], .array(type: 5, count: 400, elements: [0])),
        value("strings past the file", ["'bad.key'", "is 90"], .array(type: 8, count: 90, elements: [])),
        value(
            "string of an array past the file", ["string 0 of", "'bad.key'", "length of 9999"],
            .array(type: 8, count: 1, elements: GGUFBuilder.bytes(of: UInt64(9999)))),
        value("array of unknown type", ["'bad.key'", "unknown type 99"], .array(type: 99, count: 1, elements: [0])),
        value(
            "arrays 40 deep", ["'bad.key'", "nests arrays"],
            .raw(
                type: 9,
                bytes: (0..<40).flatMap { _ in
                    GGUFBuilder.bytes(of: UInt32(9)) + GGUFBuilder.bytes(of: UInt64(1))
                })),
        HostileGGUF("duplicate key", ["'list' appears twice"]) {
            $0.metadata.append((key: "list", value: .uint8(1)))
        },
        HostileGGUF("key longer than a key", ["metadata key 2", "70000"]) {
            $0.metadata.append((key: String(repeating: "k", count: 70_000), value: .uint8(1)))
        },
        HostileGGUF("key that is no UTF-8", ["metadata key 0 is not UTF-8"], bytes: replacing(32)),
        HostileGGUF("key length past the file", ["metadata key 0", "length of"], bytes: replacing(29)),
        HostileGGUF("alignment 0", ["'general.alignment'", "found 0"]) {
            $0.metadata.append((key: "general.alignment", value: .uint32(0)))
        },
        HostileGGUF("alignment 24", ["'general.alignment'", "power of two", "24"]) {
            $0.metadata.append((key: "general.alignment", value: .uint32(24)))
        },
        HostileGGUF("alignment 2^31", ["'general.alignment'", "2147483648"]) {
            $0.metadata.append((key: "general.alignment", value: .uint32(1 << 31)))
        },
        HostileGGUF("alignment in words", ["'general.alignment'", "\"32\""]) {
            $0.metadata.append((key: "general.alignment", value: .string("32")))
        },
    ]

    static let tensors: [HostileGGUF] = [
        tensor("duplicate tensor", ["'w' appears twice"], .init("w", [1], [1])),
        tensor("tensor without a name", ["name of tensor 2 has 0 bytes"], .init("", [1], [1])),
        tensor(
            "tensor with a long name", ["name of tensor 2 has 2000 bytes"],
            .init(String(repeating: "n", count: 2000), [1], [1])),
        tensor("unknown tensor type", ["'x'", "unknown type 200"], .init("x", [1], type: 200, bytes: [0])),
        tensor("tensor type given up", ["'x'", "unknown type 4"], .init("x", [32], type: 4, bytes: [0])),
        tensor("5 dimensions", ["'x' has 5 dimensions"], .init("x", [1, 1, 1, 1, 1], [1])),
        HostileGGUF("2^32-1 dimensions", ["'x' has 4294967295 dimensions"]) {
            var tensor = GGUFBuilder.Tensor("x", [1], [1])
            tensor.dimensionCount = .max
            $0.tensors.append(tensor)
        },
        tensor("extent 2^64-1", ["'x'", "18446744073709551615"], .init("x", [.max], [1])),
        tensor("product of extents overflows", ["'x'", "overflows"], .init("x", [1 << 40, 1 << 40], [1])),
        tensor("byte count overflows", ["'x'", "more bytes than any file"], .init("x", [1 << 61], [1])),
        tensor("tensor larger than the file", ["'x'", "1048576 bytes"], .init("x", [1 << 18], [1])),
        tensor("no whole blocks", ["'x'", "Q8_0 blocks of 32"], .init("x", [48, 2], type: 8, bytes: [0])),
        tensor("no whole super-blocks", ["'x'", "Q4_K blocks of 256"], .init("x", [32, 8], type: 12, bytes: [0])),
        tensor("offset off the alignment", ["'x'", "alignment 32"], .init("x", [1], bytes: [0, 0, 0, 0], offset: 4)),
        tensor("offset past the file", ["'x'", "byte 64000"], .init("x", [1], bytes: [0, 0, 0, 0], offset: 64_000)),
        tensor(
            "offset 2^64-32", ["'x'", "18446744073709551584"],
            .init("x", [1], bytes: [0, 0, 0, 0], offset: .max - 31)),
        tensor("offset in another tensor", ["inside tensor"], .init("x", [1], bytes: [0, 0, 0, 0], offset: 0)),
        HostileGGUF("second tensor in the first", ["'x' starts at byte 32", "inside tensor 'y'"]) {
            let bytes = [UInt8](repeating: 0, count: 64)
            $0.tensors = [.init("y", [16], bytes: bytes), .init("x", [1], bytes: [0, 0, 0, 0], offset: 32)]
        },
    ]

    @Test(arguments: frames + values + tensors) func nameTheCulprit(_ hostile: HostileGGUF) throws {
        let text = errorText { _ = try GGUFFile(hostBytes(hostile.bytes), path: "m.gguf") }
        guard let text else {
            Issue.record("no error for \(hostile.name)")
            return
        }
        #expect(!text.contains("\n") && text.hasPrefix("m.gguf: "), "\(text)")
        for mention in hostile.mentions { #expect(text.contains(mention), "\(hostile.name): \(text)") }
    }

    @Test func thereAreAtLeastForty() { #expect((Self.frames + Self.values + Self.tensors).count >= 40) }

    /// Seeded mutations: whatever a file holds, reading it ends in a value or a `LoadError`.
    @Test func mutationsEndInTypedErrors() throws {
        let seeds = GGUFModelFixture.seeds
        var generator = SplitMix64(seed: 7)
        var accepted = 0
        let start = ContinuousClock().now
        let runs = 100_000
        for run in 0..<runs {
            let mutated = generator.mutate(seeds[run % seeds.count])
            do {
                let file = try GGUFFile(hostBytes(mutated), path: "f")
                accepted += 1
                for tensor in file.tensors {
                    precondition(
                        tensor.bytes.byteCount
                            == tensor.shape.elementCount / tensor.type.blockSize * tensor.type.blockByteCount)
                }
                let model = try GGUFModel(file)
                _ = model.checkpoint()
                _ = try model.generationConfiguration()
                let configuration = try model.configuration()
                guard configuration.keys.value("num_attention_heads") != nil else { continue }
                let geometry = try configuration.attentionGeometry()
                let rope = try configuration.rope(headSize: geometry.headSize)
                guard rope.rotarySize <= 4096 else { continue }
                precondition(rope.table(positions: 2).allSatisfy(\.isFinite), "\(rope)")
            } catch let error as LoadError {
                if error.description.isEmpty || error.description.contains("\n") {
                    Issue.record("\(error.description.debugDescription)")
                }
            }
        }
        #expect(accepted > 1000 && accepted < runs)
        let elapsed = ContinuousClock().now - start
        print("GGUF mutations: \(runs) in \(elapsed), \(accepted) accepted")
        #expect(elapsed < .seconds(30))
    }
}

/// Small whole models for mutation.
enum GGUFModelFixture {
    static let llama = GGUFBuilder(
        metadata: [
            ("general.architecture", .string("llama")), ("llama.block_count", .uint32(1)),
            ("llama.embedding_length", .uint32(8)), ("llama.feed_forward_length", .uint32(8)),
            ("llama.attention.head_count", .uint32(2)), ("llama.attention.head_count_kv", .int32s([1])),
            ("llama.context_length", .uint32(16)), ("llama.attention.layer_norm_rms_epsilon", .float32(1e-5)),
            ("llama.rope.freq_base", .float32(10_000)), ("llama.rope.dimension_count", .uint32(4)),
            ("tokenizer.ggml.tokens", .strings(["a", "b"])), ("tokenizer.ggml.eos_token_id", .uint32(1)),
        ],
        tensors: [
            .init("token_embd.weight", [8, 2], [Float](repeating: 0.5, count: 16)),
            .init("rope_freqs.weight", [2], [1, 8]),
            .init("blk.0.attn_q.weight", [32], type: 8, bytes: [UInt8](repeating: 3, count: 34)),
        ])

    static let yarn = GGUFBuilder(
        metadata: [
            ("general.architecture", .string("qwen2")), ("qwen2.block_count", .uint64(1)),
            ("qwen2.embedding_length", .uint16(8)), ("qwen2.feed_forward_length", .int32(8)),
            ("qwen2.attention.head_count", .uint8(2)), ("qwen2.context_length", .uint32(16)),
            ("qwen2.attention.layer_norm_rms_epsilon", .float64(1e-5)), ("qwen2.vocab_size", .uint32(2)),
            ("qwen2.rope.scaling.type", .string("yarn")), ("qwen2.rope.scaling.factor", .float32(4)),
            ("qwen2.rope.scaling.original_context_length", .uint32(8)),
        ])

    static let seeds = [llama.file, yarn.file]
}
