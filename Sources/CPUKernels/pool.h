// A pool of threads that share out the tasks of one job at a time. The thread that runs a job takes part in it.
#pragma once
#include <stdint.h>

typedef struct pool pool;
/// Runs one task of a job. `worker` is 0 for the thread that called `pool_run`, and below the pool's thread count.
typedef void (*pool_task)(void *job, int64_t task, int worker);

/// NULL where memory or threads run out.
pool *pool_create(int threads);
void pool_destroy(pool *pool);
int pool_threads(const pool *pool);
/// Runs tasks `0..<count` and returns when all are done. Their order and their threads are not defined.
void pool_run(pool *pool, pool_task task, void *job, int64_t count);
