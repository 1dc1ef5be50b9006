internal import COpenCL
internal import TensorCore

/// The one checker of OpenCL status codes: throws `BackendError` with the call's and the code's name.
func check(_ code: Int32, _ call: @autoclosure () -> String, device: String = "the device") throws {
    guard code != OCL_SUCCESS else { return }
    throw clError(code, call(), device: device)
}

/// What a failed call is reported as.
func clError(_ code: Int32, _ call: String, device: String, requestedByteCount: Int = 0) -> BackendError {
    let isMemory =
        code == OCL_MEM_OBJECT_ALLOCATION_FAILURE || code == OCL_OUT_OF_HOST_MEMORY
        || (code == OCL_OUT_OF_RESOURCES && requestedByteCount > 0)
    if isMemory { return .outOfMemory(requestedByteCount: requestedByteCount, device: device) }
    return .deviceFailure(op: call, code: Int(code), name: clErrorName(code))
}

/// Runs a call that returns an object and gives its status through a pointer.
func checkedObject<Object>(
    _ call: @autoclosure () -> String, device: String = "the device", requestedByteCount: Int = 0,
    _ body: (UnsafeMutablePointer<Int32>) -> Object?
) throws -> Object {
    var code = OCL_SUCCESS
    let object = body(&code)
    if let object, code == OCL_SUCCESS { return object }
    throw clError(code, call(), device: device, requestedByteCount: requestedByteCount)
}

/// The specification's name of a status code, without `CL_`.
func clErrorName(_ code: Int32) -> String {
    let runtime = [
        "SUCCESS", "DEVICE_NOT_FOUND", "DEVICE_NOT_AVAILABLE", "COMPILER_NOT_AVAILABLE",
        "MEM_OBJECT_ALLOCATION_FAILURE", "OUT_OF_RESOURCES", "OUT_OF_HOST_MEMORY", "PROFILING_INFO_NOT_AVAILABLE",
        "MEM_COPY_OVERLAP", "IMAGE_FORMAT_MISMATCH", "IMAGE_FORMAT_NOT_SUPPORTED", "BUILD_PROGRAM_FAILURE",
        "MAP_FAILURE", "MISALIGNED_SUB_BUFFER_OFFSET", "EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
        "COMPILE_PROGRAM_FAILURE", "LINKER_NOT_AVAILABLE", "LINK_PROGRAM_FAILURE", "DEVICE_PARTITION_FAILED",
        "KERNEL_ARG_INFO_NOT_AVAILABLE",
    ]
    let invalid = [
        "INVALID_VALUE", "INVALID_DEVICE_TYPE", "INVALID_PLATFORM", "INVALID_DEVICE", "INVALID_CONTEXT",
        "INVALID_QUEUE_PROPERTIES", "INVALID_COMMAND_QUEUE", "INVALID_HOST_PTR", "INVALID_MEM_OBJECT",
        "INVALID_IMAGE_FORMAT_DESCRIPTOR", "INVALID_IMAGE_SIZE", "INVALID_SAMPLER", "INVALID_BINARY",
        "INVALID_BUILD_OPTIONS", "INVALID_PROGRAM", "INVALID_PROGRAM_EXECUTABLE", "INVALID_KERNEL_NAME",
        "INVALID_KERNEL_DEFINITION", "INVALID_KERNEL", "INVALID_ARG_INDEX", "INVALID_ARG_VALUE",
        "INVALID_ARG_SIZE", "INVALID_KERNEL_ARGS", "INVALID_WORK_DIMENSION", "INVALID_WORK_GROUP_SIZE",
        "INVALID_WORK_ITEM_SIZE", "INVALID_GLOBAL_OFFSET", "INVALID_EVENT_WAIT_LIST", "INVALID_EVENT",
        "INVALID_OPERATION", "INVALID_GL_OBJECT", "INVALID_BUFFER_SIZE", "INVALID_MIP_LEVEL",
        "INVALID_GLOBAL_WORK_SIZE", "INVALID_PROPERTY", "INVALID_IMAGE_DESCRIPTOR", "INVALID_COMPILER_OPTIONS",
        "INVALID_LINKER_OPTIONS", "INVALID_DEVICE_PARTITION_COUNT",
    ]
    let positive = -Int(code)
    if runtime.indices.contains(positive) { return runtime[positive] }
    if invalid.indices.contains(positive - 30) { return invalid[positive - 30] }
    return code == OCL_PLATFORM_NOT_FOUND_KHR ? "PLATFORM_NOT_FOUND_KHR" : "unknown OpenCL status"
}
