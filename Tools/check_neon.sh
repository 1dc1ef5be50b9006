#!/bin/bash
# Builds the CPU kernels for 64-bit Arm and runs their conformance cases (Tests/CrossConformance) in an emulator.
#
# Needs clang (Swift's, or CROSS_CLANG) with lld, QEMU (Debian: qemu-user-static; or QEMU_AARCH64) and the C library of
# the target (Debian: libc6-dev-arm64-cross libgcc-12-dev-arm64-cross; or CROSS_ROOT, a folder with such packages
# unpacked). What is missing is said in one line, and nothing runs.
set -euo pipefail
cd "$(dirname "$0")/.."
. Tools/compile_kernels.sh
root=${CROSS_ROOT:-}
include=$root/usr/aarch64-linux-gnu/include
library=$root/usr/aarch64-linux-gnu/lib
clang=${CROSS_CLANG:-$(command -v clang || true)}
qemu=${QEMU_AARCH64:-$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)}
[ -n "$qemu" ] || [ ! -x "$root/usr/bin/qemu-aarch64-static" ] || qemu=$root/usr/bin/qemu-aarch64-static
skip() { echo "check_neon: nothing ran: $1"; exit 0; }
[ -n "$clang" ] || skip "no clang"
[ -n "$qemu" ] || skip "no qemu-aarch64-static (apt-get install qemu-user-static)"
[ -d "$include" ] || skip "no $include (apt-get install libc6-dev-arm64-cross)"
compiler=$(ls -d "$root"/usr/lib/gcc-cross/aarch64-linux-gnu/*/ 2>/dev/null | tail -1)
[ -n "$compiler" ] || skip "no libgcc for aarch64-linux-gnu (apt-get install libgcc-12-dev-arm64-cross)"
build=${CROSS_BUILD:-.build/aarch64}
flags=(--target=aarch64-linux-gnu -O2 -isystem "$include" "${kernel_flags[@]}")
compile_kernels "$build" '' "$clang" "${flags[@]}"
"$clang" "${flags[@]}" -c Tests/CrossConformance/conformance.c -o "$build/conformance.o"
"$clang" --target=aarch64-linux-gnu -fuse-ld=lld -static -nostdlib -o "$build/conformance" "$library/crt1.o" \
    "$library/crti.o" "$compiler/crtbeginT.o" "$build"/*.o -L"$library" -L"$compiler" \
    -lm -lpthread -Wl,--start-group -lc -lgcc -lgcc_eh -Wl,--end-group "$compiler/crtend.o" "$library/crtn.o"
exec "$qemu" "$build/conformance"
