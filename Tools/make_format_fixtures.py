#!/usr/bin/env python3
"""Golden bytes of GGUF's block formats, and the values they stand for, in Tests/Fixtures/formats.

usage: make_format_fixtures.py [GGUF_DIR]    (default ../shared/reference/gguf; needs numpy and gguf from PyPI)

Blocks come from tensors that llama.cpp's own quantiser wrote, where a file of GGUF_DIR has one in the format; else they
are random values that `gguf` quantises. The values are those of `gguf`'s dequantisation: neither side is code of ours.
One file a format: type number and sizes as `gguf` knows them, bytes and float32 values in hexadecimal.
"""
import glob, json, os, sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as Type, GGUFReader, quants

FORMATS = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4",
           "TQ2_0", "TQ1_0"]
VALUES = 1024

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
source = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "../shared/reference/gguf")
target = os.path.join(root, "Tests/Fixtures/formats")
os.makedirs(target, exist_ok=True)

tensors = {}
for path in sorted(glob.glob(os.path.join(source, "tiny-*.gguf"))):
    for tensor in GGUFReader(path).tensors:
        tensors.setdefault(tensor.tensor_type.name, (os.path.basename(path), tensor))

random = np.random.default_rng(11)
for name in FORMATS:
    kind = Type[name]
    size, byte_count = GGML_QUANT_SIZES[kind]
    count = VALUES // size * byte_count
    if name in tensors:
        file, tensor = tensors[name]
        writer = f"llama.cpp's quantiser: {tensor.name} of {file}"
        data = np.ascontiguousarray(tensor.data).view(np.uint8).reshape(-1)[:count]
    else:
        writer = "gguf.quants.quantize"
        # Blocks of very different sizes, among them one of zeros.
        scales = np.repeat(10.0 ** random.uniform(-4, 0, VALUES // size), size)
        scales[:size] = 0
        data = quants.quantize((random.standard_normal(VALUES) * scales).astype(np.float32), kind).reshape(-1)
    with np.errstate(all="ignore"):
        values = quants.dequantize(data, kind).astype("<f4").reshape(-1)
    assert len(data) == count and len(values) == VALUES, name
    fixture = {
        "format": name, "gguf_type": int(kind), "block_size": size, "block_bytes": byte_count, "writer": writer,
        "bytes": data.tobytes().hex(), "values": values.tobytes().hex(),
    }
    with open(os.path.join(target, f"{name}.json"), "w") as file:
        json.dump(fixture, file, indent=0)
        file.write("\n")
    print(f"{name}: {writer}")
