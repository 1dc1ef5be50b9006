// run_chain: runs recorded launches one behind the other, on all compute units of a CPU device, in one launch. Threads
// wait for one another awake, which takes less than a microsecond; a launch of its own takes PoCL ten and more.
//
// A command is CHAIN_COMMAND_WORDS words: the function's number, its items in all, in the first and in the second
// dimension, a word of two counters (items taken, items done; both 0 at first), three unused ones, then the arguments
// in the order of the kernel's, buffers as addresses.
//
// A work-group takes items of a command until there are none and waits until all are done before the next command. It
// waits only for items that a running work-group has taken, so it does not matter how many groups run at once.
//
//   commands  [count, CHAIN_COMMAND_WORDS] ulong
// Geometry: global [compute units], local [1]. Local memory: `scratch`, as much as the function that needs most.
// Build macros: IS_CHAIN; CHAIN_COMMAND_WORDS; CHAIN_CASES, the calls `case <number>: <function>(…); break;`.

__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void run_chain(__global ulong *commands, const ulong commands_offset, const uint count, __local uint *scratch)
{
    for (uint c = 0; c < count; ++c) {
        __global ulong *command = commands + commands_offset + (ulong)c * CHAIN_COMMAND_WORDS;
        volatile __global uint *counters = (volatile __global uint *)(command + 4);
        const uint items = (uint)command[1], size0 = (uint)command[2], size1 = (uint)command[3];
        uint is_first = 1;
        for (uint i = atomic_inc(counters); i < items; i = atomic_inc(counters)) {
            const uint4 item = (uint4)(i % size0, i / size0 % size1, i / size0 / size1, is_first);
            switch ((uint)command[0]) {
                CHAIN_CASES
            }
            is_first = 0;
            mem_fence(CLK_GLOBAL_MEM_FENCE);
            atomic_inc(counters + 1);
        }
        while (counters[1] < items)
            ;
        mem_fence(CLK_GLOBAL_MEM_FENCE);
    }
}
