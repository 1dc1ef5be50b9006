#!/bin/bash
# Runs the CPU kernels' conformance cases (Tests/CrossConformance) as on a processor with AMX, AVX512_BF16 and AVX-VNNI:
# instructions that this one lacks are emulated (Tests/CrossConformance/emulated_x86.c).
#
# Needs clang (Swift's, or CROSS_CLANG) and a processor with AVX-512, which holds the state of the emulated vectors.
set -euo pipefail
cd "$(dirname "$0")/.."
clang=${CROSS_CLANG:-$(command -v clang || true)}
skip() { echo "check_amx: nothing ran: $1"; exit 0; }
[ -n "$clang" ] || skip "no clang"
grep -q avx512_vnni /proc/cpuinfo || skip "no AVX512_VNNI"
build=${AMX_BUILD:-.build/emulated-x86}
mkdir -p "$build"
flags=(-O1 -std=gnu2x -Wall -Wextra -Werror -ISources/CPUKernels/include -ISources/NumberFormats/include)
newest=$(find Sources/CPUKernels Sources/NumberFormats -type f -newer "$build/done" 2>/dev/null | head -1 || true)
[ -e "$build/done" ] || newest=all
if [ -n "$newest" ]; then
    find Sources/CPUKernels Sources/NumberFormats -name '*.c' ! -name cpu_features.c -print0 \
        | xargs -0 -P "$(nproc)" -I FILE sh -c '
        file=$1; object=$2/$(echo "$file" | tr / _).o; shift 2; exec "$@" -c "$file" -o "$object"' \
        sh FILE "$build" "$clang" "${flags[@]}"
    touch "$build/done"
fi
"$clang" "${flags[@]}" -c Tests/CrossConformance/conformance.c -o "$build/conformance.o"
"$clang" "${flags[@]}" -O2 -mavx512f -c Tests/CrossConformance/emulated_x86.c -o "$build/emulated_x86.o"
"$clang" -o "$build/conformance" "$build"/*.o -lm -lpthread
exec "$build/conformance"
