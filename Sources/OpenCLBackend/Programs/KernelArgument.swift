internal import COpenCL
package import TensorCore

/// A value that a kernel takes.
package protocol KernelArgument {
    static var kind: ArgumentKind { get }
    func bind(to binder: inout ArgumentBinder)
}

/// A kernel argument that is a place in a buffer, or absent.
package protocol BufferArgument: KernelArgument {
    var place: (buffer: OpenCLBuffer, elementOffset: Int) { get }
}

extension BufferArgument {
    package static var kind: ArgumentKind { .tensor }
    package func bind(to binder: inout ArgumentBinder) {
        let place = place
        binder.bind(place.buffer, elementOffset: place.elementOffset)
    }
}

extension Optional: KernelArgument where Wrapped: BufferArgument {
    package static var kind: ArgumentKind { .optionalTensor }
    package func bind(to binder: inout ArgumentBinder) {
        if let self { self.bind(to: &binder) } else { binder.bind(nil, elementOffset: 0) }
    }
}

/// Sets a kernel's arguments in order, the first failure being kept, or records them for a chain.
package struct ArgumentBinder {
    private let kernel: OpaquePointer?
    private var slot: UInt32 = 0
    private(set) var code: Int32 = 0
    /// Where arguments go that no kernel takes now.
    var recorded = RecordedLaunches()

    init(kernel: OpaquePointer) { self.kernel = kernel }

    /// A binder that appends to `recorded`.
    init() { kernel = nil }

    mutating func bind(_ byteCount: Int, _ value: UnsafeRawPointer?) {
        guard let kernel else { return recorded.append(byteCount, value) }
        let result = ocl_set_kernel_arg(kernel, slot, byteCount, value)
        if code == 0 { code = result }
        slot += 1
    }

    mutating func bind(_ buffer: OpenCLBuffer?, elementOffset: Int) {
        if kernel == nil { return recorded.append(buffer, elementOffset: elementOffset) }
        var handle = buffer?.handle
        bind(MemoryLayout<OpaquePointer?>.size, &handle)
        var offset = UInt64(elementOffset)
        bind(MemoryLayout<UInt64>.size, &offset)
    }
}

extension Tensor {
    /// The buffer as this backend's own.
    var openCLBuffer: OpenCLBuffer {
        guard let buffer = buffer as? OpenCLBuffer else {
            preconditionFailure("a tensor of another backend was given to the OpenCL backend")
        }
        return buffer
    }
}

extension Tensor: BufferArgument {
    package var place: (buffer: OpenCLBuffer, elementOffset: Int) { (openCLBuffer, byteOffset / dtype.byteCount) }
}

/// A place in a buffer that does not come from a tensor, such as a part of a weight.
package struct BufferRegion: BufferArgument {
    let buffer: OpenCLBuffer
    /// The offset, in elements of the kernel's pointer type.
    let elementOffset: Int

    package var place: (buffer: OpenCLBuffer, elementOffset: Int) { (buffer, elementOffset) }
}

extension Int32: KernelArgument {
    package static var kind: ArgumentKind { .int32 }
    package func bind(to binder: inout ArgumentBinder) {
        var value = self
        binder.bind(MemoryLayout<Int32>.size, &value)
    }
}

extension UInt32: KernelArgument {
    package static var kind: ArgumentKind { .uint32 }
    package func bind(to binder: inout ArgumentBinder) {
        var value = self
        binder.bind(MemoryLayout<UInt32>.size, &value)
    }
}

extension Float: KernelArgument {
    package static var kind: ArgumentKind { .float }
    package func bind(to binder: inout ArgumentBinder) {
        var value = self
        binder.bind(MemoryLayout<Float>.size, &value)
    }
}

/// Local memory of a work-group, in bytes.
package struct LocalMemory: KernelArgument {
    let byteCount: Int

    package static var kind: ArgumentKind { .local }
    package func bind(to binder: inout ArgumentBinder) { binder.bind(byteCount, nil) }
}
