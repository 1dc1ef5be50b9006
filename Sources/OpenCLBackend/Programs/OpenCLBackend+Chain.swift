internal import COpenCL
internal import TensorCore

// Launches of few tokens are short, and PoCL's threads sleep between them. They are recorded, and one kernel runs them
// all (Kernels/chain/run_chain.cl).

extension KernelDescriptor {
    fileprivate static let bufferAddress = KernelDescriptor(
        ProgramDescriptor("buffer_address", sources: ["chain/buffer_address.cl"]), "buffer_address", [.tensor, .tensor])
}

extension OpenCLBackend {
    /// The most launches of a chain.
    private static let maxChainLaunches = 512
    /// Addresses that are asked for at once.
    private static let maxAddresses = 64

    /// Whether any launches ran as a chain.
    package var hasRunChains: Bool { !chain.programs.isEmpty }

    /// Whether a launch waits for others. Each is timed by itself where a profile is collected.
    func isRecorded(_ descriptor: KernelDescriptor, _ range: LaunchRange) -> Bool {
        tuning.chain != nil && !chain.isOff && descriptor.isChained && !isCollectingProfile && range.groupSize == 1
            && range.global.0 * range.global.1 * range.global.2 <= 1 << 16
    }

    /// Runs what is recorded where it is enough to keep the device busy while more is recorded.
    func runChainAhead() throws {
        guard let ahead = tuning.chain?.launchesAhead, chain.pending.count >= max(ahead, chain.ahead) else { return }
        if chain.pending.count >= Self.maxChainLaunches || chainProgram() != nil {
            let next = min(2 * chain.pending.count, Self.maxChainLaunches)
            try runChain()
            chain.ahead = next
        }
    }

    /// Enqueues the recorded launches.
    func runChain() throws {
        chain.ahead = 0
        guard !chain.pending.isEmpty, let tuning = tuning.chain else { return }
        var launches = RecordedLaunches()
        swap(&launches, &chain.pending)
        defer {
            launches.removeAll()
            swap(&launches, &chain.pending)
        }
        if launches.count < tuning.minLaunches { return try enqueueEach(launches) }
        guard let program = try chainProgram(of: launches) ?? makeChainProgram(of: launches) else {
            return try enqueueEach(launches)
        }
        try findAddresses(launches)
        launches.pad()
        launches.setAddresses()
        for (index, launch) in launches.launches.enumerated() {
            launches.setNumber(program.numbers[launch.id] ?? 0, of: index)
        }
        try enqueue(launches, program)
        chain.inFlight.append(launches.takeBuffers())
    }

    private func enqueue(_ launches: RecordedLaunches, _ program: LaunchChain.Program) throws {
        guard let commands = chain.commands else { preconditionFailure("a chain without room for its commands") }
        let code = try launches.words.withUnsafeBytes { words in
            var place = staging.place(byteCount: words.count)
            if place == nil {
                try queue.finish()
                staging.reset()
                place = staging.place(byteCount: words.count)
            }
            place?.copyMemory(from: words)
            return ocl_enqueue_write_buffer(
                queue.handle, commands.handle, place == nil, 0, words.count,
                place.map { UnsafeRawPointer($0.baseAddress) } ?? words.baseAddress)
        }
        try check(code, "clEnqueueWriteBuffer", device: device.name)
        var binder = ArgumentBinder(kernel: program.kernel.handle)
        binder.bind(commands, elementOffset: 0)
        UInt32(launches.count).bind(to: &binder)
        LocalMemory(byteCount: max(launches.localByteCount, 64)).bind(to: &binder)
        try check(binder.code, "clSetKernelArg(run_chain)", device: device.name)
        try enqueue(
            program.kernel, LaunchRange(device.computeUnitCount, local: 1), cost: LaunchCost(bytes: 0, flops: 0))
        try queue.flush()
    }

    /// Enqueues launches one by one.
    private func enqueueEach(_ launches: RecordedLaunches) throws {
        var buffers = launches.buffers[...]
        for (index, launch) in launches.launches.enumerated() {
            let kernel = try kernel(launch.descriptor)
            var binder = ArgumentBinder(kernel: kernel.handle)
            var word = index * RecordedLaunches.commandWordCount + RecordedLaunches.headerWordCount
            for kind in launch.descriptor.arguments {
                switch kind {
                case .tensor, .optionalTensor:
                    let buffer = buffers.first?.word == word ? buffers.popFirst()?.buffer : nil
                    binder.bind(buffer, elementOffset: Int(launches.words[word + 1]))
                case .local: LocalMemory(byteCount: Int(launches.words[word])).bind(to: &binder)
                case .int32, .uint32, .float: UInt32(truncatingIfNeeded: launches.words[word]).bind(to: &binder)
                }
                word += kind.slotCount
            }
            try check(binder.code, "clSetKernelArg(\(launch.descriptor.name))", device: device.name)
            try enqueue(kernel, launch.range, cost: launch.cost)
        }
    }

    /// A program that has all kernels of what is recorded.
    private func chainProgram() -> LaunchChain.Program? { chainProgram(of: chain.pending) }

    private func chainProgram(of launches: RecordedLaunches) -> LaunchChain.Program? {
        chain.programs.first { program in
            launches.launches.allSatisfy { program.numbers[$0.id] != nil }
        }
    }

    /// `nil` where the driver does not compile it, which each kernel by itself may survive: there are no chains then.
    private func makeChainProgram(of launches: RecordedLaunches) throws -> LaunchChain.Program? {
        var numbers: [ObjectIdentifier: Int] = [:]
        var kernels: [KernelDescriptor] = []
        for launch in launches.launches where numbers[launch.id] == nil {
            numbers[launch.id] = kernels.count
            kernels.append(launch.descriptor)
        }
        let descriptor = ProgramDescriptor("chain", sources: [])
        let handle: OpaquePointer
        do {
            handle = try builder.buildChain(descriptor, of: kernels)
        } catch BackendError.kernelBuildFailed(_, _, let log) {
            options.warn("kernels are launched one by one, since their chain does not compile: \(log.prefix(200))")
            chain.isOff = true
            return nil
        }
        programs[ObjectIdentifier(descriptor)] = handle
        let kernel = try Kernel(
            KernelDescriptor(descriptor, "run_chain", [.tensor, .uint32, .local]), program: handle, device: device)
        let wordByteCount = MemoryLayout<UInt64>.size
        chain.commands = try grown(
            chain.commands, to: Self.maxChainLaunches * RecordedLaunches.commandWordCount * wordByteCount)
        chain.addresses = try grown(chain.addresses, to: Self.maxAddresses * wordByteCount)
        let program = LaunchChain.Program(numbers: numbers, kernel: kernel)
        chain.programs.append(program)
        return program
    }

    /// Asks where the buffers lie whose addresses are not known yet.
    private func findAddresses(_ launches: RecordedLaunches) throws {
        var unknown: [OpenCLBuffer] = []
        var seen: Set<ObjectIdentifier> = []
        for (_, buffer) in launches.unplaced
        where buffer.deviceAddress == nil && seen.insert(ObjectIdentifier(buffer)).inserted {
            unknown.append(buffer)
        }
        for first in stride(from: 0, to: unknown.count, by: Self.maxAddresses) {
            try ask(unknown[first..<min(unknown.count, first + Self.maxAddresses)])
        }
    }

    private func ask(_ unknown: ArraySlice<OpenCLBuffer>) throws {
        guard let found = chain.addresses else { preconditionFailure("a chain without room for addresses") }
        let kernel = try kernel(.bufferAddress)
        for (index, buffer) in unknown.enumerated() {
            var binder = ArgumentBinder(kernel: kernel.handle)
            binder.bind(buffer, elementOffset: 0)
            binder.bind(found, elementOffset: index)
            try check(binder.code, "clSetKernelArg(buffer_address)", device: device.name)
            try enqueue(kernel, LaunchRange(1, local: 1), cost: LaunchCost(bytes: 8, flops: 0))
        }
        var addresses = [UInt64](repeating: 0, count: unknown.count)
        let code = addresses.withUnsafeMutableBytes { bytes in
            ocl_enqueue_read_buffer(queue.handle, found.handle, true, 0, bytes.count, bytes.baseAddress)
        }
        try check(code, "clEnqueueReadBuffer", device: device.name)
        for (buffer, address) in zip(unknown, addresses) { buffer.deviceAddress = address }
    }
}
