/// Device memory planned once for the intermediate results of a model, so that no op allocates.
///
/// Ask for tensors with `tensor(...)` while building the model's buffers; two tensors never overlap.
public final class WorkspacePlan {
    public private(set) var byteCount = 0
    /// Starts of tensors are aligned to this many bytes, enough for any vector load or sub-buffer.
    public static let alignment = 256
    private var requests: [(offset: Int, dtype: DType, shape: Shape)] = []

    public init() {}

    /// Reserves room and returns the tensor's number in the workspace.
    public func add(_ dtype: DType, _ shape: Shape) -> Int {
        requests.append((byteCount, dtype, shape))
        let bytes = shape.elementCount * dtype.byteCount
        byteCount += (bytes + WorkspacePlan.alignment - 1) / WorkspacePlan.alignment * WorkspacePlan.alignment
        return requests.count - 1
    }

    /// Allocates the planned memory in one buffer.
    /// - Throws: `BackendError.outOfMemory`.
    public func allocate(on backend: any Backend) throws -> [Tensor] {
        let buffer = try backend.makeBuffer(byteCount: max(byteCount, WorkspacePlan.alignment))
        return requests.map { Tensor(buffer: buffer, byteOffset: $0.offset, dtype: $0.dtype, shape: $0.shape) }
    }
}
