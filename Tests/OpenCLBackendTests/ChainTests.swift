import OpenCLBackend
import TensorCore
import TestSupport
import Testing

/// Launches that one kernel runs, held against the same launches one by one.
@Suite struct ChainTests {
    private static let columns = 512
    private static let limits = ExecutionLimits(
        tokenCount: 4, sequenceCount: 1, contextLength: 64, featureCount: 1024, matmulInputCount: 512, headCount: 1,
        headSize: 64)

    /// `layers` times a norm, a gated product and a product that adds its input, with weights of both formats.
    private func run(_ backend: OpenCLBackend, _ formats: [WeightFormat], tokens: Int, layers: Int) throws -> [Float] {
        let columns = Self.columns
        try backend.reserve(Self.limits)
        var random = SplitMix64(name: "\(formats) \(tokens)")
        let up = PackedWeight(format: formats[0], partRows: [columns, columns], columns: columns, random: &random)
        let down = PackedWeight(format: formats[1], partRows: [columns], columns: columns, random: &random)
        let norm = try backend.makeTensor([Float](repeating: 0.5, count: columns), [columns])
        let x = try backend.makeTensor(random.floats(tokens * columns), [tokens, columns])
        let normed = try backend.makeTensor(.float32, [tokens, columns])
        let gated = try backend.makeTensor(.float32, [tokens, columns])
        let weights = try [up, down].map { try backend.prepare($0.source, precision: .automatic) }
        for _ in 0..<layers {
            try backend.rmsNorm(x, residual: nil, sum: nil, weight: norm, epsilon: 1e-5, into: normed)
            try backend.matmul(
                normed, weights[0], into: gated, epilogue: MatmulEpilogue(activation: .silu, isGated: true))
            try backend.matmul(gated, weights[1], into: x, epilogue: MatmulEpilogue(residual: x))
        }
        return try backend.readFloats(x)
    }

    @Test(
        "the same numbers as one by one", arguments: OpenCLDevices.all.filter { $0.kind == .cpu },
        [[WeightFormat.q4_0, .q8_0], [.q4_K, .int8], [.bfloat16, .float32], [.q5_0, .q6_K]])
    func same(_ device: OpenCLDevice, formats: [WeightFormat]) throws {
        var tuning = Tuning.forDevice(device, as: .cpu)
        guard tuning.chain != nil else { return }
        let chained = try OpenCLDevices.Variant(device: device, tuning: tuning).backend()
        tuning.chain = nil
        let single = try OpenCLDevices.Variant(device: device, tuning: tuning).backend()
        for tokens in [1, 3] {
            // Fewer than are worth a chain, several chains, and more than the longest holds.
            for layers in [1, 40, 500] {
                let found = try run(chained, formats, tokens: tokens, layers: layers)
                let wanted = try run(single, formats, tokens: tokens, layers: layers)
                #expect(chained.hasRunChains || layers == 1, "the chain did not compile")
                #expect(normalizedError(found, wanted.map(Double.init)) < 1e-9, "\(tokens) tokens, \(layers) layers")
            }
        }
        #expect(chained.counters.launches == single.counters.launches)
    }
}
