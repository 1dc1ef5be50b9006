#!/usr/bin/env python3
"""Writes Tests/Fixtures/pickle: files that torch.save writes, and what they hold as safetensors.

Needs torch and safetensors. Usage: Tools/make_pickle_fixtures.py [FOLDER]
"""
import collections
import pathlib
import pickle
import sys

import torch
from safetensors.torch import save_file

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/pickle")
folder.mkdir(parents=True, exist_ok=True)
torch.manual_seed(7)
base = torch.randn(6, 4)
tensors = collections.OrderedDict(
    weight=torch.randn(3, 5),
    half=torch.randn(4, 2).half(),
    brain=torch.randn(2, 3).bfloat16(),
    turned=base.t(),
    rows=base[2:5],
    columns=base[:, 1:3],
    shared=base,
    ids=torch.arange(5),
    flags=torch.tensor([True, False, True]),
    scalar=torch.tensor(2.5),
    empty=torch.zeros(0, 3),
    parameter=torch.nn.Parameter(torch.randn(2)),
)
torch.save(tensors, folder / "zip.bin")
torch.save(tensors, folder / "legacy.bin", _use_new_zipfile_serialization=False)
torch.save({"state_dict": tensors, "epoch": 3, "lr": 0.1}, folder / "wrapped.bin")
torch.save(torch.nn.Linear(4, 1).state_dict(), folder / "module.pt")
torch.save({"weight": torch.ones(2), "note": pathlib.PurePosixPath("x")}, folder / "object.bin")
(folder / "os-system.bin").write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00echo\x85R.")
save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, folder / "expected.safetensors")
