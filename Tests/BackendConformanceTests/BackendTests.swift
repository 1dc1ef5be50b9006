import TensorCore
import TestSupport
import Testing

@Suite("buffers, order and counters")
struct BackendTests {
    @Test("what is written is read back", arguments: [1, 3, 63, 64, 65, 4096, 100_003])
    func roundTrip(_ count: Int) {
        var random = SplitMix64(name: "round trip \(count)")
        let values = random.floats(count)
        onEveryDevice("round trip of \(count)") { backend, expectations in
            let tensor = try backend.makeTensor(values, [count])
            let found = try backend.readFloats(tensor)
            expectations.expect(found == values, "values differ")
        }
    }

    @Test("reading strided rows packs them", arguments: DType.allCases)
    func stridedRead(_ dtype: DType) {
        onEveryDevice("strided read of \(dtype.rawValue)") { backend, expectations in
            let bytes = (0..<7 * 5 * dtype.byteCount).map { UInt8(truncatingIfNeeded: $0 * 7 + 1) }
            let tensor = try GuardedTensor(on: backend, dtype, [7, 5], bytes: bytes, gap: 3)
            var found = [UInt8](repeating: 0, count: bytes.count)
            try found.withUnsafeMutableBytes { try backend.read(tensor.tensor, into: $0) }
            expectations.expect(found == bytes, "rows differ")
            let middle = tensor.tensor.rows(2..<5).columns(1..<4)
            var part = [UInt8](repeating: 0, count: middle.byteCount)
            try part.withUnsafeMutableBytes { try backend.read(middle, into: $0) }
            let size = dtype.byteCount
            var wanted: [UInt8] = []
            for row in 2..<5 { wanted += bytes[(row * 5 + 1) * size..<(row * 5 + 4) * size] }
            expectations.expect(part == wanted, "a range of rows and columns differs")
        }
    }

    @Test("several tensors are read with one wait")
    func readsTogether() {
        onEveryDevice("reading together") { backend, expectations in
            let bytes = (0..<60).map { UInt8($0 + 1) }
            let strided = try GuardedTensor(on: backend, .float32, [3, 5], bytes: bytes, gap: 2)
            let packed = try backend.makeTensor([Int32(7), 8, 9], [3])
            let nothing = try backend.makeTensor(.int32, [0])
            var (first, second, none) = ([UInt8](repeating: 0, count: 60), [Int32](repeating: 0, count: 3), [Int32]())
            func read(_ count: Int) throws {
                try first.withUnsafeMutableBytes { one in
                    try second.withUnsafeMutableBytes { two in
                        try none.withUnsafeMutableBytes { three in
                            try backend.read([
                                HostTransfer(strided.tensor, into: one),
                                HostTransfer(
                                    packed, into: UnsafeMutableRawBufferPointer(rebasing: two.prefix(count))),
                                HostTransfer(nothing, into: three),
                            ])
                        }
                    }
                }
            }
            try expectations.refuses(backend, "reading into too few bytes") { try read(8) }
            expectations.expect(first.allSatisfy { $0 == 0 }, "a refused read copied something")
            let before = backend.counters
            try read(12)
            expectations.expect(first == bytes && second == [7, 8, 9], "\(first) and \(second)")
            let after = backend.counters
            expectations.expect(after.synchronizations - before.synchronizations == 1, "it waited more than once")
            expectations.expect(after.bytesRead - before.bytesRead == 72, "bytes read are not 72")
            let (values, indices) = try backend.readTopK(
                values: strided.tensor.columns(1..<3), indices: packed.reshaped([3, 1]))
            expectations.expect(values.count == 6 && indices == [7, 8, 9], "\(values) and \(indices)")
        }
    }

    @Test("writing a part leaves the rest", arguments: [0, 1, 5])
    func partialWrite(_ first: Int) {
        onEveryDevice("write of rows from \(first)") { backend, expectations in
            let tensor = try GuardedTensor(on: backend, [Float](repeating: 1, count: 24), [8, 3])
            let rows = tensor.tensor.rows(first..<first + 2)
            try [Float](repeating: 2, count: 6).withUnsafeBytes { try backend.write($0, to: rows) }
            let expected = (0..<24).map { (first..<first + 2).contains($0 / 3) ? 2.0 : 1.0 }
            try expectations.close(tensor, Matrix(rows: 8, columns: 3, values: expected), bound: 0)
        }
    }

    @Test("a write lies between the ops enqueued before and after it")
    func writeOrder() {
        onEveryDevice("write between ops") { backend, expectations in
            let x = try GuardedTensor(on: backend, [Float](repeating: 1, count: 4096), [1, 4096])
            let first = try GuardedTensor(on: backend, .float32, [1, 4096])
            let second = try GuardedTensor(on: backend, .float32, [1, 4096])
            try backend.activate(x.tensor, .relu, into: first.tensor)
            var bytes = [Float](repeating: 3, count: 4096)
            try bytes.withUnsafeBytes { try backend.write($0, to: x.tensor) }
            // The host's bytes may be reused as soon as `write` returns.
            bytes.withUnsafeMutableBytes { _ = $0.initializeMemory(as: UInt8.self, repeating: 0xff) }
            try backend.activate(x.tensor, .relu, into: second.tensor)
            try expectations.close(
                first, Matrix(rows: 1, columns: 4096, values: .init(repeating: 1, count: 4096)), bound: 0, "before")
            try expectations.close(
                second, Matrix(rows: 1, columns: 4096, values: .init(repeating: 3, count: 4096)), bound: 0, "after")
        }
    }

    @Test("ops run in the order they were enqueued")
    func opOrder() {
        var random = SplitMix64(name: "order")
        let x = random.floats(3 * 200)
        let weight = [Float](repeating: 1, count: 200)
        var expected = Matrix(rows: 3, columns: 200, floats: x)
        for _ in 0..<20 {
            expected = Reference.rmsNorm(
                Reference.activate(expected, .geluErf), weight: weight, epsilon: 1e-5)
        }
        let wanted = expected
        onEveryDevice("twenty dependent ops") { backend, expectations in
            let a = try GuardedTensor(on: backend, x, [3, 200])
            let b = try GuardedTensor(on: backend, .float32, [3, 200])
            let weightTensor = try backend.makeTensor(weight, [200])
            for _ in 0..<20 {
                try backend.activate(a.tensor, .geluErf, into: b.tensor)
                try backend.rmsNorm(
                    b.tensor, residual: nil, sum: nil, weight: weightTensor, epsilon: 1e-5, into: a.tensor)
            }
            try expectations.close(a, wanted, bound: 1e-9)
        }
    }

    @Test("counters count exactly and the same twice")
    func counters() {
        onEveryDevice("counters") { backend, expectations in
            let x = try backend.makeTensor([Float](repeating: 1, count: 100), [1, 100])
            var launches: [Int] = []
            for _ in 0..<2 {
                let before = backend.counters
                for _ in 0..<3 { try backend.activate(x, .silu, into: x) }
                _ = try backend.readFloats(x)
                let after = backend.counters
                launches.append(after.launches - before.launches)
                expectations.expect(after.bytesRead - before.bytesRead == 400, "bytes read are not 400")
                expectations.expect(after.bytesWritten == before.bytesWritten, "an op wrote from the host")
                expectations.expect(after.allocations == before.allocations, "an op allocated")
            }
            expectations.expect(launches[0] == launches[1] && launches[0] >= 3, "launches are \(launches)")
        }
    }

    @Test("a profile names every op that ran")
    func profile() {
        onEveryDevice("profile") { backend, expectations in
            let x = try backend.makeTensor([Float](repeating: 1, count: 100), [1, 100])
            backend.setProfiling(true)
            for _ in 0..<3 { try backend.activate(x, .silu, into: x) }
            let entries = try backend.profile()
            backend.setProfiling(false)
            expectations.expect(entries.reduce(0) { $0 + $1.launches } >= 3, "profile is \(entries)")
            expectations.expect(entries.allSatisfy { $0.seconds >= 0 && !$0.kernel.isEmpty }, "profile is \(entries)")
        }
    }

    @Test("an allocation that no device can make is an error", arguments: [1 << 45, Int.max / 2])
    func outOfMemory(_ byteCount: Int) {
        onEveryDevice("buffer of \(byteCount) bytes") { backend, expectations in
            try expectations.refuses(backend, "a buffer of \(byteCount) bytes") {
                _ = try backend.makeBuffer(byteCount: byteCount)
            }
        }
    }

    @Test("an empty buffer can be made")
    func emptyBuffer() {
        onEveryDevice("empty buffer") { backend, expectations in
            let buffer = try backend.makeBuffer(byteCount: 0)
            expectations.expect(buffer.byteCount >= 0, "negative size")
        }
    }

    @Test("the summary is one line")
    func summary() {
        onEveryDevice("summary") { backend, expectations in
            let text = backend.summary
            expectations.expect(!text.isEmpty && !text.contains(where: \.isNewline), "summary is '\(text)'")
        }
    }
}
