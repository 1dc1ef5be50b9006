/// A piece of memory that a backend owns. Freed when the last reference goes.
///
/// A backend accepts only its own buffers; another backend's is a broken invariant and traps with a message.
public protocol DeviceBuffer: AnyObject, Sendable {
    var byteCount: Int { get }
}

/// A view of a buffer as rows of elements, or as a contiguous block of any rank.
///
/// Legend: `R` rows, `C` columns. Row `r` starts at element `r * rowStride` behind `byteOffset`; the columns of a row are
/// contiguous. Extents beyond the first are contiguous and together make up the columns, so `[T, H, D]` is `T` rows of
/// `H * D` columns.
public struct Tensor: Sendable {
    public let buffer: any DeviceBuffer
    public let byteOffset: Int
    public let dtype: DType
    public let shape: Shape
    /// Elements from the start of one row to the start of the next; `columns` where the rows are packed.
    public let rowStride: Int

    /// - Precondition: the view lies inside the buffer, and starts at a multiple of the element's size.
    public init(
        buffer: any DeviceBuffer, byteOffset: Int = 0, dtype: DType, shape: Shape, rowStride: Int? = nil
    ) {
        let columns = Tensor.columns(of: shape)
        let stride = rowStride ?? columns
        let rows = shape.rank == 0 ? 1 : shape[0]
        let lastElement = rows == 0 || columns == 0 ? 0 : (rows - 1) * stride + columns
        precondition(stride >= columns, "row stride \(stride) is shorter than a row of \(columns)")
        precondition(byteOffset >= 0 && byteOffset % dtype.byteCount == 0, "byte offset \(byteOffset) is not aligned")
        precondition(
            byteOffset + lastElement * dtype.byteCount <= buffer.byteCount,
            "view of \(shape) \(dtype) at byte \(byteOffset) leaves its buffer of \(buffer.byteCount) bytes")
        self.buffer = buffer
        self.byteOffset = byteOffset
        self.dtype = dtype
        self.shape = shape
        self.rowStride = stride
    }

    public var rows: Int { shape.rank == 0 ? 1 : shape[0] }
    public var columns: Int { Tensor.columns(of: shape) }
    public var isContiguous: Bool { rowStride == columns || rows <= 1 }
    /// Bytes of the elements, without the gaps between rows.
    public var byteCount: Int { shape.elementCount * dtype.byteCount }

    private static func columns(of shape: Shape) -> Int {
        var product = 1
        for axis in 1..<max(shape.rank, 1) { product *= shape[axis] }
        return product
    }

    /// Rows `range` as a view of the same memory.
    public func rows(_ range: Range<Int>) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(shape)")
        return Tensor(
            buffer: buffer, byteOffset: byteOffset + range.lowerBound * rowStride * dtype.byteCount, dtype: dtype,
            shape: Shape([range.count] + shape.extents.dropFirst()), rowStride: rowStride)
    }

    /// Columns `range` of every row, `[R, range.count]`, as a view of the same memory.
    public func columns(_ range: Range<Int>) -> Tensor {
        precondition(range.lowerBound >= 0 && range.upperBound <= columns, "columns \(range) of \(shape)")
        return Tensor(
            buffer: buffer, byteOffset: byteOffset + range.lowerBound * dtype.byteCount, dtype: dtype,
            shape: [rows, range.count], rowStride: rowStride)
    }

    /// The same elements under another shape.
    /// - Precondition: equal element counts, and packed rows unless the first extent stays the same.
    public func reshaped(_ newShape: Shape) -> Tensor {
        precondition(newShape.elementCount == shape.elementCount, "cannot view \(shape) as \(newShape)")
        let keepsRows = newShape.rank > 0 && newShape[0] == rows
        precondition(isContiguous || keepsRows, "cannot view strided rows of \(shape) as \(newShape)")
        return Tensor(
            buffer: buffer, byteOffset: byteOffset, dtype: dtype, shape: newShape,
            rowStride: keepsRows && rows > 1 ? rowStride : nil)
    }
}
