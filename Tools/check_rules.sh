#!/bin/bash
# Checks the rules of CONTRIBUTING.md that a text search can check.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0

# report RULE LINES: fails when there are offending lines.
report() {
    if [ -n "$2" ]; then
        printf '%s\n' "$2" >&2
        echo "error: $1" >&2
        failed=1
    fi
}

# Every kernel file is embedded, and every embedded file exists.
embedded=$({ grep -rhoE '^ *# *embed +"[^"]+\.cl"' Kernels --include='*.[ch]' || true; } |
    sed 's/.*"\(.*\)"/\1/' | sort -u)
kernels=$(find Kernels -name '*.cl' | sed 's|^Kernels/||' | sort)
report "kernels that Kernels/KernelSources.c does not embed" "$(comm -13 <(echo "$embedded") <(echo "$kernels"))"
report "kernels that are embedded and not there" "$(comm -23 <(echo "$embedded") <(echo "$kernels"))"

# What a user or a file can cause ends in a typed error, never in a trap.
report "fatalError, try! or as! in Sources" "$(
    grep -rnE '(\bfatalError\b|\btry!|\bas!)' Sources Benchmarks --include='*.swift' |
        grep -vE '^[^:]+:[0-9]+: *//' || true)"

# Unfinished work belongs in an issue.
report "marks of unfinished work" "$(
    grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' Sources Kernels Tests Tools Benchmarks \
        --include='*.swift' --include='*.[ch]' --include='*.inl' --include='*.cl' --include='*.py' --include='*.sh' |
        grep -v '^Tools/check_rules.sh:' || true)"

# What a file declares outside of a type stays as it is.
report "mutable globals" "$(
    grep -rnE '^((public|package|internal|private|fileprivate|nonisolated\(unsafe\)) +)*var [a-zA-Z_]+ *(=|:[^{]*$)' \
        Sources Benchmarks --include='*.swift' || true)"

# An unchecked promise says why it holds, a few lines above it or right below.
report "@unchecked Sendable or nonisolated(unsafe) without a // SAFETY: line" "$(
    find Sources Tests Benchmarks -name '*.swift' -exec awk '
        function settle() { if (promise != "") print promise; promise = "" }
        FNR == 1 { settle(); safety = -99 }
        /\/\/ SAFETY[^:]*:/ { safety = FNR; promise = "" }
        FNR > due { settle() }
        /^[ \t]*\/\// { next }
        /@unchecked Sendable|nonisolated\(unsafe\)/ {
            if (FNR - safety > 12) { settle(); promise = FILENAME ":" FNR ": " $0; due = FNR + 2 }
        }
        END { settle() }' {} +)"

# C, OpenCL and scripts; swift format checks the Swift. Characters are counted, not bytes.
report "lines longer than 120 characters" "$(
    find Kernels Sources Tests Tools Benchmarks .ci -type f \
        \( -name '*.[ch]' -o -name '*.inl' -o -name '*.cl' -o -name '*.sh' \) \
        -exec env LC_ALL=C.UTF-8 grep -nHE '^.{121,}$' {} + | cut -c1-100 || true)"

[ "$failed" -eq 0 ] && echo "rules: kept"
exit "$failed"
