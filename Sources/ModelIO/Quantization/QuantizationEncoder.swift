internal import Dispatch
internal import NumberFormats
internal import QuantizationKernels
internal import TensorCore

/// Converts the rows of one tensor to a number format, a few megabytes at a time, on all cores.
package struct QuantizationEncoder: Sendable {
    /// The number of values that are in memory at once, and that one task handles.
    private static let slabElementCount = 1 << 22
    private static let taskElementCount = 1 << 15

    private let tensor: QuantizationTensor
    private let type: StoredType
    private let rowByteCount: Int

    /// - Throws: `LoadError.unsupportedElement` where the stored type cannot be read as float32; `.unrepresentable` where the
    ///   format is none that is written or its blocks do not make up a row.
    package init(_ tensor: QuantizationTensor, as type: StoredType) throws {
        let copies = tensor.storedType == type && tensor.bytes(of: 0..<0) != nil
        guard copies || tensor.storedType.isDecodable else {
            throw LoadError.unsupportedElement(
                name: tensor.stored.first?.name ?? tensor.name, found: tensor.storedType.rawValue,
                expected: "F64, F32, F16, BF16 or a block format that this version computes")
        }
        guard copies || QuantizationEncoder.isWritten(type), tensor.columns % type.blockSize == 0 else {
            throw LoadError.unrepresentable(
                name: tensor.name, format: type.rawValue,
                reason: "rows of \(tensor.columns) values, or this format, cannot be written")
        }
        self.tensor = tensor
        self.type = type
        rowByteCount = tensor.columns / type.blockSize * type.blockByteCount
    }

    package static func isWritten(_ type: StoredType) -> Bool {
        [.float32, .float16, .bfloat16].contains(type) || kernelFormat(type) != nil
    }

    /// Computes the tensor's bytes and passes them on in order, with the number of elements in them. Blocks.
    /// - Throws: what `body` throws, or `LoadError.unrepresentable` naming the tensor and the row.
    package func encode(_ body: (_ bytes: UnsafeRawBufferPointer, _ elementCount: Int) throws -> Void) throws {
        let slabRows = max(QuantizationEncoder.slabElementCount / max(tensor.columns, 1), 1)
        if tensor.storedType == type, tensor.bytes(of: 0..<0) != nil {
            try forEachSlab(of: slabRows) { range in
                guard let bytes = tensor.bytes(of: range) else { return }
                try body(bytes.pointer, range.count * tensor.columns)
                bytes.discard()
            }
            return
        }
        let output = HostAllocation(byteCount: min(slabRows, tensor.rows) * rowByteCount)
        try forEachSlab(of: slabRows) { range in
            try fill(output.pointer, range)
            let bytes = UnsafeRawBufferPointer(rebasing: output.pointer[0..<range.count * rowByteCount])
            try body(bytes, range.count * tensor.columns)
        }
        for stored in tensor.stored { stored.bytes.discard() }
    }

    private func forEachSlab(of slabRows: Int, _ body: (Range<Int>) throws -> Void) throws {
        for first in stride(from: 0, to: tensor.rows, by: slabRows) {
            try body(first..<min(first + slabRows, tensor.rows))
        }
    }

    /// Encodes rows `range` on all cores.
    private func fill(_ output: UnsafeMutableRawBufferPointer, _ range: Range<Int>) throws {
        let taskRows = max(QuantizationEncoder.taskElementCount / max(tensor.columns, 1), 1)
        let taskCount = (range.count + taskRows - 1) / taskRows
        let failures = UnsafeMutableBufferPointer<Failure?>.allocate(capacity: taskCount)
        failures.initialize(repeating: nil)
        defer { failures.deallocate() }
        // SAFETY: tasks write disjoint rows, and each its own failure.
        nonisolated(unsafe) let (target, failed) = (output, failures)
        DispatchQueue.concurrentPerform(iterations: taskCount) { task in
            let first = range.lowerBound + task * taskRows
            let rows = first..<min(first + taskRows, range.upperBound)
            let start = (first - range.lowerBound) * rowByteCount
            withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.count * tensor.columns) { scratch in
                guard let values = scratch.baseAddress, let bytes = target.baseAddress.map({ $0 + start }) else {
                    return
                }
                tensor.load(rows, into: values)
                failed[task] = store(values, rows, bytes)
            }
        }
        guard let failure = failures.lazy.compactMap({ $0 }).first else { return }
        throw LoadError.unrepresentable(name: tensor.name, format: type.rawValue, reason: failure.reason)
    }

    /// Why a row cannot be stored.
    private enum Failure: Sendable {
        case notFinite(row: Int), tooLarge(row: Int)

        var reason: String {
            switch self {
            case .notFinite(let row): "row \(row) holds an infinity or a NaN"
            case .tooLarge(let row): "row \(row) holds values that are too large for it; use bf16 or f32"
            }
        }
    }

    private func store(
        _ values: UnsafePointer<Float>, _ rows: Range<Int>, _ output: UnsafeMutableRawPointer
    ) -> Failure? {
        let columns = tensor.columns
        switch type {
        case .float32: output.copyMemory(from: values, byteCount: rows.count * columns * 4)
        case .bfloat16:
            ElementConversion.encodeBFloat16(
                values, count: rows.count * columns, into: output.assumingMemoryBound(to: UInt16.self))
        case .float16:
            for row in rows {
                let offset = (row - rows.lowerBound) * columns
                let isWhole = ElementConversion.encodeFloat16(
                    values + offset, count: columns, into: output.assumingMemoryBound(to: UInt16.self) + offset)
                if !isWhole { return .tooLarge(row: row) }
            }
        default:
            guard let format = QuantizationEncoder.kernelFormat(type) else { return nil }
            for row in rows {
                let source = values + (row - rows.lowerBound) * columns
                let target = output + (row - rows.lowerBound) * rowByteCount
                guard quantization_all_finite(source, Int64(columns)) else { return .notFinite(row: row) }
                guard quantization_pack(format, source, Int64(columns), target.assumingMemoryBound(to: UInt8.self))
                else { return .tooLarge(row: row) }
            }
        }
        return nil
    }

    private static func kernelFormat(_ type: StoredType) -> number_format? {
        let format = number_format(type.code)
        return quantization_packs(format) ? format : nil
    }
}
