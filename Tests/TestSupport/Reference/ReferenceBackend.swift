public import TensorCore

/// Host memory that the reference backend computes in.
final class ReferenceBuffer: DeviceBuffer {
    let memory: HostAllocation
    var byteCount: Int { memory.pointer.count }

    init(byteCount: Int) { memory = HostAllocation(byteCount: byteCount) }
}

/// A weight as the values its numbers stand for.
final class ReferenceWeight: Weight {
    let name: String
    let format: WeightFormat
    let partRows: [Int]
    let values: Matrix
    var rows: Int { values.rows }
    var columns: Int { values.columns }

    init(_ source: WeightSource) {
        name = source.name
        format = source.format
        partRows = source.parts.map(\.rows)
        let values = source.parts.flatMap { part -> [Double] in
            let bytes = Array(part.bytes.pointer)
            switch source.format {
            case .float32: return NumberFormats.decode(bytes, as: .float32).map(Double.init)
            case .float16: return NumberFormats.decode(bytes, as: .float16).map(Double.init)
            case .bfloat16: return NumberFormats.decode(bytes, as: .bfloat16).map(Double.init)
            case .int8:
                let scales = NumberFormats.decode(
                    Array(part.scales?.pointer ?? .init(start: nil, count: 0)), as: .float32)
                return bytes.enumerated().map { index, byte in
                    Double(scales[index / source.columns]) * Double(Int8(bitPattern: byte))
                }
            default: return BlockReference.decode(bytes, source.format)
            }
        }
        self.values = Matrix(rows: source.rows, columns: source.columns, values: values)
    }
}

/// The references behind the backend contract: slow, float64 inside, for checking the conformance cases themselves and
/// for models whose answers should not depend on a fast backend. Like any backend it is used by one thread at a time.
// SAFETY: `counters` and `entries` change only in calls of the one thread that uses the backend at a time.
public final class ReferenceBackend: Backend, @unchecked Sendable {
    public let capabilities = BackendCapabilities(maxTopK: 256, maxHeadSize: 256)
    public let summary = "reference: float64 on the host"
    public private(set) var counters = BackendCounters()
    private var entries: [String: Int] = [:]

    public init() {}

    public func makeBuffer(byteCount: Int) throws -> any DeviceBuffer {
        guard byteCount <= 1 << 34 else {
            throw BackendError.outOfMemory(requestedByteCount: byteCount, device: "reference")
        }
        counters.allocations += 1
        return ReferenceBuffer(byteCount: byteCount)
    }

    public func prepare(_ source: WeightSource, precision: MatmulPrecision) throws -> any Weight {
        ReferenceWeight(source)
    }
    public func reserve(_ limits: ExecutionLimits) throws {}
    public func synchronize() throws { counters.synchronizations += 1 }
    public func setProfiling(_ enabled: Bool) { entries = [:] }
    public func profile() throws -> [ProfileEntry] { entries.map { ProfileEntry(kernel: $0.key, launches: $0.value) } }

    public func write(_ bytes: UnsafeRawBufferPointer, to tensor: Tensor) throws {
        counters.bytesWritten += bytes.count
        UnsafeMutableRawBufferPointer(rebasing: memory(tensor)[..<bytes.count]).copyMemory(from: bytes)
    }

    public func read(_ transfers: [HostTransfer]) throws {
        for transfer in transfers {
            try require("read", transfer.bytes.count == transfer.tensor.byteCount, "\(transfer.bytes.count) bytes")
        }
        counters.synchronizations += 1
        for transfer in transfers {
            let tensor = transfer.tensor
            counters.bytesRead += transfer.bytes.count
            let rowBytes = tensor.columns * tensor.dtype.byteCount
            let source = memory(tensor)
            for row in 0..<tensor.rows where rowBytes > 0 {
                let start = row * tensor.rowStride * tensor.dtype.byteCount
                UnsafeMutableRawBufferPointer(rebasing: transfer.bytes[row * rowBytes..<(row + 1) * rowBytes])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: source[start..<start + rowBytes]))
            }
        }
    }

    private func memory(_ tensor: Tensor) -> UnsafeMutableRawBufferPointer {
        guard let buffer = tensor.buffer as? ReferenceBuffer else { preconditionFailure("a buffer of another backend") }
        return UnsafeMutableRawBufferPointer(rebasing: buffer.memory.pointer[tensor.byteOffset...])
    }

    func launch(_ op: String) {
        counters.launches += 1
        entries[op, default: 0] += 1
    }

    func elements<T>(_ tensor: Tensor, as type: T.Type) -> [T] {
        let source = memory(tensor).bindMemory(to: T.self)
        return (0..<tensor.rows).flatMap { row in
            source[row * tensor.rowStride..<row * tensor.rowStride + tensor.columns]
        }
    }

    /// The bytes of a contiguous tensor.
    func bytes(_ tensor: Tensor) -> [UInt8] { Array(memory(tensor)[..<tensor.byteCount]) }

    func setBytes(_ bytes: [UInt8], of tensor: Tensor) { memory(tensor).copyBytes(from: bytes) }

    func matrix(_ tensor: Tensor) -> Matrix {
        Matrix(rows: tensor.rows, columns: tensor.columns, floats: elements(tensor, as: Float.self))
    }

    func store<T>(_ values: [T], to tensor: Tensor) {
        let target = memory(tensor).bindMemory(to: T.self)
        for row in 0..<tensor.rows {
            for column in 0..<tensor.columns {
                target[row * tensor.rowStride + column] = values[row * tensor.columns + column]
            }
        }
    }

    func store(_ matrix: Matrix, to tensor: Tensor) { store(matrix.values.map(Float.init), to: tensor) }

    func require(
        _ op: String, _ argument: String, _ tensor: Tensor, _ extents: [Int], _ dtype: DType = .float32
    ) throws {
        let found = extents.count == 1 ? [tensor.shape.elementCount] : [tensor.rows, tensor.columns]
        guard found == extents else {
            throw BackendError.shapeMismatch(
                op: op, argument: argument, expected: "\(extents)", found: "\(tensor.shape)")
        }
        guard tensor.dtype == dtype else {
            throw BackendError.invalidArgument(op: op, reason: "\(argument) is \(tensor.dtype), not \(dtype)")
        }
    }

    func require(_ op: String, _ condition: Bool, _ reason: String) throws {
        guard condition else { throw BackendError.invalidArgument(op: op, reason: reason) }
    }
}
