#define _GNU_SOURCE
#include "thread_pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// How a job is handed over: the caller fills in the job, then stores the number of its tasks in `remaining` (release).
// Whoever lowers `remaining` by one owns that task and, having acquired it, may read the job: it cannot change until
// every task that was taken has been counted in `completed`. A worker that comes late finds and touches nothing,
// so the caller never waits for a thread that has no task.

enum { CACHE_LINE = 128 };
// A worker looks for the next job this long before it sleeps: longer than the gap between two ops of a model, short
// enough that an idle engine uses no processor time.
static const int64_t spin_nanoseconds = 50 * 1000;
// The number of looks at memory between two looks at the clock.
enum { LOOKS_PER_CLOCK = 64 };

typedef struct {
    thread_pool *owner;
    pthread_t thread;
    int index;
} worker;

struct thread_pool {
    _Alignas(CACHE_LINE) _Atomic int64_t remaining;
    _Alignas(CACHE_LINE) _Atomic int64_t completed;
    // Raised when a job is posted; the word that workers sleep on.
    _Alignas(CACHE_LINE) _Atomic uint32_t epoch;
    _Atomic int32_t sleepers;
    _Atomic int stopping;
    _Alignas(CACHE_LINE) pool_task task;
    void *job;
    int64_t count;
    int threads;
    int started;
    worker *workers;
};

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

static int64_t now_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void take_tasks(thread_pool *pool, int index) {
    int64_t left = atomic_load_explicit(&pool->remaining, memory_order_relaxed);
    while (left > 0) {
        if (!atomic_compare_exchange_weak_explicit(
                &pool->remaining, &left, left - 1, memory_order_acquire, memory_order_relaxed))
            continue;
        pool->task(pool->job, pool->count - left, index);
        atomic_fetch_add_explicit(&pool->completed, 1, memory_order_release);
        left = atomic_load_explicit(&pool->remaining, memory_order_relaxed);
    }
}

// Waits until the epoch is no longer `seen`.
static void wait_for_epoch(thread_pool *pool, uint32_t seen) {
    int64_t deadline = now_nanoseconds() + spin_nanoseconds;
    do {
        for (int look = 0; look < LOOKS_PER_CLOCK; look++) {
            if (atomic_load_explicit(&pool->epoch, memory_order_acquire) != seen) return;
            relax();
        }
    } while (now_nanoseconds() < deadline);
    // The caller raises the epoch before it reads `sleepers`, and the kernel compares it before it sleeps: one of
    // the two sees the other.
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->epoch) == seen)
        syscall(SYS_futex, &pool->epoch, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&pool->sleepers, 1);
}

static void raise_epoch(thread_pool *pool) {
    atomic_fetch_add(&pool->epoch, 1);
    if (atomic_load(&pool->sleepers) > 0)
        syscall(SYS_futex, &pool->epoch, FUTEX_WAKE_PRIVATE, pool->threads, NULL, NULL, 0);
}

static void *work(void *argument) {
    worker *self = argument;
    thread_pool *pool = self->owner;
    uint32_t seen = 0;
    while (!atomic_load(&pool->stopping)) {
        wait_for_epoch(pool, seen);
        seen = atomic_load_explicit(&pool->epoch, memory_order_acquire);
        take_tasks(pool, self->index);
    }
    return NULL;
}

thread_pool *thread_pool_create(int threads) {
    thread_pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    if (!pool) return NULL;
    *pool = (struct thread_pool){.threads = threads < 1 ? 1 : threads};
    pool->workers = calloc((size_t)pool->threads, sizeof *pool->workers);
    if (!pool->workers) {
        free(pool);
        return NULL;
    }
    for (int index = 1; index < pool->threads; index++) {
        worker *next = &pool->workers[index];
        *next = (worker){.owner = pool, .index = index};
        if (pthread_create(&next->thread, NULL, work, next) != 0) {
            thread_pool_destroy(pool);
            return NULL;
        }
        pool->started++;
    }
    return pool;
}

void thread_pool_destroy(thread_pool *pool) {
    if (!pool) return;
    atomic_store(&pool->stopping, 1);
    raise_epoch(pool);
    for (int index = 1; index <= pool->started; index++) pthread_join(pool->workers[index].thread, NULL);
    free(pool->workers);
    free(pool);
}

int thread_pool_threads(const thread_pool *pool) { return pool->threads; }

void thread_pool_run(thread_pool *pool, pool_task task, void *job, int64_t count) {
    if (count <= 1 || pool->threads == 1) {
        for (int64_t index = 0; index < count; index++) task(job, index, 0);
        return;
    }
    pool->task = task;
    pool->job = job;
    pool->count = count;
    atomic_store_explicit(&pool->completed, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->remaining, count, memory_order_release);
    raise_epoch(pool);
    take_tasks(pool, 0);
    // The remaining tasks run on other threads, and are short. Where there are more threads than processors, yield to
    // the one we wait for.
    for (int look = 0; atomic_load_explicit(&pool->completed, memory_order_acquire) < count; look++) {
        if (look < 2000) relax();
        else sched_yield();
    }
}
