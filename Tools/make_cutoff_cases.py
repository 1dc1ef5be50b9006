#!/usr/bin/env python3
"""Writes which tokens transformers may draw, and with which probabilities, by the settings of generation_config.json.

usage: make_cutoff_cases.py FIXTURES OUT

FIXTURES is Tests/Fixtures. Logits are random, in float64; what is made of them is made by the processors that `generate`
puts together for the settings, in its order. OUT has the rows of logits, and cases of a row, settings, and the
tokens left with their probabilities.
"""
import json
import os
import random
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, GenerationConfig


def rows():
    generator = torch.Generator().manual_seed(20)
    for size, scale in [(24, 1.0), (60, 3.0), (150, 0.3), (150, 2.0), (384, 4.0)]:
        row = torch.randn(size, generator=generator, dtype=torch.float64) * scale
        yield [round(x, 5) for x in row.tolist()]
    # Some that cannot be drawn, equal logits, and one that is far above.
    yield [1.0, 0.5, -2.0, 0.25] + [-1e30] * 8
    yield [0.0] * 12
    yield [-3.0] * 20 + [9.0]


# Which of equal logits are left is not said, but where each is judged by itself.
ALONE = {"typical_p", "epsilon_cutoff", "eta_cutoff"}


def settings():
    one = [
        {"typical_p": 0.2}, {"typical_p": 0.9}, {"typical_p": 0.99}, {"epsilon_cutoff": 0.02}, {"epsilon_cutoff": 0.3},
        {"epsilon_cutoff": 1.0}, {"eta_cutoff": 0.003}, {"eta_cutoff": 0.2}, {"top_h": 0.1}, {"top_h": 0.55},
        {"top_h": 0.9}]
    choose = random.Random(3).choice
    for own in one:
        yield own
        yield {"temperature": 1.7, "top_k": 9, **own}
    for _ in range(24):
        mixed = {}
        for key, values in {
                "temperature": [0.6, 1.3], "top_h": [0.4, 0.8], "top_k": [5, 30], "top_p": [0.7, 0.97],
                "min_p": [0.01, 0.1], "typical_p": [0.5, 0.95], "epsilon_cutoff": [0.004, 0.06],
                "eta_cutoff": [0.002, 0.1]}.items():
            value = choose([None, *values])
            if value is not None:
                mixed[key] = value
        yield mixed


def main(fixtures, out):
    model = AutoModelForCausalLM.from_pretrained(os.path.join(fixtures, "models/llama"))
    logits = list(rows())
    lines = []
    for own in settings():
        configuration = GenerationConfig(do_sample=True, **own)
        processors = model._get_logits_processor(configuration, input_ids_seq_length=1, device="cpu")
        for index, row in enumerate(logits if set(own) <= ALONE else logits[:-2]):
            scores = processors(torch.tensor([[1]]), torch.tensor([row], dtype=torch.float64))[0]
            left = torch.nonzero(scores > -1e29)[:, 0]
            probabilities = scores.softmax(-1)
            expected = [[int(token), round(float(probabilities[token]), 9)] for token in left]
            lines.append(json.dumps({"row": index, "generation": own, "expected": expected}))
    with open(out, "w") as file:
        file.write('{"transformers": "%s",\n "logits": [\n%s],\n "cases": [\n%s\n]}\n' % (
            transformers.__version__, ",\n".join(json.dumps(row) for row in logits),
            ",\n".join(lines)))
    print(len(lines), "cases")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
