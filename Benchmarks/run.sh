#!/bin/bash
# Runs suites with the selection that `make bench` measures and keeps their rows, one JSON object a line.
# usage: run.sh BENCH_BINARY RESULTS_FOLDER [SUITE...]
# SUITE: latency, sizes, contexts, ops, throughput, counts; left out: all. INFER_BENCH_SERVER=http://… adds serve.
set -euo pipefail

bench=$1
results=$2
shift 2
mkdir -p "$results"
cd "$(dirname "$0")/.."

known=(latency sizes contexts ops throughput counts serve)
for suite in "$@"; do
    [[ " ${known[*]} " == *" $suite "* ]] || {
        echo "error: unknown suite '$suite'; there are ${known[*]}" >&2
        exit 64
    }
done
suites=("$@")
if [ "${#suites[@]}" -eq 0 ]; then
    suites=("${known[@]}")
    [ -n "${INFER_BENCH_SERVER:-}" ] || unset 'suites[-1]'
fi

git rev-parse --short HEAD >"$results/commit" 2>/dev/null || rm -f "$results/commit"

devices=(cpu)
"$bench" latency -p 1 -n 0 -r 1 --device opencl >/dev/null 2>&1 && devices+=(opencl)

# on SUITE FLAGS...: one run of a suite whose rows are added to those of its name.
on() {
    local name=$1
    shift
    "$bench" "$@" --save "$results/$name.jsonl"
    echo
}

for suite in "${suites[@]}"; do
    echo "## $suite"
    rm -f "$results/$suite.jsonl"
    case $suite in
        latency)
            # A process for each, so that the first token is cold and the peak of memory its own.
            for device in "${devices[@]}"; do
                for shape in gpt2-124m llama-135m; do
                    for format in float32 bfloat16 q8_0 q4_0 q4_K; do
                        on latency latency --shape $shape --formats $format -p 512 -n 32 -r 3 --startup \
                            --device "$device"
                    done
                done
            done
            on latency latency --shape llama-135m -p 0 -n 0 -pg 512,32 -r 3 --device cpu
            ;;
        sizes) on sizes latency --shape llama-0.5b,llama-1b --formats q8_0,q4_0 -p 128 -n 16 -r 2 --device cpu ;;
        contexts)
            for device in "${devices[@]}"; do
                on contexts latency --shape llama-135m -p 128 -n 16 -d 0,512,2048 -r 2 --device "$device"
            done
            ;;
        ops) for device in "${devices[@]}"; do on ops ops --device "$device"; done ;;
        throughput)
            on throughput throughput --shape llama-135m -p 64 -n 16 --prompt-range 16,128 --output-range 8,32 \
                --device cpu
            ;;
        counts) on counts counts ;;
        serve)
            on serve serve --url "$INFER_BENCH_SERVER" --requests 64 --input-length 64 --output-length 32 \
                --ignore-eos --request-rate inf --max-concurrency 1,2,4,8,16
            on serve serve --url "$INFER_BENCH_SERVER" --requests 64 --input-length 64 --output-length 32 \
                --ignore-eos --request-rate 1,2,4
            ;;
    esac
done
