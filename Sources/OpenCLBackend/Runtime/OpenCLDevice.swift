internal import COpenCL
internal import TensorCore

/// One OpenCL device and what its driver says about it.
///
/// Drivers answer oddly: a question that fails or whose answer makes no sense leaves an empty or zero value here and
/// never stops the search.
public struct OpenCLDevice: Sendable {
    /// What kind of processor the device is.
    public enum Kind: String, Sendable {
        case cpu, gpu, accelerator, other
    }

    // SAFETY: an OpenCL handle of a root device is valid for the life of the process and may be used by any thread.
    nonisolated(unsafe) let handle: OpaquePointer
    nonisolated(unsafe) let platformHandle: OpaquePointer

    public let platformName: String
    public let platformVersion: String
    public let name: String
    public let vendor: String
    /// Such as `OpenCL 3.0 PoCL`.
    public let version: String
    public let driverVersion: String
    /// Such as `OpenCL C 1.2`.
    public let languageVersion: String
    public let kind: Kind
    public let computeUnitCount: Int
    public let maxWorkGroupSize: Int
    public let memoryByteCount: Int
    public let maxAllocationByteCount: Int
    public let localMemoryByteCount: Int
    /// Whether the device reads host memory where it lies.
    public let sharesHostMemory: Bool
    /// Whether kernels can be timed with events.
    public let canProfile: Bool
    /// Whether the driver compiles kernels and the device takes work.
    public let isUsable: Bool
    public let extensions: [String]

    /// Every device of every platform, in the drivers' order; empty where there is none.
    /// - Throws: `BackendError.libraryMissing` where libOpenCL cannot be opened, or a driver crashes or hangs.
    public static func all() throws -> [OpenCLDevice] {
        if case .failed(let reason) = DriverTrial.result {
            throw BackendError.libraryMissing(
                name: "OpenCL", reason: reason + "; mend it or leave it out (OCL_ICD_VENDORS), or take --device cpu")
        }
        guard ocl_load() else {
            throw BackendError.libraryMissing(name: "OpenCL", reason: String(cString: ocl_load_error()))
        }
        return platforms().flatMap { platform in
            devices(of: platform).map { OpenCLDevice(handle: $0, platform: platform) }
        }
    }

    /// More platforms or devices than any machine has: a larger count is a driver's mistake.
    private static let maxCount: UInt32 = 1024

    private static func platforms() -> [OpaquePointer] {
        list { ocl_get_platform_ids($0, $1, $2) }
    }

    private static func devices(of platform: OpaquePointer) -> [OpaquePointer] {
        list { ocl_get_device_ids(platform, OCL_DEVICE_TYPE_ALL, $0, $1, $2) }
    }

    private static func list(
        _ call: (UInt32, UnsafeMutablePointer<OpaquePointer?>?, UnsafeMutablePointer<UInt32>?) -> Int32
    ) -> [OpaquePointer] {
        var count: UInt32 = 0
        guard call(0, nil, &count) == 0, count > 0, count <= maxCount else { return [] }
        var handles = [OpaquePointer?](repeating: nil, count: Int(count))
        var filled: UInt32 = count
        guard call(count, &handles, &filled) == 0 else { return [] }
        return handles.prefix(Int(min(filled, count))).compactMap { $0 }
    }

    private init(handle: OpaquePointer, platform: OpaquePointer) {
        let device = InfoReader { ocl_get_device_info(handle, $0, $1, $2, $3) }
        let platformInfo = InfoReader { ocl_get_platform_info(platform, $0, $1, $2, $3) }
        self.handle = handle
        platformHandle = platform
        platformName = platformInfo.string(OCL_PLATFORM_NAME)
        platformVersion = platformInfo.string(OCL_PLATFORM_VERSION)
        name = device.string(OCL_DEVICE_NAME)
        vendor = device.string(OCL_DEVICE_VENDOR)
        version = device.string(OCL_DEVICE_VERSION)
        driverVersion = device.string(OCL_DRIVER_VERSION)
        languageVersion = device.string(OCL_DEVICE_OPENCL_C_VERSION)
        kind = Kind(bits: device.integer(OCL_DEVICE_TYPE))
        computeUnitCount = max(1, device.integer(OCL_DEVICE_MAX_COMPUTE_UNITS))
        maxWorkGroupSize = max(1, device.integer(OCL_DEVICE_MAX_WORK_GROUP_SIZE))
        memoryByteCount = device.integer(OCL_DEVICE_GLOBAL_MEM_SIZE)
        maxAllocationByteCount = device.integer(OCL_DEVICE_MAX_MEM_ALLOC_SIZE)
        localMemoryByteCount = device.integer(OCL_DEVICE_LOCAL_MEM_SIZE)
        sharesHostMemory = device.integer(OCL_DEVICE_HOST_UNIFIED_MEMORY) != 0
        canProfile =
            device.integer(OCL_DEVICE_QUEUE_PROPERTIES) & Int(OCL_QUEUE_PROFILING_ENABLE) != 0
        isUsable =
            device.integer(OCL_DEVICE_AVAILABLE) != 0
            && device.integer(OCL_DEVICE_COMPILER_AVAILABLE) != 0
        extensions = device.string(OCL_DEVICE_EXTENSIONS).split(separator: " ").map(String.init)
    }

    /// The extensions that kernels could use.
    public var notableExtensions: [String] {
        let notable: Set = [
            "cl_khr_fp16", "cl_khr_fp64", "cl_khr_subgroups", "cl_intel_subgroups", "cl_khr_integer_dot_product",
            "cl_nv_compiler_options", "cl_nv_device_attribute_query", "cl_amd_device_attribute_query",
            "cl_khr_il_program",
        ]
        return extensions.filter(notable.contains)
    }
}

extension OpenCLDevice.Kind {
    fileprivate init(bits: Int) {
        if bits & Int(OCL_DEVICE_TYPE_GPU) != 0 {
            self = .gpu
        } else if bits & Int(OCL_DEVICE_TYPE_ACCELERATOR) != 0 {
            self = .accelerator
        } else if bits & Int(OCL_DEVICE_TYPE_CPU) != 0 {
            self = .cpu
        } else {
            self = .other
        }
    }
}

/// Reads a driver's answers, whose sizes are not trusted.
private struct InfoReader {
    let call: (UInt32, Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> Int32

    /// The most bytes a string answer may have.
    private static let maxByteCount = 1 << 20

    /// Printable text, or an empty string.
    func string(_ question: UInt32) -> String {
        var byteCount = 0
        guard call(question, 0, nil, &byteCount) == 0, byteCount > 0, byteCount <= Self.maxByteCount else { return "" }
        var bytes = [UInt8](repeating: 0, count: byteCount)
        guard bytes.withUnsafeMutableBytes({ call(question, $0.count, $0.baseAddress, nil) }) == 0 else { return "" }
        let text = bytes.prefix { $0 != 0 }.map { $0 < 0x20 ? UInt8(ascii: " ") : $0 }
        return String(decoding: text, as: UTF8.self).split(separator: " ").joined(separator: " ")
    }

    /// A 1-, 4- or 8-byte unsigned answer, clamped to `Int`; 0 where there is none.
    func integer(_ question: UInt32) -> Int {
        var byteCount = 0
        var value: UInt64 = 0
        guard call(question, 0, nil, &byteCount) == 0, byteCount > 0, byteCount <= 8,
            call(question, byteCount, &value, nil) == 0
        else { return 0 }
        return Int(clamping: UInt64(littleEndian: value))
    }
}
