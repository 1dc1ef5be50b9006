#!/usr/bin/env python3
"""Writes Tests/Fixtures/prequantized: one small matrix in each scheme of published quantised folders, and its values.

Packs as the schemes' own libraries do (AutoGPTQ, AutoAWQ, compressed-tensors, bitsandbytes, DeepSeek, gpt-oss). Needs
torch and safetensors. Usage: Tools/make_prequantized_fixtures.py [FOLDER]
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

N, K, G = 16, 64, 32
torch.manual_seed(5)
root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/prequantized")


def write(name, config, tensors, expected, shape=None):
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"model.norm.weight": torch.arange(4).float()}
    save_file({k: v.contiguous() for k, v in {**tensors, **plain}.items()}, folder / "model.safetensors")
    save_file({k: v.float().contiguous() for k, v in {**expected, **plain}.items()}, folder / "expected.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "quantization_config": config}, indent=1) + "\n")


def pack_rows(values, bits):
    """Consecutive rows of [R, C] in words of 32 bits, lowest first: [R / (32/bits), C]."""
    per = 32 // bits
    rows = -(-values.shape[0] // per)
    padded = torch.zeros(rows * per, values.shape[1], dtype=torch.int64)
    padded[: values.shape[0]] = values
    words = sum(padded[i::per] << (bits * i) for i in range(per))
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


def integers(bits):
    return torch.randint(0, 2**bits, (N, K))


W = "model.layers.0.mlp.up_proj"
group = torch.arange(K) // G
for bits in (4, 8, 2):
    for version in (1, 2):
        q, zeros = integers(bits), torch.randint(1, 2**bits, (K // G, N))
        scales = torch.rand(K // G, N).half()
        shuffled = group[torch.randperm(K)] if bits == 4 else group
        stored = zeros - 1 if version == 1 else zeros
        expected = (q - zeros[shuffled].T) * scales.float()[shuffled].T
        config = {"quant_method": "gptq", "bits": bits, "group_size": G, "desc_act": bits == 4}
        if version == 2:
            config["checkpoint_format"] = "gptq_v2"
        write(f"gptq{bits}-v{version}", config, {
            W + ".qweight": pack_rows(q.T, bits), W + ".qzeros": pack_rows(stored.T, bits).T,
            W + ".scales": scales, W + ".g_idx": shuffled.to(torch.int32)}, {W + ".weight": expected})

q, zeros, scales = integers(4), torch.randint(0, 16, (K // G, N)), torch.rand(K // G, N).half()
order = [0, 2, 4, 6, 1, 3, 5, 7]


def pack_awq(values):
    words = sum(values[:, order[i]::8].long() << (4 * i) for i in range(8))
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


write("awq", {"quant_method": "awq", "bits": 4, "group_size": G, "version": "gemm", "zero_point": True}, {
    W + ".qweight": pack_awq(q.T), W + ".qzeros": pack_awq(zeros), W + ".scales": scales},
    {W + ".weight": (q - zeros[group].T) * scales.float()[group].T})


def compressed(bits, form, kind="int", **more):
    weights = {"num_bits": bits, "type": kind, "symmetric": True, "strategy": "group", "group_size": G, **more}
    return {"quant_method": "compressed-tensors", "format": form,
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


for bits in (4, 8):
    q, scales = integers(bits), torch.rand(N, K // G).bfloat16()
    write(f"compressed-int{bits}", compressed(bits, "pack-quantized"), {
        W + ".weight_packed": pack_rows(q.T, bits).T, W + ".weight_scale": scales,
        W + ".weight_shape": torch.tensor([N, K])},
        {W + ".weight": (q - 2 ** (bits - 1)) * scales.float()[:, group]})
q, zeros, scales = integers(4), torch.randint(0, 16, (N, K // G)), torch.rand(N, K // G)
write("compressed-int4-asymmetric", compressed(4, "pack-quantized", symmetric=False), {
    W + ".weight_packed": pack_rows(q.T, 4).T, W + ".weight_scale": scales, W + ".weight_shape": torch.tensor([N, K]),
    W + ".weight_zero_point": pack_rows(zeros, 4)}, {W + ".weight": (q - zeros[:, group]) * scales[:, group]})
q, scales = torch.randint(-128, 128, (N, K)).to(torch.int8), torch.rand(N, 1)
write("compressed-int8-channel", compressed(8, "int-quantized", strategy="channel"), {
    W + ".weight": q, W + ".weight_scale": scales}, {W + ".weight": q.float() * scales})

eight = torch.randn(N, K).to(torch.float8_e4m3fn)
for name, scales, spread in (
        ("tensor", torch.rand(1), lambda s: s), ("scalar", torch.rand(()), lambda s: s),
        ("row", torch.rand(N, 1), lambda s: s),
        ("block", torch.rand(2, 3), lambda s: s.repeat_interleave(8, 0).repeat_interleave(24, 1)[:N, :K])):
    inverse = name == "block"
    config = {"quant_method": "fp8"}
    if inverse:
        config["weight_block_size"] = [8, 24]
    write(f"fp8-{name}", config, {
        W + ".weight": eight, W + (".weight_scale_inv" if inverse else ".weight_scale"): scales,
        W + ".input_scale": torch.rand(1)}, {W + ".weight": eight.float() * spread(scales)})
all_bytes = torch.arange(256).to(torch.uint8)
finite = all_bytes[torch.isfinite(all_bytes.view(torch.float8_e5m2).float())]
write("fp8-e5m2", {"quant_method": "fp8"}, {W + ".weight": finite[:248].view(torch.float8_e5m2).reshape(8, 31)},
      {W + ".weight": finite[:248].view(torch.float8_e5m2).float().reshape(8, 31)})
finite = all_bytes[torch.isfinite(all_bytes.view(torch.float8_e4m3fn).float())]
write("fp8-e4m3", {"quant_method": "fp8"}, {W + ".weight": finite.view(torch.float8_e4m3fn).reshape(2, 127)},
      {W + ".weight": finite.view(torch.float8_e4m3fn).float().reshape(2, 127)})

codes, block = torch.sort(torch.randn(16))[0], 64
q = integers(4).flatten()
packed = (q[0::2] << 4 | q[1::2]).to(torch.uint8).reshape(-1, 1)
absmax = torch.rand(N * K // block)
for nested in (False, True):
    state = {"quant_type": "nf4", "blocksize": block, "dtype": "float16", "shape": [N, K]}
    tensors = {W + ".weight": packed, W + ".weight.quant_map": codes}
    if nested:
        table, indices = torch.sort(torch.rand(256))[0], torch.randint(0, 256, (N * K // block,)).to(torch.uint8)
        outer, offset = torch.rand(2), 0.125
        state |= {"nested_blocksize": 8, "nested_dtype": "float32", "nested_offset": offset}
        tensors |= {W + ".weight.absmax": indices, W + ".weight.nested_quant_map": table,
                    W + ".weight.nested_absmax": outer}
        scales = table[indices.long()] * outer.repeat_interleave(8) + offset
    else:
        tensors[W + ".weight.absmax"] = absmax
        scales = absmax
    text = json.dumps(state).encode()
    tensors[W + ".weight.quant_state.bitsandbytes__nf4"] = torch.tensor(list(text), dtype=torch.uint8)
    write("bnb4-nested" if nested else "bnb4", {"quant_method": "bitsandbytes", "load_in_4bit": True}, tensors,
          {W + ".weight": (codes[q] * scales.repeat_interleave(block)).reshape(N, K)})
q, scb = torch.randint(-127, 128, (N, K)).to(torch.int8), torch.rand(N)
write("bnb8", {"quant_method": "bitsandbytes", "load_in_8bit": True}, {W + ".weight": q, W + ".SCB": scb},
      {W + ".weight": q.float() * (scb / 127)[:, None]})

values = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
q, exponents = torch.randint(0, 16, (2, N, K)), torch.randint(120, 134, (2, N, K // 32))
blocks = (q[..., 0::2] | q[..., 1::2] << 4).to(torch.uint8).reshape(2, N, K // 32, 16)
expected = values[q] * 2.0 ** (exponents - 127).repeat_interleave(32, -1)
E = "model.layers.0.mlp.experts.down_proj"
write("mxfp4", {"quant_method": "mxfp4"}, {E + "_blocks": blocks, E + "_scales": exponents.to(torch.uint8)},
      {E: expected.transpose(1, 2)})
