// A driver may abort, crash, exit or hang when it is first asked for its devices (PoCL 3.1 aborts where /sys is not
// mounted), and takes the process with it. So a child process asks first. The child calls C only, and ends by `_exit`.
#define _GNU_SOURCE  // pipe2
#include "COpenCL.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PLATFORMS = 64 };

static ocl_devices_found ask_for_devices(void) {
    cl_platform_id platforms[MAX_PLATFORMS];
    uint32_t platform_count = 0;
    ocl_devices_found found = OCL_FOUND_NONE;
    if (ocl_get_platform_ids(MAX_PLATFORMS, platforms, &platform_count) != OCL_SUCCESS) return found;
    for (uint32_t i = 0; i < platform_count && i < MAX_PLATFORMS; i++) {
        uint32_t count = 0;
        const uint64_t fast = OCL_DEVICE_TYPE_GPU | OCL_DEVICE_TYPE_ACCELERATOR;
        if (ocl_get_device_ids(platforms[i], fast, 0, NULL, &count) == OCL_SUCCESS && count > 0)
            return OCL_FOUND_ACCELERATOR;
        if (ocl_get_device_ids(platforms[i], OCL_DEVICE_TYPE_ALL, 0, NULL, &count) == OCL_SUCCESS && count > 0)
            found = OCL_FOUND_OTHER;
    }
    return found;
}

static _Noreturn void run_child(int answer) {
    // It dies with its parent, leaves no core file, and what its drivers print is not for people to read.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int descriptor = 0; nowhere >= 0 && descriptor <= 2; descriptor++) dup2(nowhere, descriptor);
    const unsigned char found = (unsigned char)(ocl_load() ? ask_for_devices() : OCL_FOUND_NO_LIBRARY);
    const bool told = write(answer, &found, 1) == 1;
    _exit(told ? 0 : 1);
}

static int64_t milliseconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Waits for the child's byte; its end without one is `OCL_TRIAL_ENDED`.
static ocl_trial_outcome wait_for_answer(int answer, int seconds, unsigned char *found) {
    const int64_t deadline = milliseconds_now() + (int64_t)seconds * 1000;
    for (;;) {
        const int64_t left = deadline - milliseconds_now();
        if (left <= 0) return OCL_TRIAL_TOO_LONG;
        struct pollfd ready = {.fd = answer, .events = POLLIN};
        const int count = poll(&ready, 1, (int)left);
        if (count < 0 && errno != EINTR) return OCL_TRIAL_IMPOSSIBLE;
        if (count <= 0) continue;
        const ssize_t length = read(answer, found, 1);
        if (length == 1) return OCL_TRIAL_ANSWERED;
        if (length == 0) return OCL_TRIAL_ENDED;
        if (errno != EINTR) return OCL_TRIAL_IMPOSSIBLE;
    }
}

ocl_trial ocl_try_drivers(int seconds) {
    ocl_trial trial = {.outcome = OCL_TRIAL_IMPOSSIBLE};
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) return trial;
    const pid_t child = fork();
    if (child == 0) run_child(pipe_ends[1]);
    close(pipe_ends[1]);
    if (child > 0) {
        unsigned char found = OCL_FOUND_NONE;
        trial.outcome = wait_for_answer(pipe_ends[0], seconds, &found);
        trial.found = (ocl_devices_found)found;
        // An answer is all that is wanted of the child: what its drivers do when a process ends does not matter.
        if (trial.outcome != OCL_TRIAL_ENDED) kill(child, SIGKILL);
        int status = 0;
        pid_t ended;
        do ended = waitpid(child, &status, 0);
        while (ended < 0 && errno == EINTR);
        if (ended == child && WIFSIGNALED(status)) trial.signal = WTERMSIG(status);
        if (ended == child && WIFEXITED(status)) trial.exit_code = WEXITSTATUS(status);
    }
    close(pipe_ends[0]);
    return trial;
}
