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

    /// `layers` times a LayerNorm, a router's choice of two of six experts, their products and their sum.
    private func runExperts(_ backend: OpenCLBackend, _ format: WeightFormat, layers: Int) throws -> [Float] {
        let (tokens, columns, inner, count, taken) = (1, Self.columns, 256, 6, 2)
        var limits = Self.limits
        (limits.expertFeatureCount, limits.expertsPerToken) = (columns, taken)
        try backend.reserve(limits)
        var random = SplitMix64(name: "experts \(format)")
        func experts(_ partRows: [Int], _ columns: Int) throws -> any IndexedWeights {
            try backend.prepareIndexed(
                (0..<count).map { _ in
                    PackedWeight(format: format, partRows: partRows, columns: columns, random: &random).source
                }, precision: .medium)
        }
        let gateUp = try experts([inner, inner], columns)
        let down = try experts([columns], inner)
        let router = PackedWeight(format: .float32, partRows: [count], columns: columns, random: &random)
        let routing = try backend.prepare(router.source, precision: .highest)
        let norm = try backend.makeTensor([Float](repeating: 0.5, count: columns), [columns])
        let x = try backend.makeTensor(random.floats(tokens * columns), [tokens, columns])
        let normed = try backend.makeTensor(.float32, [tokens, columns])
        let logits = try backend.makeTensor(.float32, [tokens, count])
        let weights = try backend.makeTensor(.float32, [tokens, taken])
        let ids = try backend.makeTensor(.int32, [tokens, taken])
        let gated = try backend.makeTensor(.float32, [tokens * taken, inner])
        let outputs = try backend.makeTensor(.float32, [tokens * taken, columns])
        for _ in 0..<layers {
            try backend.layerNorm(
                x, residual: nil, sum: nil, weight: norm, bias: nil, epsilon: 1e-5, into: normed)
            try backend.matmul(normed, routing, into: logits, epilogue: .none)
            try backend.topK(logits, count: taken, values: weights, indices: ids)
            try backend.softmax(weights, scale: 1, into: weights)
            try backend.matmulIndexed(
                normed, gateUp, indices: ids, activation: .silu, isGated: true, into: gated)
            try backend.matmulIndexed(gated, down, indices: ids, activation: nil, isGated: false, into: outputs)
            try backend.combineExperts(outputs, weights: weights, residual: x, into: x)
        }
        return try backend.readFloats(x)
    }

    @Test(
        "experts and LayerNorm too", arguments: OpenCLDevices.all.filter { $0.kind == .cpu },
        [WeightFormat.q4_0, .q4_K, .int8, .float32])
    func experts(_ device: OpenCLDevice, format: WeightFormat) throws {
        var tuning = Tuning.forDevice(device, as: .cpu)
        guard tuning.chain != nil else { return }
        let chained = try OpenCLDevices.Variant(device: device, tuning: tuning).backend()
        tuning.chain = nil
        let single = try OpenCLDevices.Variant(device: device, tuning: tuning).backend()
        let found = try runExperts(chained, format, layers: 30)
        let wanted = try runExperts(single, format, layers: 30)
        #expect(chained.hasRunChains, "the chain did not compile")
        #expect(normalizedError(found, wanted.map(Double.init)) < 1e-9)
        #expect(chained.counters.launches == single.counters.launches)
    }
}
