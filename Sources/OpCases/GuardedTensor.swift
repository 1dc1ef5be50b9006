public import TensorCore

/// A tensor inside a larger buffer whose surroundings, and the gaps between its rows, hold a canary.
///
/// The canary is a NaN in every floating-point type, so reading it spoils a result and writing over it is found by
/// `damage(in:)`. Outputs start filled with it too, so an element that no one wrote is found as well.
public struct GuardedTensor {
    public let tensor: Tensor
    /// All of the buffer as one row of elements.
    private let whole: Tensor
    private let initialBytes: [UInt8]
    private let backend: any Backend

    /// Elements of canary on either side.
    public static let margin = 64
    private static let canary: [UInt8] = [0xa5, 0x7f, 0xc5, 0x7f]

    /// A tensor holding `bytes` (its packed rows), or the canary where they are `nil`.
    ///
    /// - Parameters:
    ///   - gap: elements of canary behind each row; the row stride is the columns plus `gap`.
    ///   - shift: elements by which the start is moved off its 256-byte alignment.
    public init(
        on backend: any Backend, _ dtype: DType, _ shape: Shape, bytes: [UInt8]? = nil, gap: Int = 0, shift: Int = 0
    ) throws {
        let size = dtype.byteCount
        let rows = shape.rank == 0 ? 1 : shape[0]
        let columns = rows == 0 ? 0 : shape.elementCount / rows
        let stride = columns + gap
        let margin = GuardedTensor.margin * 4 / size
        let start = margin + shift
        let count = start + rows * stride + margin
        var image = [UInt8](repeating: 0, count: count * size)
        for index in image.indices { image[index] = GuardedTensor.canary[index % 4] }
        if let bytes {
            precondition(bytes.count == shape.elementCount * size, "\(bytes.count) bytes for \(shape) \(dtype)")
            for row in 0..<rows {
                let from = row * columns * size
                let to = (start + row * stride) * size
                image.replaceSubrange(to..<to + columns * size, with: bytes[from..<from + columns * size])
            }
        }
        let whole = try backend.makeTensor(dtype, [count])
        try image.withUnsafeBytes { try backend.write($0, to: whole) }
        self.whole = whole
        tensor = Tensor(
            buffer: whole.buffer, byteOffset: whole.byteOffset + start * size, dtype: dtype, shape: shape,
            rowStride: gap == 0 ? nil : stride)
        initialBytes = image
        self.backend = backend
    }

    public init(
        on backend: any Backend, _ values: [Float], _ shape: Shape, gap: Int = 0, shift: Int = 0
    ) throws {
        try self.init(
            on: backend, .float32, shape, bytes: values.withUnsafeBytes { Array($0) }, gap: gap, shift: shift)
    }

    public init(on backend: any Backend, _ values: [Int32], _ shape: Shape, gap: Int = 0) throws {
        try self.init(on: backend, .int32, shape, bytes: values.withUnsafeBytes { Array($0) }, gap: gap)
    }

    /// Columns `range` of every row, inside the same guarded buffer.
    public func columns(_ range: Range<Int>) -> GuardedTensor {
        GuardedTensor(tensor: tensor.columns(range), whole: whole, initialBytes: initialBytes, backend: backend)
    }

    private init(tensor: Tensor, whole: Tensor, initialBytes: [UInt8], backend: any Backend) {
        self.tensor = tensor
        self.whole = whole
        self.initialBytes = initialBytes
        self.backend = backend
    }

    /// The packed rows as they are now, and what was written outside them (`nil`: nothing). Blocks.
    public func contents() throws -> (bytes: [UInt8], damage: String?) {
        let image = try wholeImage()
        let size = tensor.dtype.byteCount
        let start = tensor.byteOffset - whole.byteOffset
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tensor.byteCount)
        var position = 0
        var damage: String?
        for row in 0..<tensor.rows {
            let from = start + row * tensor.rowStride * size
            let to = from + tensor.columns * size
            damage = damage ?? difference(image, position..<from)
            bytes += image[from..<to]
            position = to
        }
        return (bytes, damage ?? difference(image, position..<image.count))
    }

    /// The first byte that differs from what was there at first, inside the rows or outside; `nil` where none does. Blocks.
    public func change() throws -> String? {
        let image = try wholeImage()
        return difference(image, 0..<image.count)
    }

    private func wholeImage() throws -> [UInt8] {
        var image = [UInt8](repeating: 0, count: whole.byteCount)
        try image.withUnsafeMutableBytes { try backend.read(whole, into: $0) }
        return image
    }

    private func difference(_ image: [UInt8], _ range: Range<Int>) -> String? {
        guard image[range] != initialBytes[range],
            let index = range.first(where: { image[$0] != initialBytes[$0] })
        else { return nil }
        let element = (index - (tensor.byteOffset - whole.byteOffset)) / tensor.dtype.byteCount
        return "element \(element) from the start of \(tensor.shape) (row stride \(tensor.rowStride)) was overwritten"
    }
}
