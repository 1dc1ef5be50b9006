internal import COpenCL
public import TensorCore

/// A launch whose time is not collected yet.
struct TimedLaunch {
    let kernel: Kernel
    let event: OpaquePointer
}

extension OpenCLBackend {
    /// The number of events that are kept before their times are collected.
    private static let maxTimedLaunches = 8192

    public func setProfiling(_ enabled: Bool) {
        if enabled {
            for timed in timedLaunches { _ = ocl_release_event(timed.event) }
            timedLaunches.removeAll(keepingCapacity: true)
            for kernel in compiledKernels { kernel.profile = ProfileEntry(kernel: kernel.descriptor.name) }
        }
        do {
            try runChain()
            try queue.setProfiling(enabled)
        } catch {
            options.warn("kernels are counted but not timed: \(error)")
        }
        isCollectingProfile = enabled
    }

    public func profile() throws -> [ProfileEntry] {
        try synchronize()
        return compiledKernels.map(\.profile).filter { $0.launches > 0 }
            .sorted { ($0.seconds, $1.kernel) > ($1.seconds, $0.kernel) }
    }

    func remember(_ event: OpaquePointer, of kernel: Kernel) throws {
        timedLaunches.append(TimedLaunch(kernel: kernel, event: event))
        if timedLaunches.count >= Self.maxTimedLaunches { try synchronize() }
    }

    /// Adds the times of finished launches; launches that the driver did not time count as zero.
    func collectTimes() throws {
        guard !timedLaunches.isEmpty else { return }
        for timed in timedLaunches {
            var start: UInt64 = 0
            var end: UInt64 = 0
            let size = MemoryLayout<UInt64>.size
            let startCode = ocl_get_event_profiling_info(
                timed.event, OCL_PROFILING_COMMAND_START, size, &start, nil)
            let endCode = ocl_get_event_profiling_info(timed.event, OCL_PROFILING_COMMAND_END, size, &end, nil)
            if startCode == 0, endCode == 0, end > start { timed.kernel.profile.seconds += Double(end - start) * 1e-9 }
            _ = ocl_release_event(timed.event)
        }
        timedLaunches.removeAll(keepingCapacity: true)
    }
}
