import TensorCore
import TestSupport
import Testing

/// Arguments that do not fit throw a `BackendError`, and nothing is enqueued.
@Suite("refusals")
struct RefusalTests {
    private func float(_ backend: any Backend, _ shape: Shape) throws -> GuardedTensor {
        try GuardedTensor(on: backend, [Float](repeating: 0.5, count: shape.elementCount), shape)
    }

    private func int(_ backend: any Backend, _ shape: Shape) throws -> GuardedTensor {
        try GuardedTensor(on: backend, [Int32](repeating: 0, count: shape.elementCount), shape)
    }

    @Test("matmul", arguments: WeightFormat.allCases)
    func matmul(_ format: WeightFormat) {
        let columns = format.fitting(8)
        var random = SplitMix64(name: "refused matmul")
        let even = PackedWeight(format: format, partRows: [6], columns: columns, random: &random)
        let odd = PackedWeight(format: format, partRows: [5], columns: columns, random: &random)
        onEveryDevice("refused matmul \(format.rawValue)") { backend, expectations in
            let weight = try backend.prepare(even.source)
            let oddWeight = try backend.prepare(odd.source)
            func refuse(
                _ what: String, x: Shape? = nil, _ weight: any Weight, output: Shape = [3, 6],
                bias: Shape? = nil, isGated: Bool = false, residual: Shape? = nil
            ) throws {
                let input = try float(backend, x ?? [3, columns])
                let out = try float(backend, output)
                let epilogue = MatmulEpilogue(
                    bias: try bias.map { try float(backend, $0).tensor }, isGated: isGated,
                    residual: try residual.map { try float(backend, $0).tensor })
                try expectations.refuses(backend, what, writing: [out]) {
                    try backend.matmul(input.tensor, weight, into: out.tensor, epilogue: epilogue)
                }
            }
            try refuse("x narrower than the weight", x: [3, columns - 1], weight)
            try refuse("x wider than the weight", x: [3, columns + 1], weight)
            try refuse("output of too few rows", weight, output: [2, 6])
            try refuse("output too narrow", weight, output: [3, 5])
            try refuse("output too wide", weight, output: [3, 7])
            try refuse("gated output of full width", weight, isGated: true)
            try refuse("gated weight of odd rows", oddWeight, output: [3, 2], isGated: true)
            try refuse("short bias", weight, bias: [5])
            try refuse("gated bias of half the rows", weight, output: [3, 3], bias: [3], isGated: true)
            try refuse("residual of other rows", weight, residual: [2, 6])
            try refuse("residual of other columns", weight, residual: [3, 5])
            let ints = try int(backend, [3, columns])
            let out = try float(backend, [3, 6])
            try expectations.refuses(backend, "int32 x", writing: [out]) {
                try backend.matmul(ints.tensor, weight, into: out.tensor, epilogue: .none)
            }
            let intOut = try int(backend, [3, 6])
            let input = try float(backend, [3, columns])
            try expectations.refuses(backend, "int32 output", writing: [intOut]) {
                try backend.matmul(input.tensor, weight, into: intOut.tensor, epilogue: .none)
            }
        }
    }

    @Test("matmul over the reserved limits")
    func limits() throws {
        var random = SplitMix64(name: "limits")
        let wide = PackedWeight(format: .float32, partRows: [4], columns: 65, random: &random)
        let narrow = PackedWeight(format: .float32, partRows: [4], columns: 8, random: &random)
        for device in ConformanceDevices.all {
            let expectations = Expectations(place: "\(device.name), limits", sourceLocation: #_sourceLocation)
            let backend = try device.makeFresh()
            try backend.reserve(
                ExecutionLimits(
                    tokenCount: 4, sequenceCount: 1, contextLength: 16, featureCount: 128, matmulInputCount: 64,
                    headCount: 2, headSize: 8))
            for (what, packed, tokens) in [("too many tokens", narrow, 5), ("too many features", wide, 4)] {
                let weight = try backend.prepare(packed.source)
                let x = try float(backend, [tokens, packed.source.columns])
                let out = try float(backend, [tokens, 4])
                do {
                    try backend.matmul(x.tensor, weight, into: out.tensor, epilogue: .none)
                    // A backend whose products need no scratch memory may have no limit; then the answer must be right.
                    let expected = Reference.matmul(
                        Matrix(
                            rows: tokens, columns: packed.source.columns,
                            values: .init(repeating: 0.5, count: tokens * packed.source.columns)), packed.values)
                    try expectations.close(out, expected, bound: 1e-9, what)
                } catch BackendError.limitExceeded {
                    try expectations.unchanged(out, what)
                }
            }
        }
    }

    @Test("norms")
    func norms() {
        onEveryDevice("refused norm") { backend, expectations in
            func refuse(
                _ what: String, residual: Shape? = nil, sum: Shape? = nil, weight: Shape = [8], bias: Shape? = nil,
                output: Shape = [3, 8]
            ) throws {
                let x = try float(backend, [3, 8])
                let out = try float(backend, output)
                let sumTensor = try sum.map { try float(backend, $0) }
                let residualTensor = try residual.map { try float(backend, $0).tensor }
                let scale = try float(backend, weight).tensor
                let biasTensor = try bias.map { try float(backend, $0).tensor }
                let outputs = [out] + (sumTensor.map { [$0] } ?? [])
                try expectations.refuses(backend, "layerNorm with \(what)", writing: outputs) {
                    try backend.layerNorm(
                        x.tensor, residual: residualTensor, sum: sumTensor?.tensor, weight: scale, bias: biasTensor,
                        epsilon: 1e-5, into: out.tensor)
                }
                guard bias == nil else { return }
                try expectations.refuses(backend, "rmsNorm with \(what)", writing: outputs) {
                    try backend.rmsNorm(
                        x.tensor, residual: residualTensor, sum: sumTensor?.tensor, weight: scale, epsilon: 1e-5,
                        into: out.tensor)
                }
            }
            let heads = try float(backend, [3, 8])
            let headWeight = try float(backend, [8]).tensor
            for headSize in [0, 3, -4, 16] {
                try expectations.refuses(backend, "heads of \(headSize)", writing: [heads]) {
                    try backend.rmsNormHeads(heads.tensor, headSize: headSize, weight: headWeight, epsilon: 1e-5)
                }
            }
            let oneHead = try float(backend, [4]).tensor
            try expectations.refuses(backend, "a weight of one head", writing: [heads]) {
                try backend.rmsNormHeads(heads.tensor, headSize: 4, weight: oneHead, epsilon: 1e-5)
            }
            try refuse("a short weight", weight: [7])
            try refuse("a long weight", weight: [9])
            try refuse("an output of other rows", output: [2, 8])
            try refuse("an output of other columns", output: [3, 7])
            try refuse("a residual of other columns", residual: [3, 9])
            try refuse("a residual of other rows", residual: [4, 8])
            try refuse("a sum of other rows", sum: [2, 8])
            try refuse("a sum of other columns", sum: [3, 4])
            try refuse("a short bias", bias: [7])
            let (x, out) = (try float(backend, [3, 8]), try float(backend, [3, 8]))
            for epsilon: Float in [-1e-5, .nan, .infinity] {
                try expectations.refuses(backend, "an epsilon of \(epsilon)", writing: [out]) {
                    try backend.rmsNorm(
                        x.tensor, residual: nil, sum: nil, weight: headWeight, epsilon: epsilon, into: out.tensor)
                }
            }
        }
    }

    @Test("activations and softmax")
    func rows() {
        onEveryDevice("refused rows") { backend, expectations in
            let x = try float(backend, [3, 8])
            for shape: Shape in [[2, 8], [3, 7], [4, 8], [3, 9]] {
                let out = try float(backend, shape)
                try expectations.refuses(backend, "activate into \(shape)", writing: [out]) {
                    try backend.activate(x.tensor, .silu, into: out.tensor)
                }
                try expectations.refuses(backend, "softCap into \(shape)", writing: [out]) {
                    try backend.softCap(x.tensor, cap: 1, into: out.tensor)
                }
                try expectations.refuses(backend, "multiply into \(shape)", writing: [out]) {
                    try backend.multiply(x.tensor, x.tensor, into: out.tensor)
                }
                try expectations.refuses(backend, "softmax into \(shape)", writing: [out]) {
                    try backend.softmax(x.tensor, scale: 1, into: out.tensor)
                }
            }
            let good = try float(backend, [3, 8])
            for cap: Float in [0, -1, .nan, .infinity] {
                try expectations.refuses(backend, "a cap of \(cap)", writing: [good]) {
                    try backend.softCap(x.tensor, cap: cap, into: good.tensor)
                }
            }
            let ints = try int(backend, [3, 8])
            try expectations.refuses(backend, "activate into int32", writing: [ints]) {
                try backend.activate(x.tensor, .silu, into: ints.tensor)
            }
            try expectations.refuses(backend, "softmax into int32", writing: [ints]) {
                try backend.softmax(x.tensor, scale: 1, into: ints.tensor)
            }
        }
    }

    @Test("rope")
    func rope() {
        onEveryDevice("refused rope") { backend, expectations in
            func refuse(
                _ what: String, x: Shape = [3, 16], headSize: Int = 8, table: Shape = [10, 2, 4],
                positions: Shape = [3],
                rotarySize: Int = 8
            ) throws {
                let tensor = try float(backend, x)
                let arguments = RopeArguments(
                    table: try float(backend, table).tensor, positions: try int(backend, positions).tensor,
                    rotarySize: rotarySize, layout: .halfSplit)
                try expectations.refuses(backend, "rope with \(what)", writing: [tensor]) {
                    try backend.rope(tensor.tensor, headSize: headSize, arguments)
                }
            }
            try refuse("columns that are no whole number of heads", x: [3, 15])
            try refuse("too few positions", positions: [2])
            try refuse("a table of another width", table: [10, 2, 3])
            try refuse("an odd rotary size", table: [10, 2, 3], rotarySize: 7)
            try refuse("a rotary size over the head's", table: [10, 2, 5], rotarySize: 10)
            try refuse("a head size of zero", headSize: 0, table: [10, 2, 0], rotarySize: 0)
        }
    }

    @Test("embed and gatherRows")
    func embedding() {
        var random = SplitMix64(name: "refused embed")
        let table = PackedWeight(format: .float32, partRows: [6], columns: 8, random: &random)
        onEveryDevice("refused embed") { backend, expectations in
            let weight = try backend.prepare(table.source)
            let ids = try int(backend, [3])
            let x = try float(backend, [5, 8])
            for shape: Shape in [[3, 7], [2, 8], [3, 9], [4, 8]] {
                let out = try float(backend, shape)
                try expectations.refuses(backend, "embed into \(shape)", writing: [out]) {
                    try backend.embed(ids.tensor, weight, accumulate: false, into: out.tensor)
                }
                try expectations.refuses(backend, "gatherRows into \(shape)", writing: [out]) {
                    try backend.gatherRows(x.tensor, rows: ids.tensor, into: out.tensor)
                }
            }
            let wrong = try float(backend, [3])
            let out = try float(backend, [3, 8])
            try expectations.refuses(backend, "embed of float32 ids", writing: [out]) {
                try backend.embed(wrong.tensor, weight, accumulate: false, into: out.tensor)
            }
            try expectations.refuses(backend, "gatherRows of float32 rows", writing: [out]) {
                try backend.gatherRows(x.tensor, rows: wrong.tensor, into: out.tensor)
            }
        }
    }

    @Test("selection")
    func selection() {
        onEveryDevice("refused selection") { backend, expectations in
            let x = try float(backend, [3, 300])
            let wrongCount = try int(backend, [2])
            try expectations.refuses(backend, "argmax into too few", writing: [wrongCount]) {
                try backend.argmax(x.tensor, into: wrongCount.tensor)
            }
            let wrongType = try float(backend, [3])
            try expectations.refuses(backend, "argmax into float32", writing: [wrongType]) {
                try backend.argmax(x.tensor, into: wrongType.tensor)
            }
            func refuse(_ what: String, x: Shape = [3, 300], count: Int, values: Shape, indices: Shape) throws {
                let input = try float(backend, x)
                let (out, chosen) = (try float(backend, values), try int(backend, indices))
                try expectations.refuses(backend, "topK with \(what)", writing: [out, chosen]) {
                    try backend.topK(input.tensor, count: count, values: out.tensor, indices: chosen.tensor)
                }
            }
            let over = backend.capabilities.maxTopK + 1
            try refuse("more than the columns", x: [3, 4], count: 5, values: [3, 5], indices: [3, 5])
            try refuse("more than maxTopK", x: [1, over], count: over, values: [1, over], indices: [1, over])
            try refuse("a count of 0", count: 0, values: [3, 1], indices: [3, 1])
            try refuse("a negative count", count: -1, values: [3, 1], indices: [3, 1])
            try refuse("narrow values", count: 4, values: [3, 3], indices: [3, 4])
            try refuse("narrow indices", count: 4, values: [3, 4], indices: [3, 3])
            try refuse("too few rows of values", count: 4, values: [2, 4], indices: [3, 4])
        }
    }
}
