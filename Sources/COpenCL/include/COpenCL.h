// The part of OpenCL 1.2's API that `infer` uses, called through a table that is filled from libOpenCL.so.1 when the
// program runs: it starts, and says what is missing, where no OpenCL is installed. The declarations follow the OpenCL
// 1.2 specification, section 5, so no OpenCL header is needed to build.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct _cl_platform_id *cl_platform_id;
typedef struct _cl_device_id *cl_device_id;
typedef struct _cl_context *cl_context;
typedef struct _cl_command_queue *cl_command_queue;
typedef struct _cl_mem *cl_mem;
typedef struct _cl_program *cl_program;
typedef struct _cl_kernel *cl_kernel;
typedef struct _cl_event *cl_event;

typedef void (*ocl_context_notify)(const char *message, const void *info, size_t info_size, void *user_data);

static const int32_t OCL_SUCCESS = 0;
static const int32_t OCL_DEVICE_NOT_FOUND = -1;
static const int32_t OCL_MEM_OBJECT_ALLOCATION_FAILURE = -4;
static const int32_t OCL_OUT_OF_RESOURCES = -5;
static const int32_t OCL_OUT_OF_HOST_MEMORY = -6;
static const int32_t OCL_PROFILING_INFO_NOT_AVAILABLE = -7;
static const int32_t OCL_BUILD_PROGRAM_FAILURE = -11;
static const int32_t OCL_INVALID_BUFFER_SIZE = -61;
static const int32_t OCL_PLATFORM_NOT_FOUND_KHR = -1001;

static const uint32_t OCL_PLATFORM_VERSION = 0x0901;
static const uint32_t OCL_PLATFORM_NAME = 0x0902;
static const uint32_t OCL_PLATFORM_VENDOR = 0x0903;
static const uint32_t OCL_DEVICE_TYPE = 0x1000;
static const uint32_t OCL_DEVICE_VENDOR_ID = 0x1001;
static const uint32_t OCL_DEVICE_MAX_COMPUTE_UNITS = 0x1002;
static const uint32_t OCL_DEVICE_MAX_WORK_GROUP_SIZE = 0x1004;
static const uint32_t OCL_DEVICE_MAX_MEM_ALLOC_SIZE = 0x1010;
static const uint32_t OCL_DEVICE_MEM_BASE_ADDR_ALIGN = 0x1019;
static const uint32_t OCL_DEVICE_GLOBAL_MEM_SIZE = 0x101F;
static const uint32_t OCL_DEVICE_LOCAL_MEM_SIZE = 0x1023;
static const uint32_t OCL_DEVICE_AVAILABLE = 0x1027;
static const uint32_t OCL_DEVICE_COMPILER_AVAILABLE = 0x1028;
static const uint32_t OCL_DEVICE_QUEUE_PROPERTIES = 0x102A;
static const uint32_t OCL_DEVICE_NAME = 0x102B;
static const uint32_t OCL_DEVICE_VENDOR = 0x102C;
static const uint32_t OCL_DRIVER_VERSION = 0x102D;
static const uint32_t OCL_DEVICE_VERSION = 0x102F;
static const uint32_t OCL_DEVICE_EXTENSIONS = 0x1030;
static const uint32_t OCL_DEVICE_HOST_UNIFIED_MEMORY = 0x1035;
static const uint32_t OCL_DEVICE_OPENCL_C_VERSION = 0x103D;
static const uint32_t OCL_CONTEXT_PLATFORM = 0x1084;
static const uint32_t OCL_PROGRAM_BINARY_SIZES = 0x1165;
static const uint32_t OCL_PROGRAM_BINARIES = 0x1166;
static const uint32_t OCL_PROGRAM_BUILD_LOG = 0x1183;
static const uint32_t OCL_KERNEL_NUM_ARGS = 0x1191;
static const uint32_t OCL_KERNEL_WORK_GROUP_SIZE = 0x11B0;
static const uint32_t OCL_EVENT_COMMAND_EXECUTION_STATUS = 0x11D3;
static const uint32_t OCL_PROFILING_COMMAND_START = 0x1282;
static const uint32_t OCL_PROFILING_COMMAND_END = 0x1283;

static const uint64_t OCL_DEVICE_TYPE_CPU = 1 << 1;
static const uint64_t OCL_DEVICE_TYPE_GPU = 1 << 2;
static const uint64_t OCL_DEVICE_TYPE_ACCELERATOR = 1 << 3;

static const uint64_t OCL_DEVICE_TYPE_ALL = 0xFFFFFFFF;

static const uint64_t OCL_MEM_READ_WRITE = 1 << 0;
static const uint64_t OCL_MEM_READ_ONLY = 1 << 2;
static const uint64_t OCL_MEM_USE_HOST_PTR = 1 << 3;

static const uint64_t OCL_QUEUE_PROFILING_ENABLE = 1 << 1;

/// Opens the library once, however often it is called.
/// Returns true where every function of the table was found; otherwise `ocl_load_error()` says why not.
bool ocl_load(void);
/// One line, valid for the life of the process; empty where the library was opened.
const char *ocl_load_error(void);

/// What a child process found that asked the drivers for their devices.
typedef enum { OCL_FOUND_NONE, OCL_FOUND_OTHER, OCL_FOUND_ACCELERATOR, OCL_FOUND_NO_LIBRARY } ocl_devices_found;
/// How its asking ended: with an answer; with the child's own end before it; not in time; it could not be started.
typedef enum { OCL_TRIAL_ANSWERED, OCL_TRIAL_ENDED, OCL_TRIAL_TOO_LONG, OCL_TRIAL_IMPOSSIBLE } ocl_trial_outcome;
typedef struct {
    ocl_trial_outcome outcome;
    /// Meaningful for `OCL_TRIAL_ANSWERED`.
    ocl_devices_found found;
    /// Of `OCL_TRIAL_ENDED`: the signal that ended the child, or 0 and the code that it exited with.
    int signal, exit_code;
} ocl_trial;
/// Asks the drivers for their devices in a child process, which a driver that crashes ends instead of this one. Blocks
/// for `seconds` at most. To be called before `ocl_load()`.
ocl_trial ocl_try_drivers(int seconds);

/// Lets go of the resident pages of large libraries' code, most of which only ran when they were opened.
void ocl_release_code_pages(void);

// All of these may be called only after `ocl_load()` returned true.
int32_t ocl_get_platform_ids(uint32_t capacity, cl_platform_id *platforms, uint32_t *count);
int32_t ocl_get_platform_info(cl_platform_id, uint32_t name, size_t size, void *value, size_t *size_out);
int32_t ocl_get_device_ids(cl_platform_id, uint64_t type, uint32_t capacity, cl_device_id *devices, uint32_t *count);
int32_t ocl_get_device_info(cl_device_id, uint32_t name, size_t size, void *value, size_t *size_out);
cl_context ocl_create_context(
    cl_platform_id, cl_device_id, ocl_context_notify notify, void *user_data, int32_t *error);
int32_t ocl_release_context(cl_context);
cl_command_queue ocl_create_command_queue(cl_context, cl_device_id, uint64_t properties, int32_t *error);
int32_t ocl_release_command_queue(cl_command_queue);
cl_mem ocl_create_buffer(cl_context, uint64_t flags, size_t size, void *host_pointer, int32_t *error);
int32_t ocl_release_mem_object(cl_mem);
cl_program ocl_create_program_with_source(cl_context, const char *text, size_t length, int32_t *error);
cl_program ocl_create_program_with_binary(
    cl_context, cl_device_id, const unsigned char *binary, size_t length, int32_t *error);
int32_t ocl_build_program(cl_program, cl_device_id, const char *options);
int32_t ocl_get_program_info(cl_program, uint32_t name, size_t size, void *value, size_t *size_out);
int32_t ocl_get_program_build_info(
    cl_program, cl_device_id, uint32_t name, size_t size, void *value, size_t *size_out);
int32_t ocl_release_program(cl_program);
cl_kernel ocl_create_kernel(cl_program, const char *name, int32_t *error);
int32_t ocl_release_kernel(cl_kernel);
int32_t ocl_set_kernel_arg(cl_kernel, uint32_t index, size_t size, const void *value);
int32_t ocl_get_kernel_info(cl_kernel, uint32_t name, size_t size, void *value, size_t *size_out);
int32_t ocl_get_kernel_work_group_info(
    cl_kernel, cl_device_id, uint32_t name, size_t size, void *value, size_t *size_out);
int32_t ocl_enqueue_ndrange_kernel(
    cl_command_queue, cl_kernel, uint32_t dimensions, const size_t *global, const size_t *local, cl_event *event);
int32_t ocl_enqueue_read_buffer(
    cl_command_queue, cl_mem, bool blocking, size_t offset, size_t size, void *pointer);
int32_t ocl_enqueue_write_buffer(
    cl_command_queue, cl_mem, bool blocking, size_t offset, size_t size, const void *pointer);
/// A marker that completes after everything enqueued before it.
int32_t ocl_enqueue_marker(cl_command_queue, cl_event *event);
int32_t ocl_flush(cl_command_queue);
int32_t ocl_finish(cl_command_queue);
int32_t ocl_get_event_info(cl_event, uint32_t name, size_t size, void *value, size_t *size_out);
int32_t ocl_get_event_profiling_info(cl_event, uint32_t name, size_t size, void *value, size_t *size_out);
int32_t ocl_release_event(cl_event);

/// Whether the processor of this program has AVX2, or AVX-512 (F, BW, VL, DQ), alone, with VNNI, or with BF16.
bool ocl_host_has_avx2(void);
bool ocl_host_has_avx512(void);
bool ocl_host_has_avx512_vnni(void);
bool ocl_host_has_avx512_bf16(void);
