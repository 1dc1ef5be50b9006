#!/bin/bash
# Runs the CPU kernels' conformance cases (Tests/CrossConformance) as on a processor with AMX, AVX512_BF16 and AVX-VNNI:
# instructions that this one lacks are emulated (Tests/CrossConformance/emulated_x86.c).
#
# Needs clang (Swift's, or CROSS_CLANG) and a processor with AVX-512, which holds the state of the emulated vectors.
set -euo pipefail
cd "$(dirname "$0")/.."
. Tools/compile_kernels.sh
clang=${CROSS_CLANG:-$(command -v clang || true)}
skip() { echo "check_amx: nothing ran: $1"; exit 0; }
[ -n "$clang" ] || skip "no clang"
grep -q avx512_vnni /proc/cpuinfo || skip "no AVX512_VNNI"
build=${AMX_BUILD:-.build/emulated-x86}
flags=(-O1 "${kernel_flags[@]}")
compile_kernels "$build" '! -name cpu_features.c' "$clang" "${flags[@]}"
"$clang" "${flags[@]}" -c Tests/CrossConformance/conformance.c -o "$build/conformance.o"
"$clang" "${flags[@]}" -O2 -mavx512f -c Tests/CrossConformance/emulated_x86.c -o "$build/emulated_x86.o"
"$clang" -o "$build/conformance" "$build"/*.o -lm -lpthread
exec "$build/conformance"
