#!/bin/bash
# Checks the import direction that docs/architecture.md draws, from the layers that Package.swift declares:
#  - a target imports only targets that it declares, and only of a lower layer; what it declares it imports;
#  - only InferCLI, Benchmarks, Devices and tests name a concrete backend;
#  - C modules are imported with `internal import`, so that no C type leaks into an API;
#  - docs/architecture.md names every target.
# bash and awk only, so it runs on a bare machine.
set -euo pipefail
cd "$(dirname "$0")/.."

# One line a target: layer (9 for tests), name, then its dependencies.
declared=$(awk '
    function flush_target() {
        if (name != "") print layer, name dependencies
        name = ""; dependencies = ""
    }
    /^    targets: \[/ { inside = 1; next }
    !inside { next }
    /^    \]/ { flush_target(); inside = 0; next }
    /^ *\/\/ L[0-9]/ { flush_target(); layer = $2; sub(/^L/, "", layer); next }
    /^ *\/\/ Tests/ { flush_target(); layer = 9; next }
    /^ *\/\// { next }
    {
        line = $0
        if (line ~ /^        [.a-z]/) flush_target()
        # Settings hold quoted words that are no targets.
        sub(/(swiftSettings|cSettings|linkerSettings|providers|exclude|path|pkgConfig).*/, "", line)
        while (match(line, /"[^"]*"/)) {
            word = substr(line, RSTART + 1, RLENGTH - 2)
            line = substr(line, RSTART + RLENGTH)
            if (name == "") name = word; else dependencies = dependencies " " word
        }
    }
' Package.swift)

failures=$(
    find Sources Tests Benchmarks/Sources -name '*.swift' -print | LC_ALL=C sort | while read -r file; do
        case $file in
            Benchmarks/*) target=Benchmarks ;;
            *) target=${file#*/} && target=${target%%/*} ;;
        esac
        awk -v file="$file" -v target="$target" '
            /^[ \t]*((@[a-zA-Z_()]+|public|package|internal|fileprivate|private)[ \t]+)*import[ \t]/ {
                module = ""
                access = $0 ~ /(^|[ \t])internal[ \t]+import/ ? "internal" : "other"
                for (i = 1; i <= NF; i++) if ($i == "import") module = $(i + 1)
                if (module ~ /^(struct|class|enum|protocol|func|var|let|typealias)$/) {
                    for (i = 1; i <= NF; i++) if ($i == "import") module = $(i + 2)
                    sub(/\..*/, "", module)
                }
                print target, module, access, file ":" FNR
            }' "$file"
    done | awk -v declared="$declared" '
        function level(name) { return name " (L" layer[name] ")" }
        BEGIN {
            count = split(declared, lines, "\n")
            for (i = 1; i <= count; i++) {
                fields = split(lines[i], words, " ")
                layer[words[2]] = words[1]
                for (j = 3; j <= fields; j++) depends[words[2], words[j]] = 1
            }
            # The table of number formats lies below the rest of L0, which reads it.
            layer["NumberFormats"] = -1
            isC["NumberFormats"] = 1
            split("CPCRE2 CUTF8Proc COpenCL COpenBLAS CImageCodecs CSnowball CPUKernels", names, " ")
            for (i in names) isC[names[i]] = 1
            split("QuantizationKernels VectorKernels KernelSources BundledModel ChatPage", names, " ")
            for (i in names) isC[names[i]] = 1
            split("InferCLI Benchmarks Devices", names, " ")
            for (i in names) mayNameBackend[names[i]] = 1
            # A dependency that Package.swift declares upward is wrong even before it is imported.
            for (pair in depends) {
                split(pair, ends, SUBSEP)
                if (ends[2] in layer && layer[ends[1]] < 9 && layer[ends[2]] >= layer[ends[1]])
                    print "Package.swift: " level(ends[1]) " depends on " level(ends[2])
            }
        }
        {
            target = $1; module = $2; access = $3; place = $4
            if (!(target in layer)) { print place ": target " target " is not declared in Package.swift"; next }
            hasSwift[target] = 1
            imported[target, module] = 1
            if (!(module in layer)) next
            if (module == target) next
            if (!((target, module) in depends) && !(layer[target] == 9 && module == "TestSupport"))
                print place ": " target " imports " module " without declaring it in Package.swift"
            if (layer[target] < 9 && layer[module] >= layer[target])
                print place ": " level(target) " imports " level(module) "; imports point down"
            if (module ~ /^(CPUBackend|OpenCLBackend)$/ && layer[target] < 9 && !(target in mayNameBackend))
                print place ": " target " names the concrete backend " module
            if (module in isC && access != "internal" && layer[target] < 9)
                print place ": C module " module " must be imported with `internal import`"
        }
        END {
            for (pair in depends) {
                split(pair, ends, SUBSEP)
                if (ends[2] in layer && ends[1] in hasSwift && !(pair in imported))
                    print "Package.swift: " ends[1] " declares " ends[2] " and does not import it"
            }
        }'
    printf '%s\n' "$declared" | while read -r layer name _; do
        [ "$layer" = 9 ] || grep -qw "$name" docs/architecture.md ||
            echo "docs/architecture.md: target $name is not named"
    done
)

if [ -n "$failures" ]; then
    printf '%s\n' "$failures" >&2
    echo "error: the layers are broken" >&2
    exit 1
fi
echo "layers: $(printf '%s\n' "$declared" | wc -l) targets, imports point down"
