import OpenCLBackend
import Synchronization
import TensorCore
import TestSupport
import Testing

/// What becomes of a weight's rows once they are packed in blocks for products.
@Suite struct RowBlocksTests {
    /// Memory that could be read from a file again, and the bytes of it that were let go.
    private final class Mapped: HostMemory {
        let bytes: HostBytes
        let discardedByteCount = Mutex(0)
        let isBackedByFile = true

        init(_ bytes: HostBytes) { self.bytes = bytes }

        func discard(_ bytes: UnsafeRawBufferPointer) { discardedByteCount.withLock { $0 += bytes.count } }
    }

    private func backend(_ device: OpenCLDevice) throws -> OpenCLBackend {
        var tuning = Tuning.forDevice(device, as: .cpu)
        tuning.matmul.usesPortableDots = true
        let backend = try OpenCLDevices.Variant(device: device, tuning: tuning).backend()
        try backend.reserve(
            ExecutionLimits(
                tokenCount: 8, sequenceCount: 1, contextLength: 8, featureCount: 64, matmulInputCount: 64, headCount: 1,
                headSize: 64))
        return backend
    }

    private func weight(rows: Int) -> PackedWeight {
        var random = SplitMix64(name: "row blocks \(rows)")
        return PackedWeight(format: .q4_0, partRows: [rows], columns: 64, random: &random)
    }

    /// The NMSE of a product of two tokens.
    private func multiply(
        _ backend: OpenCLBackend, _ prepared: any Weight, _ weight: PackedWeight, isGated: Bool = false
    ) throws -> Double {
        var random = SplitMix64(name: "tokens")
        let x = random.floats(2 * 64)
        let output = try backend.makeTensor(.float32, [2, isGated ? prepared.rows / 2 : prepared.rows])
        try backend.matmul(
            try backend.makeTensor(x, [2, 64]), prepared, into: output,
            epilogue: MatmulEpilogue(activation: isGated ? .silu : nil, isGated: isGated))
        let expected = Reference.matmul(
            Matrix(rows: 2, columns: 64, floats: x), weight.values,
            epilogue: .init(bias: nil, activation: isGated ? .silu : nil, isGated: isGated, residual: nil))
        return normalizedError(try backend.readFloats(output), expected.values)
    }

    private func lookUp(_ backend: OpenCLBackend, _ prepared: any Weight, _ weight: PackedWeight) throws -> Double {
        let ids: [Int32] = [0, 17, Int32(prepared.rows - 1)]
        let output = try backend.makeTensor(.float32, [ids.count, 64])
        try backend.embed(try backend.makeTensor(ids, [ids.count]), prepared, accumulate: false, into: output)
        let expected = ids.flatMap { Array(weight.values.values[Int($0) * 64..<(Int($0) + 1) * 64]) }
        return normalizedError(try backend.readFloats(output), expected)
    }

    @Test("rows in memory go with the first product, unless they were looked up", arguments: OpenCLDevices.all)
    func memory(_ device: OpenCLDevice) throws {
        let (backend, weight) = (try backend(device), weight(rows: 40))
        let multiplied = try backend.prepare(weight.source, precision: .medium)
        #expect(try multiply(backend, multiplied, weight) < 1e-3)
        let error = #expect(throws: BackendError.self) { try self.lookUp(backend, multiplied, weight) }
        #expect("\(try #require(error))".contains("was packed for products"))

        let lookedUp = try backend.prepare(weight.source, precision: .medium)
        for _ in 0..<2 {
            #expect(try lookUp(backend, lookedUp, weight) < 1e-12)
            let found = try multiply(backend, lookedUp, weight)
            #expect(found > 1e-8 && found < 1e-3, "\(found)")
        }
    }

    @Test("pages of a file go and come back", arguments: OpenCLDevices.all.filter(\.sharesHostMemory))
    func file(_ device: OpenCLDevice) throws {
        let (backend, weight) = (try backend(device), weight(rows: 40))
        let part = weight.source.parts[0]
        let mapped = Mapped(part.bytes)
        let source = WeightSource(
            name: "mapped", format: weight.source.format, columns: weight.source.columns,
            parts: [WeightPart(rows: part.rows, bytes: HostBytes(owner: mapped, pointer: part.bytes.pointer))])
        let prepared = try backend.prepare(source, precision: .medium)
        #expect(mapped.discardedByteCount.withLock { $0 } == 0)
        #expect(try multiply(backend, prepared, weight) < 1e-3)
        #expect(mapped.discardedByteCount.withLock { $0 } == part.bytes.byteCount)
        #expect(try lookUp(backend, prepared, weight) < 1e-12)
    }

    @Test("gated halves that share a block are multiplied as they are", arguments: OpenCLDevices.all)
    func gated(_ device: OpenCLDevice) throws {
        let backend = try backend(device)
        let (whole, shared) = (weight(rows: 64), weight(rows: 48))
        let rounded = try multiply(
            backend, try backend.prepare(whole.source, precision: .medium), whole, isGated: true)
        #expect(rounded > 1e-8 && rounded < 1e-3, "\(rounded)")
        let prepared = try backend.prepare(shared.source, precision: .medium)
        #expect(try multiply(backend, prepared, shared, isGated: true) < 1e-9)
        // As one matrix it is packed, and then its rows are gone.
        #expect(try multiply(backend, prepared, shared) < 1e-3)
        #expect(throws: BackendError.self) { try multiply(backend, prepared, shared, isGated: true) }
    }
}
