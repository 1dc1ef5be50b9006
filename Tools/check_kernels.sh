#!/bin/bash
# Runs the conformance cases, at small sizes, in oclgrind: every kernel and both variants, with checks of each memory
# access, of data races between work-items and of the arguments of OpenCL calls. Arguments are names of suites; without
# any, all that launch kernels run. Interpreting takes minutes a suite. Logs lie under .build/kernel-checks.
#
# oclgrind is opened through the OpenCL loader, as its wrapper does not get along with PoCL, and the tests run one at a
# time, as it keeps its state in globals. Its check for uninitialised memory is off: it stops at LLVM's `freeze`.
set -euo pipefail
cd "$(dirname "$0")/.."

library=$(ls /usr/lib/oclgrind/liboclgrind-rt-icd.so /usr/local/lib/oclgrind/liboclgrind-rt-icd.so 2>/dev/null |
    head -n 1 || true)
if [ -z "$library" ]; then
    echo "kernel checks: not run, oclgrind is missing (apt-get install oclgrind)"
    exit 0
fi

suites=("$@")
[ "${#suites[@]}" -gt 0 ] || suites=(
    ActivationTests SoftmaxTests NormTests RopeTests EmbeddingTests SelectionTests CacheTests AttentionTests
    EncoderAttentionTests StoreAttentionTests WeightTests MatmulTests ReducedMatmulTests ExpertTests DecoderTests
    BackendTests)
configuration=${CONFIGURATION:--c release}
seconds=${KERNEL_CHECK_SECONDS:-3600}
logs=$PWD/.build/kernel-checks
mkdir -p "$logs/vendors"
echo "$library" >"$logs/vendors/oclgrind.icd"

failed=0
for suite in "${suites[@]}"; do
    log=$logs/$suite.log
    rm -f "$log" "$log.oclgrind"
    start=$SECONDS
    code=0
    # shellcheck disable=SC2086
    OCL_ICD_VENDORS=$logs/vendors OCLGRIND_CHECK_API=1 OCLGRIND_DATA_RACES=1 OCLGRIND_LOG=$log.oclgrind \
        INFER_CONFORMANCE_SMALL=1 INFER_CONFORMANCE_DEVICES=opencl \
        timeout "$seconds" swift test $configuration --skip-build --disable-xctest --no-parallel \
        --filter "BackendConformanceTests.$suite" >"$log" 2>&1 || code=$?
    messages=$(grep -c . "$log.oclgrind" 2>/dev/null || true)
    outcome="clean"
    [ "$code" -eq 124 ] && outcome="not finished after $seconds s"
    [ "$code" -ne 0 ] && [ "$code" -ne 124 ] && outcome="tests failed"
    [ "${messages:-0}" -gt 0 ] && outcome="$outcome, oclgrind reported"
    grep -q "conformance runs on: opencl Oclgrind" "$log" || outcome="oclgrind was not found by the OpenCL loader"
    echo "$suite: $outcome ($((SECONDS - start)) s)"
    if [ "$outcome" != "clean" ]; then
        failed=1
        head -n 20 "$log.oclgrind" 2>/dev/null || true
        grep -A 1 "recorded an issue" "$log" | head -n 10 || true
    fi
done
exit "$failed"
