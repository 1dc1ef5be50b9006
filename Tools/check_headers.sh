#!/bin/bash
# Checks the folders of Sources/CPUKernels:
#  - every header and .inl parses alone, compiled as each target that may include it;
#  - #include arrows between the folders point one way: to a folder before in ORDER, or within one's own;
#  - files stay under 300 lines.
set -euo pipefail
cd "$(dirname "$0")/../Sources/CPUKernels"
ORDER="include runtime simd formats kernels targets ops"
failed=0

fail() {
    echo "$1" >&2
    failed=1
}

while read -r file line target; do
    from=${file%%/*}
    path=$(realpath -m --relative-to=. "$(dirname "$file")/$target")
    [ -e "$path" ] || continue # NumberFormats.h
    to=${path%%/*}
    rank_from=$(wc -w <<<"${ORDER%%"$from"*}") rank_to=$(wc -w <<<"${ORDER%%"$to"*}")
    [ "$rank_to" -le "$rank_from" ] || fail "$file:$line: $from/ includes $to/; arrows point to one of: $ORDER"
done < <(grep -rnoE '^#include "[^"]+"' --include='*.[ch]' --include='*.inl' . |
    sed -E 's|^\./([^:]+):([0-9]+):#include "(.*)"|\1 \2 \3|')

while read -r lines file; do
    [ "$lines" -le 300 ] || [ "$file" = total ] || fail "$file: $lines lines; most files stay under 300"
done < <(find . -name '*.[ch]' -o -name '*.inl' | xargs wc -l)

clang=$(command -v clang || echo "")
if [ -z "$clang" ]; then
    swift=$(command -v swiftc || true)
    [ -n "$swift" ] && [ -x "$(dirname "$(readlink -f "$swift")")/clang" ] &&
        clang=$(dirname "$(readlink -f "$swift")")/clang
fi
[ -n "$clang" ] || { echo "error: no clang to parse the headers with" >&2; exit 1; }

# parse FILE FLAGS…: without a translation unit's other headers. A static function that nobody calls is no mistake here.
parse() {
    "$clang" -fsyntax-only -x c -std=gnu2x -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-const-variable \
        -Wno-pragma-once-outside-header -Wno-psabi -I ../NumberFormats/include "${@:2}" "$1" ||
        fail "$1 does not parse alone (${*:2})"
}

avx2="-mavx2 -mfma -mf16c" avx512="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c"
x86=$([ "$(uname -m)" = x86_64 ] && echo yes || true)
count=0
for file in */*.h */*.inl; do
    count=$((count + 1))
    case $file in
        # make check-neon compiles it.
        *int8_neon*) ;;
        # Each case lists the targets of its files.
        # shellcheck disable=SC2086
        *convolution_int8* | *quantised_pixels* | *int8_by_token*)
            [ -z "$x86" ] || parse "$file" -DSIMD_AVX512 -DSIMD_VNNI $avx512 -mavx512vnni
            case $file in *by_token*) ;; *) [ -z "$x86" ] || parse "$file" -DSIMD_AVX2_WIDE $avx2 ;; esac ;;
        *int8* | formats/quants.h)
            [ -z "$x86" ] && continue
            # shellcheck disable=SC2086
            case $file in *avx512*) ;; *)
                parse "$file" -DSIMD_AVX2_WIDE $avx2
                parse "$file" -DSIMD_AVX2_WIDE -DSIMD_VNNI $avx2 -mavxvnni ;;
            esac
            # shellcheck disable=SC2086
            case $file in *avx2*) ;; *)
                parse "$file" -DSIMD_AVX512 $avx512
                parse "$file" -DSIMD_AVX512 -DSIMD_VNNI $avx512 -mavx512vnni ;;
            esac ;;
        # shellcheck disable=SC2086
        *tiles.* | *tiles_set*) [ -z "$x86" ] || parse "$file" -DSIMD_AVX512 -DSIMD_VNNI $avx512 -mavx512vnni ;;
        # shellcheck disable=SC2086
        *row_blocks*) [ -z "$x86" ] || parse "$file" -DSIMD_AVX512 -DSIMD_VNNI $avx512 -mavx512vnni ;;
        # shellcheck disable=SC2086
        *bf16* | *packed_panels* | *lanes*) [ -z "$x86" ] || parse "$file" -DSIMD_AVX512 $avx512 -mavx512bf16 ;;
        simd/vector_*.h) parse "$file" ;;
        simd/* | formats/* | kernels/*.inl)
            parse "$file"
            [ -z "$x86" ] && continue
            # shellcheck disable=SC2086
            parse "$file" -DSIMD_AVX2 $avx2
            # shellcheck disable=SC2086
            parse "$file" -DSIMD_AVX512 $avx512 ;;
        *) parse "$file" ;;
    esac
done

if [ "$failed" -ne 0 ]; then
    echo "error: the headers of Sources/CPUKernels are not in order" >&2
    exit 1
fi
echo "headers: $count of CPUKernels parse alone, arrows point down: $ORDER"
