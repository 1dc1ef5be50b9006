/// Device memory planned once for the intermediate results of a model, so that no op allocates.
///
///     var plan = WorkspacePlan()
///     let hidden = plan.float32([tokenCount, hiddenSize])
///     let workspace = try plan.allocate(on: backend)
///     self.hidden = workspace[hidden]
///
/// No two tensors of a plan overlap.
public struct WorkspacePlan {
    /// A tensor's place in the memory that is still to be allocated.
    public struct Slot: Sendable {
        fileprivate let byteOffset: Int
        fileprivate let dtype: DType
        fileprivate let shape: Shape
    }

    public private(set) var byteCount = 0
    /// Starts of tensors are aligned to this many bytes, enough for any vector load or sub-buffer.
    public static let alignment = 256

    public init() {}

    /// Reserves room for a float32 tensor.
    public mutating func float32(_ shape: Shape) -> Slot { add(.float32, shape) }

    /// Reserves room for an int32 tensor.
    public mutating func int32(_ shape: Shape) -> Slot { add(.int32, shape) }

    /// Reserves room for a tensor.
    public mutating func add(_ dtype: DType, _ shape: Shape) -> Slot {
        let slot = Slot(byteOffset: byteCount, dtype: dtype, shape: shape)
        let bytes = shape.elementCount * dtype.byteCount
        byteCount += (bytes + WorkspacePlan.alignment - 1) / WorkspacePlan.alignment * WorkspacePlan.alignment
        return slot
    }

    /// Allocates the planned memory in one buffer.
    /// - Throws: `BackendError.outOfMemory`.
    public func allocate(on backend: any Backend) throws -> Workspace {
        Workspace(buffer: try backend.makeBuffer(byteCount: max(byteCount, WorkspacePlan.alignment)))
    }
}

/// The memory of a `WorkspacePlan`.
public struct Workspace: Sendable {
    fileprivate let buffer: any DeviceBuffer

    /// The tensor in a slot of the plan that this memory was allocated for.
    public subscript(slot: WorkspacePlan.Slot) -> Tensor {
        Tensor(buffer: buffer, byteOffset: slot.byteOffset, dtype: slot.dtype, shape: slot.shape)
    }
}
