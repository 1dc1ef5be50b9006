"""Runs this engine and a peer turn by turn on the same weights and prints the ratio of each pair of runs.

usage: compare.py --infer BINARY [--peers llama,transformers,…] [--models …] [--formats …] [--rounds 3] [--save FILE]

Before anything is timed both continue the same prompt greedily and must agree. A ratio over 1 means that infer is faster.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import typing

import engines
import make_model
from engines import EngineError, warn


class Library(typing.NamedTuple):
    """A peer that is a Python library."""

    script: str
    """Its worker."""
    words: dict
    """What the worker is told after folder and threads, for each format that it has."""
    architectures: list
    """Those that it can load."""
    environment: str = "venv"
    """Where it is installed: libraries that want other versions of one package have environments of their own."""
    quantises_itself: bool = False
    """Whether it quantises the folder in its own way, for formats of GGUF too: then no token need be the same."""


FOLDER = os.environ.get("INFER_PEERS") or os.path.expanduser("~/.cache/infer-bench-peers")
PYTHON = os.path.join(FOLDER, "venv/bin/python")
LLAMA = os.environ.get("INFER_LLAMA_BIN") or os.path.join(FOLDER, "llama/bin")
MODELS = os.environ.get("INFER_BENCH_MODELS") or os.path.join(FOLDER, "models")
# By name: what llama-quantize calls it, where GGUF files have it.
FORMATS = {"f32": "F32", "bf16": "BF16", "f16": "F16", "int8": None, "q8_0": "Q8_0", "q4_0": "Q4_0", "q4_1": "Q4_1",
           "q5_0": "Q5_0", "q5_1": "Q5_1", "q2_k": "Q2_K", "q3_k_m": "Q3_K_M", "q4_k_m": "Q4_K_M", "q5_k_m": "Q5_K_M",
           "q6_k": "Q6_K", "iq4_nl": "IQ4_NL", "iq4_xs": "IQ4_XS"}
# The same under the names of `infer --dtype`, which converts while loading.
DTYPES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16", "int8": "int8"}
GPT2_AND_LLAMA = ["gpt2", "llama"]
TORCH = {"f32": ["float32"], "bf16": ["bfloat16"]}
# OpenVINO computes in BF16 by itself where the processor can.
OPENVINO = {"f32": ["fp32", "f32"], "bf16": ["fp16", "bf16"], "int8": ["int8", "auto"], "q8_0": ["int8", "auto"],
            "q4_0": ["int4", "auto"]}
LIBRARIES = {
    "transformers": Library("worker_transformers.py", TORCH, GPT2_AND_LLAMA),
    "transformers-compiled": Library(
        "worker_transformers.py", {form: [*words, "compiled"] for form, words in TORCH.items()}, GPT2_AND_LLAMA),
    "ctranslate2": Library(
        "worker_ctranslate2.py", {"f32": ["float32"], "int8": ["int8_float32"]}, GPT2_AND_LLAMA),
    "onnxruntime": Library("worker_onnxruntime.py", {"f32": ["fp32"], "q4_0": ["int4"]}, ["llama"], quantises_itself=True),
    **{name: Library("worker_openvino.py", {form: [*words, backend] for form, words in OPENVINO.items()},
                     GPT2_AND_LLAMA, "venv-openvino", quantises_itself=True)
       for name, backend in (("openvino", "PA"), ("openvino-sdpa", "SDPA"))},
}
PEERS = ["llama", *LIBRARIES]
# Tokens that both continue a prompt with. In FP32 all must agree. Engines round activations in their own ways, so with
# weights of fewer bits they part at the first near tie; one token of 50,000 that agrees is no accident.
GREEDY = 16
# Single bytes, which the vocabulary has as its first tokens: words would need merges. The next is tried where one ends in
# a near tie.
PROMPTS = [b"To be or not to be", b"All the world is a stage", b"Now is the winter"]


def model_folder(name):
    folder = os.path.join(MODELS, name)
    if not os.path.exists(os.path.join(folder, "hf/tokenizer_config.json")):
        warn(f"making {name} in {folder}")
        # With what was made of a model that was not whole.
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([PYTHON, make_model.__file__, name, folder], check=True)
    return folder


def gguf(name, form):
    path = os.path.join(model_folder(name), f"model-{form}.gguf")
    if not os.path.exists(path):
        source = os.path.join(model_folder(name), "model-f32.gguf")
        engines.run([os.path.join(LLAMA, "llama-quantize"), source, path + ".part", FORMATS[form]])
        os.rename(path + ".part", path)
    return path


def architecture(name):
    shape = make_model.SHAPES[name]
    return "mixtral" if "experts" in shape else shape["arch"]


def lacking(peer, models, formats):
    """What of these a peer cannot run, as one line, or None."""
    known_formats = [f for f in FORMATS if FORMATS[f]] if peer == "llama" else LIBRARIES[peer].words
    missing = [f for f in formats if f not in known_formats]
    if peer != "llama":
        missing += [m for m in models if architecture(m) not in LIBRARIES[peer].architectures]
    return f"{peer} is not compared on what it does not have: {', '.join(missing)}" if missing else None


def pair(peer, name, form, arguments):
    """Both engines for one model and format."""
    threads = arguments.threads
    if peer == "llama":
        path = gguf(name, form)
        tokens = make_model.vocabulary(make_model.SHAPES[name]["vocab"])
        return (engines.Infer(arguments.infer, path, threads, arguments.device),
                engines.LlamaCpp(LLAMA, path, threads, tokens))
    library = LIBRARIES[peer]
    folder = os.path.join(model_folder(name), "hf")
    ours = (engines.Infer(arguments.infer, folder, threads, arguments.device, ["--dtype", DTYPES[form]])
            if form in DTYPES else engines.Infer(arguments.infer, gguf(name, form), threads, arguments.device))
    python = os.path.join(FOLDER, library.environment, "bin/python")
    theirs = engines.PythonWorker(peer, python, library.script, [folder, threads, *library.words[form]], threads)
    return ours, theirs


def agreeing(ours, theirs, wanted):
    """How many of the first greedy tokens are the same. Raises where they are fewer than `wanted`."""
    for text in PROMPTS:
        a, b = ours.greedy(list(text), GREEDY), theirs.greedy(list(text), GREEDY)
        same = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        if same >= wanted:
            return same
    raise EngineError(f"the greedy tokens part after {same}: infer {a[:same + 2]}, {theirs.name} {b[:same + 2]}")


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def compare(peer, name, form, arguments):
    ours, theirs = pair(peer, name, form, arguments)
    try:
        quantises_itself = peer in LIBRARIES and LIBRARIES[peer].quantises_itself
        same = agreeing(ours, theirs, GREEDY if form == "f32" else 0 if quantises_itself else 1)
        rounds = []
        for _ in range(arguments.rounds):
            a = ours.measure(arguments.prompt, arguments.decode)
            b = theirs.measure(arguments.prompt, arguments.decode)
            rounds.append((a, b))
            warn(f"{peer} {name} {form}: pp {a[0]:.1f} / {b[0]:.1f} = {a[0] / b[0]:.2f}, "
                 f"tg {a[1]:.1f} / {b[1]:.1f} = {a[1] / b[1]:.2f}")
    finally:
        theirs.close()
    columns = {"suite": "peers", "peer": peer, "model_shape": name, "format": form, "device": arguments.device,
               "n_threads": arguments.threads, "n_prompt": arguments.prompt, "n_gen": arguments.decode,
               "greedy_same": same}
    for index, test in enumerate(("pp", "tg")):
        columns[f"{test}_infer"] = [a[index] for a, _ in rounds]
        columns[f"{test}_peer"] = [b[index] for _, b in rounds]
        columns[f"{test}_ratio"] = [a[index] / b[index] for a, b in rounds]
    return columns


def markdown(row):
    cells = [row["peer"], row["model_shape"], row["format"], f"{row['greedy_same']} of {GREEDY}"]
    for test in ("pp", "tg"):
        cells += [f"{statistics.median(row[test + '_infer']):.1f}", f"{statistics.median(row[test + '_peer']):.1f}",
                  spread(row[test + "_ratio"])]
    return "| " + " | ".join(cells) + " |"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--infer", required=True, help="the binary")
    parser.add_argument("--peers", default="llama,transformers", help=",".join(PEERS))
    parser.add_argument("--models", default="gpt2-124m,llama-135m", help=",".join(make_model.SHAPES))
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-p", "--prompt", type=int, default=512)
    parser.add_argument("-n", "--decode", type=int, default=32)
    parser.add_argument("-t", "--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--save", help="appends a row a comparison, one JSON object a line")
    arguments = parser.parse_args()
    for option, known in (("peers", PEERS), ("models", make_model.SHAPES), ("formats", FORMATS)):
        names = getattr(arguments, option).split(",")
        unknown = [n for n in names if n not in known]
        if unknown:
            print(f"error: --{option} names '{unknown[0]}'; there are {', '.join(known)}", file=sys.stderr)
            sys.exit(64)
        setattr(arguments, option, names)
    return arguments


def comparisons(arguments):
    """Peer, model and format of each that can be made, in order; what cannot is said."""
    for peer in arguments.peers:
        missing = lacking(peer, arguments.models, arguments.formats)
        if missing:
            warn(missing)
        for name in arguments.models:
            for form in arguments.formats:
                if not lacking(peer, [name], [form]):
                    yield peer, name, form


def main():
    arguments = parse()
    failures = []
    print("| peer | model | format | same greedy tokens | pp infer t/s | pp peer t/s | pp ratio | tg infer t/s "
          "| tg peer t/s | tg ratio |\n| :-- | :-- | :-- | --: | --: | --: | --: | --: | --: | --: |", flush=True)
    for peer, name, form in comparisons(arguments):
        try:
            row = compare(peer, name, form, arguments)
        except (EngineError, OSError, subprocess.SubprocessError) as error:
            failures.append(f"{peer} {name} {form}: {error}")
            warn(failures[-1])
            continue
        print(markdown(row), flush=True)
        if arguments.save:
            with open(arguments.save, "a") as file:
                file.write(json.dumps(row) + "\n")
    if failures:
        print(f"error: {len(failures)} comparisons failed; the first: {failures[0]}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        # What was compared before is printed and saved.
        sys.exit("error: interrupted")
