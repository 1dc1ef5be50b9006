// A pool of threads that share the tasks of one job at a time. The thread that runs a job takes part in it.
#pragma once
#include <stdint.h>

typedef struct thread_pool thread_pool;
/// Runs one task of a job. `worker` is 0 for the thread that called `thread_pool_run`, and below the pool's thread
/// count.
typedef void (*pool_task)(void *job, int64_t task, int worker);

/// NULL where memory or threads run out.
thread_pool *thread_pool_create(int threads);
void thread_pool_destroy(thread_pool *pool);
int thread_pool_threads(const thread_pool *pool);
/// Runs tasks `0..<count` and returns when all are done. Their order, and which thread runs which task, are not
/// defined.
void thread_pool_run(thread_pool *pool, pool_task task, void *job, int64_t count);
