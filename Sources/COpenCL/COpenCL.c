#include "COpenCL.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

// name, result, parameters: one row a function, in the order of the header.
#define OCL_FUNCTIONS(F)                                                                                               \
    F(clGetPlatformIDs, int32_t, (uint32_t, cl_platform_id *, uint32_t *))                                             \
    F(clGetPlatformInfo, int32_t, (cl_platform_id, uint32_t, size_t, void *, size_t *))                                \
    F(clGetDeviceIDs, int32_t, (cl_platform_id, uint64_t, uint32_t, cl_device_id *, uint32_t *))                       \
    F(clGetDeviceInfo, int32_t, (cl_device_id, uint32_t, size_t, void *, size_t *))                                    \
    F(clCreateContext, cl_context,                                                                                     \
      (const intptr_t *, uint32_t, const cl_device_id *, ocl_context_notify, void *, int32_t *))                       \
    F(clReleaseContext, int32_t, (cl_context))                                                                         \
    F(clCreateCommandQueue, cl_command_queue, (cl_context, cl_device_id, uint64_t, int32_t *))                         \
    F(clReleaseCommandQueue, int32_t, (cl_command_queue))                                                              \
    F(clCreateBuffer, cl_mem, (cl_context, uint64_t, size_t, void *, int32_t *))                                       \
    F(clReleaseMemObject, int32_t, (cl_mem))                                                                           \
    F(clCreateProgramWithSource, cl_program, (cl_context, uint32_t, const char **, const size_t *, int32_t *))         \
    F(clCreateProgramWithBinary, cl_program,                                                                           \
      (cl_context, uint32_t, const cl_device_id *, const size_t *, const unsigned char **, int32_t *, int32_t *))      \
    F(clBuildProgram, int32_t,                                                                                         \
      (cl_program, uint32_t, const cl_device_id *, const char *, void (*)(cl_program, void *), void *))                \
    F(clGetProgramInfo, int32_t, (cl_program, uint32_t, size_t, void *, size_t *))                                     \
    F(clGetProgramBuildInfo, int32_t, (cl_program, cl_device_id, uint32_t, size_t, void *, size_t *))                  \
    F(clReleaseProgram, int32_t, (cl_program))                                                                         \
    F(clCreateKernel, cl_kernel, (cl_program, const char *, int32_t *))                                                \
    F(clReleaseKernel, int32_t, (cl_kernel))                                                                           \
    F(clSetKernelArg, int32_t, (cl_kernel, uint32_t, size_t, const void *))                                            \
    F(clGetKernelInfo, int32_t, (cl_kernel, uint32_t, size_t, void *, size_t *))                                       \
    F(clGetKernelWorkGroupInfo, int32_t, (cl_kernel, cl_device_id, uint32_t, size_t, void *, size_t *))                \
    F(clEnqueueNDRangeKernel, int32_t,                                                                                 \
      (cl_command_queue, cl_kernel, uint32_t, const size_t *, const size_t *, const size_t *, uint32_t,                \
       const cl_event *, cl_event *))                                                                                  \
    F(clEnqueueReadBuffer, int32_t,                                                                                    \
      (cl_command_queue, cl_mem, uint32_t, size_t, size_t, void *, uint32_t, const cl_event *, cl_event *))            \
    F(clEnqueueWriteBuffer, int32_t,                                                                                   \
      (cl_command_queue, cl_mem, uint32_t, size_t, size_t, const void *, uint32_t, const cl_event *, cl_event *))      \
    F(clEnqueueMarkerWithWaitList, int32_t, (cl_command_queue, uint32_t, const cl_event *, cl_event *))                \
    F(clFlush, int32_t, (cl_command_queue))                                                                            \
    F(clFinish, int32_t, (cl_command_queue))                                                                           \
    F(clGetEventInfo, int32_t, (cl_event, uint32_t, size_t, void *, size_t *))                                         \
    F(clGetEventProfilingInfo, int32_t, (cl_event, uint32_t, size_t, void *, size_t *))                                \
    F(clReleaseEvent, int32_t, (cl_event))

#define OCL_FIELD(name, result, parameters) result(*name) parameters;
static struct { OCL_FUNCTIONS(OCL_FIELD) } cl;
#undef OCL_FIELD

static pthread_once_t load_once = PTHREAD_ONCE_INIT;
static bool loaded = false;
static char load_error[512] = "";

static void load(void) {
    // PoCL compiles a kernel when its binary is asked for, and again when it is launched, for the work-groups at hand.
    // Ours fix their work-groups in the source, so the second time would only take time.
    setenv("POCL_WORK_GROUP_SPECIALIZATION", "0", 0);
    void *library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *reason = dlerror();
        snprintf(load_error, sizeof load_error, "%s", reason ? reason : "libOpenCL.so.1 could not be opened");
        return;
    }
    const char *missing = NULL;
#define OCL_FIND(name, result, parameters)                                                                             \
    *(void **)&cl.name = dlsym(library, #name);                                                                        \
    if (!cl.name) missing = #name;
    OCL_FUNCTIONS(OCL_FIND)
#undef OCL_FIND
    if (missing) {
        snprintf(load_error, sizeof load_error, "libOpenCL.so.1 has no %s (OpenCL 1.2 is needed)", missing);
        return;
    }
    loaded = true;
}

bool ocl_load(void) {
    pthread_once(&load_once, load);
    return loaded;
}

const char *ocl_load_error(void) { return load_error; }

int32_t ocl_get_platform_ids(uint32_t capacity, cl_platform_id *platforms, uint32_t *count) {
    return cl.clGetPlatformIDs(capacity, platforms, count);
}

int32_t ocl_get_platform_info(cl_platform_id platform, uint32_t name, size_t size, void *value, size_t *size_out) {
    return cl.clGetPlatformInfo(platform, name, size, value, size_out);
}

int32_t ocl_get_device_ids(
    cl_platform_id platform, uint64_t type, uint32_t capacity, cl_device_id *devices, uint32_t *count) {
    return cl.clGetDeviceIDs(platform, type, capacity, devices, count);
}

int32_t ocl_get_device_info(cl_device_id device, uint32_t name, size_t size, void *value, size_t *size_out) {
    return cl.clGetDeviceInfo(device, name, size, value, size_out);
}

cl_context ocl_create_context(
    cl_platform_id platform, cl_device_id device, ocl_context_notify notify, void *user_data, int32_t *error) {
    const intptr_t properties[] = {(intptr_t)OCL_CONTEXT_PLATFORM, (intptr_t)platform, 0};
    return cl.clCreateContext(properties, 1, &device, notify, user_data, error);
}

int32_t ocl_release_context(cl_context context) { return cl.clReleaseContext(context); }

cl_command_queue ocl_create_command_queue(
    cl_context context, cl_device_id device, uint64_t properties, int32_t *error) {
    return cl.clCreateCommandQueue(context, device, properties, error);
}

int32_t ocl_release_command_queue(cl_command_queue queue) { return cl.clReleaseCommandQueue(queue); }

cl_mem ocl_create_buffer(cl_context context, uint64_t flags, size_t size, void *host_pointer, int32_t *error) {
    return cl.clCreateBuffer(context, flags, size, host_pointer, error);
}

int32_t ocl_release_mem_object(cl_mem memory) { return cl.clReleaseMemObject(memory); }

cl_program ocl_create_program_with_source(cl_context context, const char *text, size_t length, int32_t *error) {
    return cl.clCreateProgramWithSource(context, 1, &text, &length, error);
}

cl_program ocl_create_program_with_binary(
    cl_context context, cl_device_id device, const unsigned char *binary, size_t length, int32_t *error) {
    int32_t status = OCL_SUCCESS;
    cl_program program = cl.clCreateProgramWithBinary(context, 1, &device, &length, &binary, &status, error);
    if (program && status != OCL_SUCCESS) {
        cl.clReleaseProgram(program);
        *error = status;
        return NULL;
    }
    return program;
}

int32_t ocl_build_program(cl_program program, cl_device_id device, const char *options) {
    return cl.clBuildProgram(program, 1, &device, options, NULL, NULL);
}

int32_t ocl_get_program_info(cl_program program, uint32_t name, size_t size, void *value, size_t *size_out) {
    return cl.clGetProgramInfo(program, name, size, value, size_out);
}

int32_t ocl_get_program_build_info(
    cl_program program, cl_device_id device, uint32_t name, size_t size, void *value, size_t *size_out) {
    return cl.clGetProgramBuildInfo(program, device, name, size, value, size_out);
}

int32_t ocl_release_program(cl_program program) { return cl.clReleaseProgram(program); }

cl_kernel ocl_create_kernel(cl_program program, const char *name, int32_t *error) {
    return cl.clCreateKernel(program, name, error);
}

int32_t ocl_release_kernel(cl_kernel kernel) { return cl.clReleaseKernel(kernel); }

int32_t ocl_set_kernel_arg(cl_kernel kernel, uint32_t index, size_t size, const void *value) {
    return cl.clSetKernelArg(kernel, index, size, value);
}

int32_t ocl_get_kernel_info(cl_kernel kernel, uint32_t name, size_t size, void *value, size_t *size_out) {
    return cl.clGetKernelInfo(kernel, name, size, value, size_out);
}

int32_t ocl_get_kernel_work_group_info(
    cl_kernel kernel, cl_device_id device, uint32_t name, size_t size, void *value, size_t *size_out) {
    return cl.clGetKernelWorkGroupInfo(kernel, device, name, size, value, size_out);
}

int32_t ocl_enqueue_ndrange_kernel(
    cl_command_queue queue, cl_kernel kernel, uint32_t dimensions, const size_t *global, const size_t *local,
    cl_event *event) {
    return cl.clEnqueueNDRangeKernel(queue, kernel, dimensions, NULL, global, local, 0, NULL, event);
}

int32_t ocl_enqueue_read_buffer(
    cl_command_queue queue, cl_mem memory, bool blocking, size_t offset, size_t size, void *pointer) {
    return cl.clEnqueueReadBuffer(queue, memory, blocking, offset, size, pointer, 0, NULL, NULL);
}

int32_t ocl_enqueue_write_buffer(
    cl_command_queue queue, cl_mem memory, bool blocking, size_t offset, size_t size, const void *pointer) {
    return cl.clEnqueueWriteBuffer(queue, memory, blocking, offset, size, pointer, 0, NULL, NULL);
}

int32_t ocl_enqueue_marker(cl_command_queue queue, cl_event *event) {
    return cl.clEnqueueMarkerWithWaitList(queue, 0, NULL, event);
}

int32_t ocl_flush(cl_command_queue queue) { return cl.clFlush(queue); }

int32_t ocl_finish(cl_command_queue queue) { return cl.clFinish(queue); }

int32_t ocl_get_event_info(cl_event event, uint32_t name, size_t size, void *value, size_t *size_out) {
    return cl.clGetEventInfo(event, name, size, value, size_out);
}

int32_t ocl_get_event_profiling_info(cl_event event, uint32_t name, size_t size, void *value, size_t *size_out) {
    return cl.clGetEventProfilingInfo(event, name, size, value, size_out);
}

int32_t ocl_release_event(cl_event event) { return cl.clReleaseEvent(event); }
