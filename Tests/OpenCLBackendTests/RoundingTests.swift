import OpenCLBackend
import TensorCore
import TestSupport
import Testing

/// When products round their activations, seen from how exact they are.
@Suite struct RoundingTests {
    private static let formats: [WeightFormat] = [.bfloat16, .int8, .q8_0, .q4_K]
    private static let limits = ExecutionLimits(
        tokenCount: 64, sequenceCount: 1, contextLength: 64, featureCount: 1024, matmulInputCount: 512, headCount: 1,
        headSize: 64)

    private func reserved(_ variant: OpenCLDevices.Variant) throws -> OpenCLBackend {
        let backend = try variant.backend()
        try backend.reserve(Self.limits)
        return backend
    }

    /// The NMSE of a product of `tokens` tokens.
    private func error(
        _ backend: OpenCLBackend, _ format: WeightFormat, rows: Int, tokens: Int, precision: MatmulPrecision
    ) throws -> Double {
        var random = SplitMix64(name: "\(format) \(rows) \(tokens)")
        let weight = PackedWeight(format: format, partRows: [rows], columns: 512, random: &random)
        let x = random.floats(tokens * 512)
        let output = try backend.makeTensor(.float32, [tokens, rows])
        let prepared = try backend.prepare(weight.source, precision: precision)
        try backend.matmul(try backend.makeTensor(x, [tokens, 512]), prepared, into: output, epilogue: .none)
        let expected = Reference.matmul(
            Matrix(rows: tokens, columns: 512, floats: x), weight.values,
            epilogue: .init(bias: nil, activation: nil, isGated: false, residual: nil))
        return normalizedError(try backend.readFloats(output), expected.values)
    }

    @Test("rounded where allowed and the device has the instruction", arguments: OpenCLDevices.variants, formats)
    func allowed(_ variant: OpenCLDevices.Variant, format: WeightFormat) throws {
        let backend = try reserved(variant)
        let instruction = format == .bfloat16 ? Capability.bfloat16DotAssembly : .integerDotAssembly
        let isFast = variant.tuning.matmul.variant == .registers && backend.probe(instruction) == .passed
        for tokens in [2, 20] {
            func error(_ precision: MatmulPrecision, rows: Int = 512) throws -> Double {
                try self.error(backend, format, rows: rows, tokens: tokens, precision: precision)
            }
            #expect(try error(.highest) < 1e-9)
            // Fewer weights than are worth it.
            let small = MatmulPrecision.automatic.forLayer(weightCount: 511 * 512)
            #expect(try error(small, rows: 511) < 1e-9)
            // Few tokens gain nothing from BF16 activations.
            let isRounded = isFast && (format != .bfloat16 || tokens == 20)
            for precision in [MatmulPrecision.automatic, .high, .medium] {
                let found = try error(precision)
                #expect(isRounded ? found > 1e-8 && found < 3e-4 : found < 1e-9, "\(precision): \(found)")
            }
        }
    }

    @Test("more tokens than were reserved are refused", arguments: OpenCLDevices.all)
    func limit(_ device: OpenCLDevice) throws {
        var tuning = Tuning.forDevice(device, as: .cpu)
        tuning.matmul.usesPortableDots = true
        let backend = try reserved(OpenCLDevices.Variant(device: device, tuning: tuning))
        #expect(try error(backend, .q8_0, rows: 32, tokens: 64, precision: .medium) < 3e-4)
        let launches = backend.counters.launches
        #expect(throws: BackendError.self) {
            try self.error(backend, .q8_0, rows: 32, tokens: 65, precision: .medium)
        }
        #expect(backend.counters.launches == launches)
        // What was reserved stays.
        var fewer = Self.limits
        fewer.tokenCount = 1
        try backend.reserve(fewer)
        #expect(try error(backend, .q8_0, rows: 32, tokens: 64, precision: .medium) < 3e-4)
    }
}
