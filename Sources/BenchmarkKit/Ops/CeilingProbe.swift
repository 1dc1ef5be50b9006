import CommandSupport
package import Devices
import Foundation
import Inference
package import TensorCore

/// Measures a device's ceilings before anything is held against them.
package struct CeilingProbe {
    private let device: SelectedDevice
    private let threadCount: Int
    private let formats: [WeightFormat]
    private let byteCount = CacheSize.rotationByteCount
    private let timing = OpTiming(budgetSeconds: 0.25, runSeconds: 0.002)
    /// Of the matrix products: tokens, outputs, inputs.
    private let product = (tokens: 512, rows: 2048, columns: 2048)

    /// - Parameters:
    ///   - threadCount: what the device was made with; `nil`: one a core.
    ///   - formats: whose products are measured; FP32 is in any case.
    package init(_ device: SelectedDevice, threadCount: Int?, formats: [WeightFormat] = [.float32]) {
        self.device = device
        self.threadCount = threadCount ?? ProcessInfo.processInfo.activeProcessorCount
        self.formats = formats.contains(.float32) ? formats : [.float32] + formats
    }

    private var backend: any Backend { device.backend }

    /// Takes a few seconds. Blocks.
    /// - Throws: `BackendError`.
    package func measure() throws -> Ceilings {
        try backend.reserve(
            ExecutionLimits(
                tokenCount: product.tokens, sequenceCount: 1, contextLength: 1, featureCount: product.rows,
                matmulInputCount: product.columns, headCount: 1, headSize: 64))
        var read = [try matrixVectorRate(), try argmaxRate()]
        var copy = [try copyRate()]
        if device.isHostProcessor {
            let host = HostMemoryProbe(threadCount: threadCount, byteCount: byteCount)
            read.append(Ceilings.Rate(perSecond: host.readBytesPerSecond(), reachedBy: "a loop of 64-byte loads"))
            copy.append(Ceilings.Rate(perSecond: host.copyBytesPerSecond(), reachedBy: "memcpy"))
        }
        var products: [WeightFormat: Ceilings.Rate] = [:]
        for format in formats {
            products[format] = Ceilings.Rate(
                perSecond: try productRate(format, on: backend), reachedBy: "matmul \(format.rawValue)")
        }
        return Ceilings(
            device: backend.summary, copy: best(copy), read: best(read), products: products, blas: try blasRate())
    }

    private func best(_ rates: [Ceilings.Rate]) -> Ceilings.Rate {
        rates.max { $0.perSecond < $1.perSecond } ?? Ceilings.Rate(perSecond: 0, reachedBy: "nothing")
    }

    /// One token times FP32 weights past the caches.
    private func matrixVectorRate() throws -> Ceilings.Rate {
        let (columns, rows) = (product.columns, byteCount / 4 / product.columns)
        let weight = try backend.prepare(
            RandomWeight("ceiling", format: .float32, rows: rows, columns: columns, seed: 1).source)
        var random = SplitMix64(seed: 2)
        let x = try backend.makeTensor(random.floats(columns), [1, columns])
        let output = try backend.makeTensor(.float32, [1, rows])
        let seconds = try timing.measure(on: backend) { _ in
            try backend.matmul(x, weight, into: output, epilogue: .none)
        }
        return Ceilings.Rate(
            perSecond: Double(rows * columns * 4) / seconds.sorted[0], reachedBy: "matmul of one token")
    }

    /// The largest of long rows past the caches.
    private func argmaxRate() throws -> Ceilings.Rate {
        let columns = 1 << 17
        let rows = byteCount / 4 / columns
        let x = try randomTensor([rows, columns], seed: 3)
        let indices = try backend.makeTensor(.int32, [rows])
        let seconds = try timing.measure(on: backend) { _ in try backend.argmax(x, into: indices) }
        return Ceilings.Rate(perSecond: Double(rows * columns * 4) / seconds.sorted[0], reachedBy: "argmax")
    }

    /// Blocks of a cache, half of them to the other half.
    private func copyRate() throws -> Ceilings.Rate {
        // Keys and values together are past the caches.
        let shape: Shape = [byteCount / 2 / (8 * 16 * 64 * 4), 8, 16, 64]
        let keys = try randomTensor([shape[0], shape.elementCount / shape[0]], seed: 4).reshaped(shape)
        let values = try randomTensor([shape[0], shape.elementCount / shape[0]], seed: 5).reshaped(shape)
        let half = shape[0] / 2
        let pairs = try backend.makeTensor(
            (0..<half).flatMap { [Int32($0), Int32($0 + half)] }, [half, 2])
        let cache = KVCacheLayer(keys: keys, values: values)
        let seconds = try timing.measure(on: backend) { _ in try backend.copyBlocks(pairs, in: cache) }
        // Keys and values, each read and written.
        let bytes = Double(half * 2 * 2 * shape.elementCount / shape[0] * 4)
        return Ceilings.Rate(perSecond: bytes / seconds.sorted[0], reachedBy: "copyBlocks")
    }

    /// Random numbers that repeat after some megabytes: the memory is as large as several caches, and drawing as many
    /// numbers would take longer than what is measured.
    private func randomTensor(_ shape: Shape, seed: UInt64) throws -> Tensor {
        let tensor = try backend.makeTensor(.float32, shape)
        let rowCount = min(shape[0], max((1 << 20) / shape[1], 1))
        var random = SplitMix64(seed: seed)
        let values = random.floats(rowCount * shape[1])
        try values.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: shape[0], by: rowCount) {
                let rows = start..<min(start + rowCount, shape[0])
                let part = UnsafeRawBufferPointer(rebasing: bytes[..<(rows.count * shape[1] * 4)])
                try backend.write(part, to: tensor.rows(rows))
            }
        }
        return tensor
    }

    private func productRate(_ format: WeightFormat, on backend: any Backend) throws -> Double {
        let weight = try backend.prepare(
            RandomWeight("ceiling", format: format, rows: product.rows, columns: product.columns, seed: 7).source,
            precision: .automatic)
        var random = SplitMix64(seed: 8)
        let x = try backend.makeTensor(
            random.floats(product.tokens * product.columns), [product.tokens, product.columns])
        let output = try backend.makeTensor(.float32, [product.tokens, product.rows])
        let seconds = try timing.measure(on: backend) { _ in
            try backend.matmul(x, weight, into: output, epilogue: .none)
        }
        return 2 * Double(product.tokens * product.rows * product.columns) / seconds.sorted[0]
    }

    /// `nil` on other devices than the processor, and where there is no BLAS.
    private func blasRate() throws -> Ceilings.Rate? {
        guard device.isHostProcessor, let blas = try? DeviceSelection.makeBLASBackend(threadCount: threadCount) else {
            return nil
        }
        try blas.backend.reserve(
            ExecutionLimits(
                tokenCount: product.tokens, sequenceCount: 1, contextLength: 1, featureCount: product.rows,
                matmulInputCount: product.columns, headCount: 1, headSize: 64))
        return Ceilings.Rate(
            perSecond: try productRate(.float32, on: blas.backend), reachedBy: blas.backend.summary)
    }
}
