#!/bin/bash
# A compiler for kernels outside of `infer`: clang, with the macros that the host builds a program with where the
# arguments name a weight format (-DWEIGHT_Q4_K=1), read from the table of number formats. KERNEL_CLANG names another
# clang. For example: gpu_static.py Kernels --clang Tools/kernel_clang.sh
set -euo pipefail
table=$(dirname "$0")/../Sources/NumberFormats/include/NumberFormats.h
macros=()
for argument in "$@"; do
    [[ $argument =~ ^-DWEIGHT_([A-Z0-9_]+)=1$ ]] || continue
    # The columns of the format's row: ID, weight, name, gguf, size, bytes, group, minima, offset, …
    row=$(sed -n "s/^ *X(\(${BASH_REMATCH[1]}, .*\)) *\\\\\{0,1\}$/\1/p" "$table" | tr -d ' "')
    [ -n "$row" ] || continue
    IFS=, read -r _ weight _ _ size bytes group minima offset _ <<<"$row"
    macros+=("-DWEIGHT_NAME=$weight" "-DWEIGHT_HAS_MINIMA=$minima" "-DWEIGHT_QUANT_OFFSET=$offset")
    [ "$size" -eq 1 ] || macros+=(
        "-DWEIGHT_BLOCK_SIZE=$size" "-DWEIGHT_BLOCK_BYTES=$bytes" "-DWEIGHT_GROUP_SIZE=$group")
done
exec "${KERNEL_CLANG:-clang-16}" "${macros[@]}" "$@"
