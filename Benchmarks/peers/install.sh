#!/bin/bash
# Installs what the comparisons need into a folder outside the repository; what is there already is left as it is.
# usage: install.sh [report] [models] [llama] [transformers] [ctranslate2] [onnxruntime] [openvino]
# INFER_PEERS: the folder (~/.cache/infer-bench-peers).
# INFER_LLAMA_BIN: llama.cpp's programs, where they are built already.
set -euo pipefail

folder=${INFER_PEERS:-$HOME/.cache/infer-bench-peers}
llama_version=0.3.36

# environment NAME: what follows is installed there.
environment() {
    python=$folder/$1/bin/python
    [ -x "$python" ] || python3 -m venv "$folder/$1" || {
        echo "error: python3 cannot make $folder/$1; install python3-venv" >&2
        exit 1
    }
}

# need MODULE PACKAGE...: installs the packages where the module cannot be found.
need() {
    local module=$1
    shift
    local found="import importlib.util, sys; sys.exit(importlib.util.find_spec('$module') is None)"
    "$python" -c "$found" 2>/dev/null && return
    echo "Installing $* into ${python%/bin/python}" >&2
    "$python" -m pip install --quiet "$@" || {
        echo "error: pip could not install $*" >&2
        exit 1
    }
}

# llama.cpp as the source package of llama-cpp-python has it; its programs are built with what this processor can do.
install_llama() {
    [ -z "${INFER_LLAMA_BIN:-}" ] && [ ! -x "$folder/llama/bin/llama-completion" ] || return 0
    need cmake cmake
    need ninja ninja
    echo "Building llama.cpp in $folder/llama (some minutes)" >&2
    local source=$folder/sdist
    mkdir -p "$source"
    # (Everything as source, `:all:`, would build CMake first.)
    "$python" -m pip download --quiet --no-deps --no-binary llama-cpp-python -d "$source" \
        "llama-cpp-python==$llama_version"
    tar -xzf "$source"/llama_cpp_python-*.tar.gz -C "$source"
    local log=$folder/llama-build.log compilers=()
    # GCC 12 drops the stores before `_tile_loadconfig`, and the programs then die of an illegal instruction.
    if grep -q amx_tile /proc/cpuinfo && command -v clang++ >/dev/null; then
        compilers=(-DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++)
    fi
    if ! {
        "$folder/venv/bin/cmake" -S "$source/llama_cpp_python-$llama_version/vendor/llama.cpp" -B "$folder/llama" \
            -G Ninja -DCMAKE_MAKE_PROGRAM="$folder/venv/bin/ninja" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
            "${compilers[@]}" -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
            -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TOOLS=ON &&
            "$folder/venv/bin/ninja" -C "$folder/llama" llama-bench llama-batched-bench llama-quantize llama-completion
    } >"$log" 2>&1; then
        tail -5 "$log" >&2
        echo "error: llama.cpp does not build; see $log" >&2
        exit 1
    fi
}

mkdir -p "$folder"
for peer in "$@"; do
    environment venv
    case $peer in
        report) need matplotlib matplotlib ;;
        models) need numpy numpy && need safetensors safetensors && need gguf gguf ;;
        llama) install_llama ;;
        transformers | ctranslate2 | onnxruntime)
            need torch torch && need transformers transformers
            case $peer in
                ctranslate2) need ctranslate2 ctranslate2 ;;
                onnxruntime) need onnx onnx && need onnx_ir onnx-ir && need onnxruntime_genai onnxruntime-genai ;;
            esac
            ;;
        openvino)
            # What exports folders wants another version of transformers.
            environment venv-openvino
            need openvino_genai openvino-genai && need optimum.intel 'optimum-intel[openvino]'
            ;;
        *)
            echo "error: unknown peer '$peer'; there are llama, transformers, ctranslate2, onnxruntime and openvino" >&2
            exit 64
            ;;
    esac
done
