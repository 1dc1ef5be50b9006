internal import COpenCL
internal import TensorCore

/// A compiled kernel and the counts of its launches.
final class Kernel {
    let descriptor: KernelDescriptor
    let handle: OpaquePointer
    /// The most work-items a group of this kernel may have on the device.
    let maxWorkGroupSize: Int
    var profile: ProfileEntry

    init(_ descriptor: KernelDescriptor, program: OpaquePointer, device: OpenCLDevice) throws {
        self.descriptor = descriptor
        let handle = try checkedObject("clCreateKernel(\(descriptor.name))", device: device.name) {
            ocl_create_kernel(program, descriptor.name, $0)
        }
        self.handle = handle
        profile = ProfileEntry(kernel: descriptor.name)
        var groupSize = 0
        let code = ocl_get_kernel_work_group_info(
            handle, device.handle, OCL_KERNEL_WORK_GROUP_SIZE, MemoryLayout<Int>.size, &groupSize, nil)
        maxWorkGroupSize = code == 0 && groupSize > 0 ? groupSize : device.maxWorkGroupSize
        var slotCount: UInt32 = 0
        try check(
            ocl_get_kernel_info(
                handle, OCL_KERNEL_NUM_ARGS, MemoryLayout<UInt32>.size, &slotCount, nil),
            "clGetKernelInfo")
        let expected = descriptor.arguments.reduce(0) { $0 + $1.slotCount }
        guard Int(slotCount) == expected else {
            throw BackendError.invalidArgument(
                op: descriptor.name, reason: "the kernel has \(slotCount) parameters, its description \(expected)")
        }
    }

    deinit { _ = ocl_release_kernel(handle) }
}

/// The work-items of a launch: `global` of them (rounded up to whole groups), `local` in a group.
package struct LaunchRange {
    let dimensions: UInt32
    let global: (Int, Int, Int)
    let local: (Int, Int, Int)

    package init(_ global: Int, local: Int) {
        dimensions = 1
        self.global = (LaunchRange.round(global, to: local), 1, 1)
        self.local = (local, 1, 1)
    }

    init(_ global: (Int, Int), local: (Int, Int)) {
        dimensions = 2
        self.global = (LaunchRange.round(global.0, to: local.0), LaunchRange.round(global.1, to: local.1), 1)
        self.local = (local.0, local.1, 1)
    }

    init(_ global: (Int, Int, Int), local: (Int, Int, Int)) {
        dimensions = 3
        self.global = (
            LaunchRange.round(global.0, to: local.0), LaunchRange.round(global.1, to: local.1),
            LaunchRange.round(global.2, to: local.2)
        )
        self.local = local
    }

    var isEmpty: Bool { global.0 == 0 || global.1 == 0 || global.2 == 0 }
    var groupSize: Int { local.0 * local.1 * local.2 }

    private static func round(_ value: Int, to multiple: Int) -> Int {
        precondition(value >= 0 && multiple > 0, "launch of \(value) work-items in groups of \(multiple)")
        return (value + multiple - 1) / multiple * multiple
    }
}

/// What a launch must move and compute, for the profile.
package struct LaunchCost {
    var byteCount: Int
    var flopCount: Int

    package init(bytes: Int, flops: Int) {
        byteCount = bytes
        flopCount = flops
    }
}
