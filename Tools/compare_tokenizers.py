#!/usr/bin/env python3
"""Compares `infer tokenize` and `infer detokenize` with the tokenizers library on random strings: words, emoji, Chinese,
combining marks, controls, added tokens, and what is left of broken UTF-8.

Needs tokenizers. Usage: Tools/compare_tokenizers.py INFER FOLDER [COUNT] [SEED]; FOLDER holds a tokenizer.json
"""
import json
import pathlib
import random
import subprocess
import sys

from tokenizers import Tokenizer

infer, folder = sys.argv[1], pathlib.Path(sys.argv[2])
count = int(sys.argv[3]) if len(sys.argv) > 3 else 10_000
random.seed(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
reference = Tokenizer.from_file(str(folder / "tokenizer.json"))
added = [token.content for token in reference.get_added_tokens_decoder().values()]
RANGES = [(0x20, 0x7E)] * 4 + [
    (0x00, 0x1F), (0x80, 0x24F), (0x300, 0x36F), (0x370, 0x5FF), (0x600, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
    (0x1100, 0x11FF), (0x2000, 0x206F), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFE00, 0xFE0F),
    (0xFF00, 0xFFEF), (0x1F300, 0x1FAFF), (0x10000, 0x10FFFF)]


def text():
    parts = []
    for _ in range(random.randint(0, 12)):
        kind = random.random()
        if kind < 0.1 and added:
            parts.append(random.choice(added))
        elif kind < 0.25:
            parts.append(random.choice([" ", "  ", "\n", "\r\n", "\t", " \n ", "\u3000", "'s", "'LL", "123", "...", "\u200d"]))
        elif kind < 0.35:
            parts.append(random.randbytes(random.randint(1, 6)).decode(errors="replace"))
        else:
            low, high = random.choice(RANGES)
            points = (random.randint(low, high) for _ in range(random.randint(1, 6)))
            parts.append("".join(chr(p) for p in points if not 0xD800 <= p <= 0xDFFF))
    return "".join(parts)


def ours(command, lines):
    result = subprocess.run(
        [infer, command, "--model", str(folder), "--jsonl"], input="".join(line + "\n" for line in lines).encode(),
        capture_output=True, check=True)
    return [json.loads(line) for line in result.stdout.decode().rstrip("\n").split("\n")]


texts = [text() for _ in range(count)]
encodings = [encoding.ids for encoding in reference.encode_batch(texts)]
bad = 0
for source, wanted, found in zip(texts, encodings, ours("tokenize", map(json.dumps, texts)), strict=True):
    if wanted != found:
        bad += 1
        if bad <= 10:
            print(f"encode {source!r}: {found}, not {wanted}")
ids = encodings + [[random.randrange(reference.get_vocab_size()) for _ in range(20)] for _ in range(count // 4)]
for source, found in zip(ids, ours("detokenize", map(json.dumps, ids)), strict=True):
    wanted = reference.decode(source)
    if wanted != found:
        bad += 1
        if bad <= 10:
            print(f"decode {source}: {found!r}, not {wanted!r}")
print(f"{folder.name}: {len(texts)} texts and {len(ids)} lists of ids, {bad} differences")
sys.exit(bad > 0)
