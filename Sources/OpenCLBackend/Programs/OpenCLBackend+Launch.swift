internal import COpenCL
internal import TensorCore

extension OpenCLBackend {
    /// Enqueues a kernel. Arguments are checked against the kernel's description before anything is enqueued; an empty
    /// range enqueues nothing.
    /// - Parameter isIndependent: whether it may run before launches that are recorded for a chain.
    /// - Throws: `BackendError.invalidArgument` for a wrong argument count or kind, or a group the device does not take;
    ///   what the driver reports; and at the kernel's first use what building its program reports.
    package func launch<each Argument: KernelArgument>(
        _ descriptor: KernelDescriptor, _ range: LaunchRange, _ arguments: repeat each Argument, cost: LaunchCost,
        isIndependent: Bool = false
    ) throws {
        var position = 0
        for kind in repeat (each Argument).kind {
            guard position < descriptor.arguments.count, descriptor.arguments[position] == kind else {
                throw argumentMismatch(descriptor, position: position, found: kind)
            }
            position += 1
        }
        guard position == descriptor.arguments.count else {
            throw BackendError.invalidArgument(
                op: descriptor.name, reason: "\(position) arguments given, \(descriptor.arguments.count) expected")
        }
        if range.isEmpty { return }
        if isRecorded(descriptor, range) {
            var binder = ArgumentBinder()
            swap(&binder.recorded, &chain.pending)
            binder.recorded.begin(RecordedLaunch(descriptor: descriptor, range: range, cost: cost))
            for argument in repeat each arguments { argument.bind(to: &binder) }
            swap(&binder.recorded, &chain.pending)
            counts.launches += 1
            return try runChainAhead()
        }
        if !isIndependent { try runChain() }
        let kernel = try kernel(descriptor)
        var binder = ArgumentBinder(kernel: kernel.handle)
        for argument in repeat each arguments { argument.bind(to: &binder) }
        try check(binder.code, "clSetKernelArg(\(descriptor.name))", device: device.name)
        try enqueue(kernel, range, cost: cost)
        counts.launches += 1
    }

    private func argumentMismatch(_ descriptor: KernelDescriptor, position: Int, found: ArgumentKind) -> BackendError {
        let expected = descriptor.arguments.dropFirst(position).first.map { "expected \($0.rawValue)" }
        return .invalidArgument(
            op: descriptor.name,
            reason: "argument \(position) is \(found.rawValue), "
                + (expected ?? "only \(descriptor.arguments.count) expected"))
    }

    func enqueue(_ kernel: Kernel, _ range: LaunchRange, cost: LaunchCost) throws {
        guard range.groupSize <= kernel.maxWorkGroupSize else {
            throw BackendError.invalidArgument(
                op: kernel.descriptor.name,
                reason: "groups of \(range.groupSize) work-items, the device takes \(kernel.maxWorkGroupSize)")
        }
        var event: OpaquePointer?
        let isTimed = isCollectingProfile && queue.isProfiling
        let code = withUnsafeBytes(of: range.global) { global in
            withUnsafeBytes(of: range.local) { local in
                withUnsafeMutablePointer(to: &event) { event in
                    ocl_enqueue_ndrange_kernel(
                        queue.handle, kernel.handle, range.dimensions,
                        global.baseAddress?.assumingMemoryBound(to: Int.self),
                        local.baseAddress?.assumingMemoryBound(to: Int.self), isTimed ? event : nil)
                }
            }
        }
        try check(code, "clEnqueueNDRangeKernel(\(kernel.descriptor.name))", device: device.name)
        guard isCollectingProfile else { return }
        kernel.profile.launches += 1
        kernel.profile.byteCount += cost.byteCount
        kernel.profile.flopCount += cost.flopCount
        if let event { try remember(event, of: kernel) }
    }
}
