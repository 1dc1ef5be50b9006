internal import COpenCL
public import TensorCore

/// A transformer's ops as OpenCL kernels on one device, with one in-order queue.
///
/// Programs are compiled, or taken from the cache on disk, when their first kernel is launched.
public final class OpenCLBackend: Backend, @unchecked Sendable {
    // SAFETY: as `Backend` promises, one thread uses it at a time.
    public let device: OpenCLDevice
    public let tuning: Tuning
    let options: OpenCLOptions
    let queue: CommandQueue
    let budget: MemoryBudget
    let builder: ProgramBuilder
    let staging: StagingArea
    var counts = BackendCounters()
    var limits: ExecutionLimits?
    /// Scratch memory of attention, made by `reserve`.
    var attentionScratch: OpenCLBuffer?
    /// Memory for the quantised activations of one product, made once a weight asks for them.
    var quantisedActivations: OpenCLBuffer?
    var quantisesActivations = false
    /// Memory for the rows of one product in the order of their experts, made by `reserve`.
    var expertGroups: OpenCLBuffer?
    /// The outcomes of self-tests; each test runs once.
    private var abilities: [Capability: Bool] = [:]
    var isCollectingProfile = false
    var timedLaunches: [TimedLaunch] = []
    var chain = LaunchChain()
    private var kernels: [ObjectIdentifier: Kernel] = [:]
    var programs: [ObjectIdentifier: OpaquePointer] = [:]

    /// - Throws: `BackendError.deviceFailure` where the driver gives no context or queue; `.unsupported` where the device
    ///   takes no work.
    public init(device: OpenCLDevice, options: OpenCLOptions = OpenCLOptions()) throws {
        guard device.isUsable else {
            throw BackendError.unsupported(
                op: "OpenCL device '\(device.name)'", reason: "it is not available, or its driver has no compiler")
        }
        self.device = device
        self.options = options
        tuning = options.tuning ?? Tuning.forDevice(device)
        queue = try CommandQueue(device: device)
        budget = MemoryBudget(device: device)
        builder = ProgramBuilder(queue: queue, tuning: tuning, options: options)
        staging = StagingArea()
        // Drivers of CPUs load LLVM, whose code pages need not stay in memory.
        if device.kind == .cpu { ocl_release_code_pages() }
    }

    deinit {
        try? queue.finish()
        for timed in timedLaunches { _ = ocl_release_event(timed.event) }
        kernels.removeAll()
        chain = LaunchChain()
        for program in programs.values { _ = ocl_release_program(program) }
    }

    public var summary: String {
        "opencl: \(device.name) (\(device.platformName), \(device.version), \(device.computeUnitCount) compute units)"
    }

    public var counters: BackendCounters {
        var counters = counts
        counters.programBuilds = builder.buildCount
        return counters
    }

    public var capabilities: BackendCapabilities { OpenCLBackend.kernelCapabilities }
    /// The limits of the kernels, the same on any device.
    static let kernelCapabilities = BackendCapabilities(maxTopK: 256, maxHeadSize: 256)

    public func makeBuffer(byteCount: Int) throws -> any DeviceBuffer { try makeOpenCLBuffer(byteCount: byteCount) }

    func makeOpenCLBuffer(byteCount: Int) throws -> OpenCLBuffer {
        let buffer = try OpenCLBuffer(byteCount: byteCount, queue: queue, budget: budget)
        counts.allocations += 1
        return buffer
    }

    /// Attention needs scratch in global memory (`attentionScratchByteCount(_:)`), and so do products that quantise
    /// their activations and those of experts.
    public func reserve(_ limits: ExecutionLimits) throws {
        let merged = self.limits?.union(limits) ?? limits
        attentionScratch = try grown(attentionScratch, to: attentionScratchByteCount(merged))
        self.limits = merged
        try reserveQuantisedActivations()
        try reserveExpertGroups(merged)
    }

    /// Whether a capability passed its self-test. The first call runs the test and blocks.
    func has(_ capability: Capability) -> Bool {
        if let known = abilities[capability] { return known }
        let passed = probe(capability) == .passed
        abilities[capability] = passed
        return passed
    }

    func grown(_ buffer: OpenCLBuffer?, to byteCount: Int) throws -> OpenCLBuffer? {
        if byteCount <= buffer?.byteCount ?? 0 { return buffer }
        return try makeOpenCLBuffer(byteCount: byteCount)
    }

    public func synchronize() throws {
        counts.synchronizations += 1
        try finish()
        try collectTimes()
    }

    /// The compiled kernel. The first call builds it and blocks.
    func kernel(_ descriptor: KernelDescriptor) throws -> Kernel {
        let key = ObjectIdentifier(descriptor)
        if let kernel = kernels[key] { return kernel }
        let programKey = ObjectIdentifier(descriptor.program)
        let program = try programs[programKey] ?? builder.build(descriptor.program)
        programs[programKey] = program
        let kernel = try Kernel(descriptor, program: program, device: device)
        kernels[key] = kernel
        return kernel
    }

    var compiledKernels: some Collection<Kernel> { kernels.values }
}
