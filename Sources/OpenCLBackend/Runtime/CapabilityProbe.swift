internal import COpenCL
internal import TensorCore

/// A capability beyond OpenCL C 1.2, the baseline of every kernel.
public enum Capability: String, Sendable, Hashable, CaseIterable {
    case halfArithmetic = "fp16 arithmetic"
    case subgroups = "subgroups"
    case integerDotProduct = "int8 dot product"
    case inlinePTX = "inline PTX"
    case integerDotAssembly = "int8 dot product in x86 assembly"
    case bfloat16DotAssembly = "BF16 dot product in x86 assembly"

    /// Whether the device claims it. Only then it is tried, since some compilers end the process at what they do not
    /// know.
    func isOffered(by device: OpenCLDevice) -> Bool {
        switch self {
        case .halfArithmetic: device.extensions.contains("cl_khr_fp16")
        case .subgroups: device.extensions.contains { $0 == "cl_khr_subgroups" || $0 == "cl_intel_subgroups" }
        case .integerDotProduct: device.extensions.contains("cl_khr_integer_dot_product")
        case .inlinePTX: device.extensions.contains("cl_nv_compiler_options")
        case .integerDotAssembly: runsOnThisProcessor(device) && ocl_host_has_avx2()
        case .bfloat16DotAssembly: runsOnThisProcessor(device) && ocl_host_has_avx512_bf16()
        }
    }

    /// PoCL compiles for the processor it runs on, with a compiler that takes assembly. An instruction that this
    /// compiler does not know would end the process.
    private func runsOnThisProcessor(_ device: OpenCLDevice) -> Bool {
        device.kind == .cpu && device.platformName == "Portable Computing Language" && device.version.contains("x86_64")
    }
}

/// The outcome of a capability's numerical self-test.
public enum CapabilityResult: Sendable, Hashable, CustomStringConvertible {
    /// The device does not claim it.
    case notOffered
    /// It computed the expected numbers.
    case passed
    /// It is claimed, but does not compile or computes other numbers; no variant may use it.
    case failed(reason: String)

    public var description: String {
        switch self {
        case .notOffered: "not offered"
        case .passed: "passed its self-test"
        case .failed(let reason): "failed its self-test: \(reason)"
        }
    }
}

extension ProgramDescriptor {
    fileprivate static func probe(_ file: String, _ language: String = "CL3.0") -> ProgramDescriptor {
        ProgramDescriptor("probe_\(file)", sources: ["probe/\(file).cl"], language: language)
    }

    fileprivate static func dotProbe(_ file: String, _ variant: DotVariant) -> ProgramDescriptor {
        ProgramDescriptor("probe_\(file)", sources: ["common/dot.cl", "probe/\(file).cl"]) { _ in
            [("DOT_VARIANT", variant.rawValue)]
        }
    }
}

extension KernelDescriptor {
    private static let pair: [ArgumentKind] = [.tensor, .tensor, .tensor]
    fileprivate static let probeHalf = KernelDescriptor(
        .probe("half_arithmetic", "CL1.2"), "probe_half_arithmetic", [.tensor, .tensor])
    fileprivate static let probeSubgroups = KernelDescriptor(.probe("subgroup_sum"), "probe_subgroup_sum", pair)
    fileprivate static let probeDot = KernelDescriptor(.probe("integer_dot"), "probe_integer_dot", pair)
    private static let sumOfPair: [ArgumentKind] = [.tensor, .tensor, .tensor, .tensor]
    fileprivate static let probeIntegerAssembly = KernelDescriptor(
        .dotProbe("dot_i8", .ofIntegers), "probe_dot_i8", sumOfPair)
    fileprivate static let probeBFloat16Assembly = KernelDescriptor(
        .dotProbe("dot_bf16", .avx512), "probe_dot_bf16", sumOfPair)
    fileprivate static let probePTX = KernelDescriptor(.probe("inline_ptx", "CL1.2"), "probe_inline_ptx", pair)
}

extension OpenCLBackend {
    private static let probeCount = 64

    /// Tries one capability with a small kernel whose numbers are checked. Blocks.
    public func probe(_ capability: Capability) -> CapabilityResult {
        guard capability.isOffered(by: device) else { return .notOffered }
        do {
            switch capability {
            case .halfArithmetic: return try probeHalf()
            case .subgroups: return try probeSubgroups()
            case .integerDotProduct: return try probeDot(.probeDot)
            case .inlinePTX: return try probeDot(.probePTX)
            case .integerDotAssembly: return try probeIntegerAssembly()
            case .bfloat16DotAssembly: return try probeBFloat16Assembly()
            }
        } catch {
            return .failed(reason: "\(error)")
        }
    }

    /// `passed` where the numbers are equal, else the first difference.
    package static func compare<Number: Equatable>(_ found: [Number], _ expected: [Number]) -> CapabilityResult {
        guard found.count == expected.count else {
            return .failed(reason: "\(found.count) of \(expected.count) numbers")
        }
        guard let index = found.indices.first(where: { found[$0] != expected[$0] }) else { return .passed }
        return .failed(reason: "number \(index) is \(found[index]), expected \(expected[index])")
    }

    private func probeHalf() throws -> CapabilityResult {
        let count = OpenCLBackend.probeCount
        // Numbers whose squares fit a half exactly, then numbers that must be rounded to a half.
        let values = (0..<count).map { Float($0 < 32 ? $0 : 2048 + $0) }
        let x = try makeTensor(values, [count])
        let out = try makeTensor(.float32, [count])
        try launch(.probeHalf, LaunchRange(count, local: count), x, out, cost: LaunchCost(bytes: 0, flops: 0))
        let expected = values.map { $0 < 32 ? $0 * $0 + 0.5 : nearestEven($0) }
        return OpenCLBackend.compare(try readFloats(out), expected)
    }

    /// Numbers from 2048 to 4096 as a half holds them: 11 bits, ties to even.
    private func nearestEven(_ value: Float) -> Float { (value / 2).rounded(.toNearestOrEven) * 2 }

    private func probeSubgroups() throws -> CapabilityResult {
        let count = OpenCLBackend.probeCount
        let values = (0..<Int32(count)).map { $0 * $0 - 7 }
        let x = try makeTensor(values, [count])
        let (sums, groups) = (try makeTensor(.int32, [count]), try makeTensor(.int32, [count]))
        try launch(
            .probeSubgroups, LaunchRange(count, local: count), x, sums, groups, cost: LaunchCost(bytes: 0, flops: 0))
        let numbers = try readInt32s(groups)
        let expected = numbers.map { group in
            zip(numbers, values).reduce(Int32(0)) { $1.0 == group ? $0 + $1.1 : $0 }
        }
        return OpenCLBackend.compare(try readInt32s(sums), expected)
    }

    private func probeDot(_ kernel: KernelDescriptor) throws -> CapabilityResult {
        let count = OpenCLBackend.probeCount
        let bytes = (0..<count * 8).map { Int8(truncatingIfNeeded: $0 * 37 - 128) }
        func words(_ start: Int) -> [Int32] {
            (0..<count).map { word in
                var packed: UInt32 = 0
                for byte in 0..<4 {
                    packed |= UInt32(UInt8(bitPattern: bytes[start + word * 4 + byte])) << UInt32(8 * byte)
                }
                return Int32(bitPattern: packed)
            }
        }
        let a = try makeTensor(words(0), [count])
        let b = try makeTensor(words(count * 4), [count])
        let out = try makeTensor(.int32, [count])
        try launch(kernel, LaunchRange(count, local: count), a, b, out, cost: LaunchCost(bytes: 0, flops: 0))
        let expected = (0..<count).map { word in
            var sum: Int32 = 0
            for byte in word * 4..<word * 4 + 4 { sum += Int32(bytes[byte]) * Int32(bytes[count * 4 + byte]) }
            return sum
        }
        return OpenCLBackend.compare(try readInt32s(out), expected)
    }

    private func probeIntegerAssembly() throws -> CapabilityResult {
        let count = OpenCLBackend.probeCount
        // Every word has bytes of all sizes, among them 255 unsigned and -128 signed.
        let a = (0..<count * 4).map { UInt8(truncatingIfNeeded: 255 &- $0 &* 29) }
        let b = (0..<count * 4).map { Int8(truncatingIfNeeded: $0 &* 41 &- 128) }
        let sums = (0..<Int32(count)).map { $0 * 1_000_003 - 7 }
        let found = try probeDotLanes(.probeIntegerAssembly, sums: try makeTensor(sums, [count]), packed(a, b), .int32)
        let expected = (0..<count).map { word in
            (word * 4..<word * 4 + 4).reduce(sums[word]) { $0 + Int32(a[$1]) * Int32(b[$1]) }
        }
        return OpenCLBackend.compare(try readInt32s(found), expected)
    }

    private func packed(_ a: [UInt8], _ b: [Int8]) -> (a: [Int32], b: [Int32]) {
        func words(_ bytes: [UInt8]) -> [Int32] {
            stride(from: 0, to: bytes.count, by: 4).map { start in
                let word = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
                return Int32(bitPattern: word)
            }
        }
        return (words(a), words(b.map { UInt8(bitPattern: $0) }))
    }

    private func probeBFloat16Assembly() throws -> CapabilityResult {
        let count = OpenCLBackend.probeCount
        // Small integers and their sums are exact.
        let a = (0..<count * 2).map { Float($0 % 17 - 8) }
        let b = (0..<count * 2).map { Float($0 % 23 - 11) / 4 }
        let sums = (0..<count).map { Float($0) - 31.5 }
        func words(_ values: [Float]) -> [Int32] {
            stride(from: 0, to: values.count, by: 2).map { start in
                let (low, high) = (values[start].bitPattern >> 16, values[start + 1].bitPattern)
                return Int32(bitPattern: low | high & 0xffff_0000)
            }
        }
        let found = try probeDotLanes(
            .probeBFloat16Assembly, sums: try makeTensor(sums, [count]), (words(a), words(b)), .float32)
        var expected = sums
        for index in a.indices { expected[index / 2] += a[index] * b[index] }
        return OpenCLBackend.compare(try readFloats(found), expected)
    }

    private func probeDotLanes(
        _ kernel: KernelDescriptor, sums: Tensor, _ words: (a: [Int32], b: [Int32]), _ dtype: DType
    ) throws -> Tensor {
        let count = OpenCLBackend.probeCount
        let (a, b) = (try makeTensor(words.a, [count]), try makeTensor(words.b, [count]))
        let out = try makeTensor(dtype, [count])
        try launch(kernel, LaunchRange(count / 16, local: 1), sums, a, b, out, cost: LaunchCost(bytes: 0, flops: 0))
        return out
    }
}
