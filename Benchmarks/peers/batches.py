"""Decodes sequences in step with this engine and with llama.cpp, turn by turn on the same file, and prints the ratios.

usage: batches.py --infer BINARY [--models llama-135m] [--formats q8_0,…] [--batches 8,16,32] [--rounds 2]

Every sequence has a prompt of its own. llama.cpp runs with and without flash attention (`llama-batched-bench -fa`); the
ratio is that to the better of the two. Models and programs are those of compare.py.
"""
import argparse
import json
import os
import statistics
import sys

import engines
import make_model
from compare import FORMATS, LLAMA, gguf
from engines import EngineError


def rates(output):
    """Tokens a second of prompts and of decoding for each number of sequences."""
    rows = [json.loads(line) for line in output.decode().splitlines() if line.startswith("{")]
    return {row["pl"]: (row["speed_pp"], row["speed_tg"]) for row in rows if "speed_tg" in row}


def infer(arguments, path):
    return rates(engines.run([
        arguments.infer, "bench", "throughput", "-m", path, "-p", str(arguments.prompt), "-n", str(arguments.decode),
        "--batches", arguments.batches, "--prompts", "separate", "--requests", "0", "--threads", str(arguments.threads),
        "--device", "cpu", "-o", "jsonl"]))


def llama(arguments, path, flash):
    counts = [int(b) for b in arguments.batches.split(",")]
    context = max(counts) * (arguments.prompt + arguments.decode)
    return rates(engines.run([
        os.path.join(LLAMA, "llama-batched-bench"), "-m", path, "-c", str(context), "-b", "2048", "-ub", "512", "-npp",
        str(arguments.prompt), "-ntg", str(arguments.decode), "-npl", arguments.batches, "-t", str(arguments.threads),
        "-fa", flash, "--output-format", "jsonl"]))


def compare(arguments, name, form):
    path = gguf(name, form)
    rounds = [(infer(arguments, path), llama(arguments, path, "off"), llama(arguments, path, "on"))
              for _ in range(arguments.rounds)]
    for count in map(int, arguments.batches.split(",")):
        for test, label in enumerate(("prompts", "decoding")):
            ours, off, on = ([run[i][count][test] for run in rounds] for i in range(3))
            ratios = [a / max(b, c) for a, b, c in zip(ours, off, on)]
            middle = [f"{statistics.median(values):.1f}" for values in (ours, off, on)]
            print(f"| {name} | {form} | {count} | {label} | {' | '.join(middle)} | {statistics.median(ratios):.2f} "
                  f"({min(ratios):.2f} to {max(ratios):.2f}) |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--infer", required=True, help="the binary")
    parser.add_argument("--models", default="llama-135m", help=",".join(make_model.SHAPES))
    parser.add_argument("--formats", default="q8_0,q4_0,q4_k_m,bf16")
    parser.add_argument("--batches", default="8,16,32")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("-p", "--prompt", type=int, default=128)
    parser.add_argument("-n", "--decode", type=int, default=32)
    parser.add_argument("-t", "--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    for option, known in (("models", make_model.SHAPES), ("formats", [f for f in FORMATS if FORMATS[f]])):
        for name in getattr(arguments, option).split(","):
            if name not in known:
                print(f"error: --{option} names '{name}'; there are {', '.join(known)}", file=sys.stderr)
                sys.exit(64)
    print("| model | format | sequences | | infer t/s | llama.cpp, -fa off | -fa on | ratio |\n"
          "| :-- | :-- | --: | :-- | --: | --: | --: | :-- |", flush=True)
    for name in arguments.models.split(","):
        for form in arguments.formats.split(","):
            try:
                compare(arguments, name, form)
            except (EngineError, OSError, KeyError) as error:
                sys.exit(f"error: {name} {form}: {error}")


try:
    main()
except KeyboardInterrupt:
    sys.exit("error: interrupted")
