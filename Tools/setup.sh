#!/bin/bash
# Installs the Debian packages that infer needs and that are missing; quick and silent when there are none.
# Swift itself is expected to be there (https://swift.org/install).
set -euo pipefail

packages=(
    ca-certificates git pkg-config       # what SwiftPM uses to fetch and to find libraries
    ocl-icd-libopencl1                   # the OpenCL loader, opened at run time
    pocl-opencl-icd                      # an OpenCL device on any CPU
    libopenblas0                         # opened at run time by the CPU backend
    libsqlite3-dev                       # the file of a collection of documents
    libstemmer0d                         # stemmers of a lexical index, opened at run time
    libpng-dev libjpeg62-turbo-dev       # headers of the image formats, opened at run time
    libpcre2-dev libutf8proc-dev         # regular expressions and normalisation for the tokenizers
)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
    [ "$status" = "install ok installed" ] || missing+=("$package")
done

if [ "${#missing[@]}" -gt 0 ]; then
    echo "Installing ${missing[*]}" >&2
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "error: ${missing[*]} missing; install them as root or install sudo" >&2
            exit 1
        }
        root=(sudo)
    fi
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    if ! { "${root[@]}" apt-get update -qq &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq -y --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
        cat "$log" >&2
        echo "error: apt-get could not install ${missing[*]}" >&2
        exit 1
    fi
fi

command -v swift >/dev/null || {
    echo "error: swift not found on PATH; install Swift 6.3 or newer from https://swift.org/install" >&2
    exit 1
}
