"""Decodes sequences in step with this engine and with others, turn by turn on the same weights, and prints the ratios.

usage: batches.py --infer BINARY [--peers llama,openvino] [--models llama-135m] [--formats q8_0,…] [--batches 8,16,32]
                  [--rounds 2]

Every sequence has a prompt of its own. llama.cpp runs with and without flash attention (`llama-batched-bench -fa`),
OpenVINO GenAI with paged attention, quantising to 8 and 4 bits in its own way; the ratio is that to the fastest of them.
Models and programs are those of compare.py.
"""
import argparse
import json
import os
import statistics
import sys

import engines
import make_model
from compare import FOLDER, FORMATS, LIBRARIES, LLAMA, architecture, gguf, model_folder
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


class OpenVINO:
    """Loads the model once; what it measures first is its warm-up."""

    def __init__(self, arguments, name, form):
        library = LIBRARIES["openvino"]
        self.arguments, self.warm = arguments, False
        self.worker = engines.PythonWorker(
            "openvino", os.path.join(FOLDER, library.environment, "bin/python"), library.script,
            [os.path.join(model_folder(name), "hf"), arguments.threads, *library.words[form]], arguments.threads)

    def rates(self):
        if not self.warm:
            self.warm = True
            self.rates()
        result = {}
        for count in map(int, self.arguments.batches.split(",")):
            prompt, decode = self.arguments.prompt, self.arguments.decode
            seconds = self.worker.ask(op="batch", sequences=count, prompt=prompt, decode=decode)["seconds"]
            result[count] = (count * prompt / seconds[0], count * decode / seconds[1])
        return result


    def close(self):
        self.worker.close()


def measure(arguments, name, form):
    """The rates of each round, a column an engine; None where a peer lacks the format."""
    path, library = gguf(name, form), LIBRARIES["openvino"]
    knows = form in library.words and architecture(name) in library.architectures
    openvino = OpenVINO(arguments, name, form) if knows and "openvino" in arguments.peers else None
    try:
        for _ in range(arguments.rounds):
            columns = [infer(arguments, path)]
            if "llama" in arguments.peers:
                columns += [llama(arguments, path, "off"), llama(arguments, path, "on")]
            if "openvino" in arguments.peers:
                columns.append(openvino and openvino.rates())
            if not any(columns[1:]):
                raise EngineError("none of the peers has this format of this model")
            yield columns
    finally:
        if openvino:
            openvino.close()


def compare(arguments, name, form):
    rounds = list(measure(arguments, name, form))
    for count in map(int, arguments.batches.split(",")):
        for test, label in enumerate(("prompts", "decoding")):
            columns = [[rates and rates[count][test] for rates in engine] for engine in zip(*rounds)]
            ratios = [rates[0] / max(rate for rate in rates[1:] if rate) for rates in zip(*columns)]
            middle = [f"{statistics.median(rates):.1f}" if rates[0] else "" for rates in columns]
            print(f"| {name} | {form} | {count} | {label} | {' | '.join(middle)} | {statistics.median(ratios):.2f} "
                  f"({min(ratios):.2f} to {max(ratios):.2f}) |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--infer", required=True, help="the binary")
    parser.add_argument("--peers", default="llama", help="llama,openvino")
    parser.add_argument("--models", default="llama-135m", help=",".join(make_model.SHAPES))
    parser.add_argument("--formats", default="q8_0,q4_0,q4_k_m,bf16")
    parser.add_argument("--batches", default="8,16,32")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("-p", "--prompt", type=int, default=128)
    parser.add_argument("-n", "--decode", type=int, default=32)
    parser.add_argument("-t", "--threads", type=int, default=len(os.sched_getaffinity(0)))
    arguments = parser.parse_args()
    for option, known in (("peers", ["llama", "openvino"]), ("models", make_model.SHAPES),
                          ("formats", [f for f in FORMATS if FORMATS[f]])):
        for name in getattr(arguments, option).split(","):
            if name not in known:
                print(f"error: --{option} names '{name}'; there are {', '.join(known)}", file=sys.stderr)
                sys.exit(64)
    arguments.peers = arguments.peers.split(",")
    headings = ["llama.cpp, -fa off", "-fa on"] * ("llama" in arguments.peers)
    headings += ["OpenVINO"] * ("openvino" in arguments.peers)
    print(f"| model | format | sequences | | infer t/s | {' | '.join(headings)} | ratio |\n"
          f"| :-- | :-- | --: | :-- | --: | {'--: | ' * len(headings)}:-- |", flush=True)
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
