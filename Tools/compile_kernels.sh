# Sourced: compiles the CPU kernels for the conformance program of Tests/CrossConformance.

# compile_kernels FOLDER FILTER COMPILER FLAG…: objects of all C files that `find` takes with FILTER, where one of the
# sources has changed since.
compile_kernels() {
    local folder=$1 filter=$2 newest
    shift 2
    mkdir -p "$folder"
    newest=$(find Sources/CPUKernels Sources/NumberFormats -type f -newer "$folder/done" 2>/dev/null | head -1 || true)
    [ -e "$folder/done" ] && [ -z "$newest" ] && return
    # FILTER is several words of find's, or none.
    # shellcheck disable=SC2086
    find Sources/CPUKernels Sources/NumberFormats -name '*.c' $filter -print0 \
        | xargs -0 -P "$(nproc)" -I FILE sh -c '
        file=$1; object=$2/$(echo "$file" | tr / _).o; shift 2; exec "$@" -c "$file" -o "$object"' \
        sh FILE "$folder" "$@"
    touch "$folder/done"
}

# What every compiler of them is told.
kernel_flags=(-std=gnu2x -Wall -Wextra -Werror -ISources/CPUKernels/include -ISources/NumberFormats/include)
