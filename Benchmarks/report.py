"""Writes a report from the rows that the suites kept: a Markdown file with tables and pictures beside it.

usage: report.py RESULTS_FOLDER OUTPUT_FOLDER [--name NAME] [--commit COMMIT] [--readme README.md]
Reads every *.jsonl of the results; a suite that was not run is left out. What people have written in
OUTPUT_FOLDER/NAME/notes.md comes behind the comparisons. Needs matplotlib.
"""
import argparse
import collections
import datetime
import os
import statistics
import subprocess
import sys

import matplotlib

import readme_section
from report_rows import abilities, device, machine, median_ratio, rows_of, slug, table

matplotlib.use("svg")
import matplotlib.pyplot as plt

plt.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "infer", "figure.figsize": (7, 4), "axes.grid": True, "grid.alpha": 0.3,
    "axes.spines.top": False, "axes.spines.right": False, "font.size": 9, "legend.frameon": False,
})


class Report:
    def __init__(self, rows, folder, name):
        self.rows, self.folder, self.name, self.parts = rows, folder, name, []
        os.makedirs(os.path.join(folder, name), exist_ok=True)

    def add(self, text):
        self.parts.append(text.rstrip() + "\n")

    def picture(self, title, figure):
        path = os.path.join(self.name, slug(title) + ".svg")
        figure.tight_layout()
        figure.savefig(os.path.join(self.folder, path), metadata={"Date": None})
        plt.close(figure)
        self.add(f"![{title}]({path})")

    # Latency

    def latency(self):
        rows = [r for r in self.rows["latency"] if r["file"] == "latency"]
        if rows:
            self.add("## Latency of one sequence\n\nTokens a second, mean and standard deviation of the runs.")
            cells = collections.OrderedDict()
            for r in rows:
                key = (r["model_shape"] or r["model_type"], r["weight_format"], device(r))
                cells.setdefault(key, {})[r["test"]] = f"{r['avg_ts']:.1f} ± {r['stddev_ts']:.1f}"
            tests = list(dict.fromkeys(r["test"] for r in rows))
            self.add(table(["model", "format", "device", *tests],
                           [[*key, *(c.get(t, "") for t in tests)] for key, c in cells.items()]))
        if self.rows["startup"]:
            self.add("## Loading, first token, memory\n\nWeights are random and lie in the process's own memory, so the "
                     "peak holds them once more than a mapped file would.")
            self.add(table(
                ["model", "format", "device", "load ms", "first token cold ms", "warm ms", "peak MiB"],
                [[r["model_shape"] or r["model_type"], r["weight_format"], device(r), f"{r['load_seconds'] * 1e3:.0f}",
                  f"{r['ttft_cold_seconds'] * 1e3:.0f}", f"{r['ttft_warm_seconds'] * 1e3:.0f}",
                  f"{r['peak_memory_bytes'] / 2**20:.0f}"] for r in self.rows["startup"]]))

    def lines(self, title, rows, x, xlabel):
        """Prompt and decode rate over something, one line a device and format."""
        figure, axes = plt.subplots(1, 2)
        for axis, name, wanted in ((axes[0], "prompt", lambda r: r["n_gen"] == 0),
                                   (axes[1], "decode", lambda r: r["n_prompt"] == 0)):
            series = collections.defaultdict(list)
            for r in rows:
                if wanted(r):
                    series[device(r), r["weight_format"]].append((x(r), r["avg_ts"]))
            for key, points in series.items():
                axis.plot(*zip(*sorted(points)), marker="o", label=" ".join(key))
            axis.set(title=name, xlabel=xlabel, ylabel="tokens/s", ylim=(0, None))
            axis.legend()
        self.picture(title, figure)

    def sizes(self):
        rows = [r for r in self.rows["latency"] if r["file"] in ("sizes", "latency") and r["n_depth"] == 0
                and device(r) == "cpu" and r["weight_format"] in ("q8_0", "q4_0", "float32")
                and (r["n_gen"] == 0 or r["n_prompt"] == 0)]
        if any(r["file"] == "sizes" for r in rows):
            self.add("## Rate against size")
            self.lines("Rate against parameters", rows, lambda r: r["model_n_params"] / 1e6, "million parameters")
            self.add(table(["model", "format", "test", "t/s"],
                           [[r["model_shape"], r["weight_format"], r["test"], f"{r['avg_ts']:.1f}"]
                            for r in rows if r["file"] == "sizes"]))

    def contexts(self):
        rows = [r for r in self.rows["latency"] if r["file"] == "contexts"]
        if rows:
            self.add("## Rate against context")
            self.lines("Rate against context", rows, lambda r: r["n_depth"], "tokens of context before")
            self.add(table(["device", "test", "t/s"],
                           [[device(r), r["test"], f"{r['avg_ts']:.1f}"] for r in rows]))

    # Ops

    def ops(self):
        if self.rows["ceilings"]:
            self.add("## Ceilings\n\nThe best that anything here reaches on the device; shares below are of these.")
            self.add(table(["device", "ceiling", "rate", "reached by"],
                           [[r["backends"], r["ceiling"], f"{r['rate']:.1f} {r['unit']}", r["reached_by"]]
                            for r in self.rows["ceilings"]]))
        if not self.rows["ops"]:
            return
        self.add("## Ops\n\n`share` is the least time that the ceilings allow over the time taken; over 100 % the "
                 "operands fitted a cache. Every row's output was checked.")
        for name in dict.fromkeys(r["backends"] for r in self.rows["ops"]):
            self.roofline(name)
        groups = collections.OrderedDict()
        for r in self.rows["ops"]:
            kind = "one token" if r["n_tokens"] == 1 else "many tokens"
            groups.setdefault((device(r), r["op"], r["format"], kind), []).append(r)
        self.add(table(
            ["device", "op", "format", "tokens", "rows", "median share %", "worst", "worst share %"],
            [[*key, len(rs), f"{100 * statistics.median(r['share'] for r in rs):.0f}",
              (lambda w: f"{w['model_shape']} {w['operand']} T={w['n_tokens']}"
               + (f" context {w['n_context']}" if w["n_context"] else ""))(min(rs, key=lambda r: r["share"])),
              f"{100 * min(r['share'] for r in rs):.0f}"] for key, rs in groups.items()]))

    def roofline(self, name):
        ceilings = {r["ceiling"]: r["rate"] for r in self.rows["ceilings"] if r["backends"] == name}
        bandwidth = ceilings.get("read", 0)
        compute = max((v for k, v in ceilings.items() if k.startswith("products")), default=0)
        figure, axis = plt.subplots()
        # Ops that only move or compare have no place on it.
        ops = dict.fromkeys(r["op"] for r in self.rows["ops"] if r["flops"])
        marks = dict(zip(ops, "os^Dv<>ph*"))
        formats = list(dict.fromkeys(r["format"] for r in self.rows["ops"]))
        for index, form in enumerate(formats):
            for op in marks:
                points = [(r["flops"] / r["bytes"], r["gflop_per_s"]) for r in self.rows["ops"]
                          if r["backends"] == name and r["format"] == form and r["op"] == op and r["flops"]]
                if points:
                    axis.scatter(*zip(*points), s=14, marker=marks[op], color=f"C{index}")
        x = [0.1, compute / bandwidth if bandwidth else 1, 1000]
        axis.plot(x, [min(compute, bandwidth * v) for v in x], color="black", linewidth=1)
        axis.set(xscale="log", yscale="log", xlabel="FLOP a byte that must be moved", ylabel="GFLOP/s",
                 title=f"Roofline, {name.split(' (')[0]}")
        shapes = [axis.scatter([], [], s=14, marker=mark, color="black", label=op) for op, mark in marks.items()]
        colors = [axis.scatter([], [], s=14, color=f"C{i}", label=form) for i, form in enumerate(formats)]
        axis.legend(handles=shapes + colors, fontsize=7, ncol=2)
        self.picture(f"Roofline {name.split(':')[0]}", figure)

    # Throughput

    def throughput(self):
        rows = self.rows["batched"]
        if rows:
            self.add("## Batches\n\nThe columns of llama.cpp's batched-bench.")
            self.add(table(
                ["model", "prompts", "PP", "TG", "B", "N_KV", "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s", "T s", "S t/s"],
                [[r["model_shape"] or r["model_type"], "shared" if r["is_pp_shared"] else "separate", r["pp"], r["tg"],
                  r["pl"], r["n_kv"], f"{r['t_pp']:.3f}", f"{r['speed_pp']:.1f}", f"{r['t_tg']:.3f}",
                  f"{r['speed_tg']:.1f}", f"{r['t']:.3f}", f"{r['speed']:.1f}"] for r in rows]))
            figure, axis = plt.subplots()
            for shared in (0, 1):
                points = [(r["pl"], r["speed_tg"]) for r in rows if r["is_pp_shared"] == shared]
                if points:
                    axis.plot(*zip(*points), marker="o", label=("separate", "shared")[shared] + " prompts")
            axis.set(xscale="log", xlabel="sequences at once", ylabel="decoded tokens/s", title="Decoding in batches",
                     ylim=(0, None))
            axis.set_xscale("log", base=2)
            axis.legend()
            self.picture("Decoding in batches", figure)
        if self.rows["offline"]:
            self.add("## A set of mixed lengths through the engine")
            self.add(table(
                ["model", "requests", "at once", "tokens in", "tokens out", "s", "requests/s", "out t/s", "all t/s"],
                [[r["model_shape"] or r["model_type"], r["n_requests"], r["max_sequences"], r["input_tokens"],
                  r["output_tokens"], f"{r['seconds']:.2f}", f"{r['requests_per_s']:.2f}",
                  f"{r['output_tokens_per_s']:.1f}", f"{r['total_tokens_per_s']:.1f}"] for r in self.rows["offline"]]))

    def counts(self):
        if self.rows["counts"]:
            names = ["launches", "synchronizations", "allocations", "bytes_written", "bytes_read", "builds"]
            self.add("## Counts\n\nExact, and compared with `Benchmarks/baselines/counts.json` in every test run.")
            self.add(table(["measured", *(n.replace("_", " ") for n in names)],
                           [[r["measured"], *(r[n] for n in names)] for r in self.rows["counts"]]))

    # Servers and peers

    def serve(self):
        rows = self.rows["serve"]
        if not rows:
            return
        self.add("## Serving\n\nMilliseconds: median, 90th and 99th percentile.")
        latency = lambda r, n: f"{r[f'median_{n}_ms']:.0f}, {r[f'p90_{n}_ms']:.0f}, {r[f'p99_{n}_ms']:.0f}"
        self.add(table(
            ["load", "at most", "done", "failed", "requests/s", "out t/s", "TTFT", "TPOT", "ITL", "E2EL"],
            [[r["load"], r["max_concurrency"] or "", r["completed"], r["failed"], f"{r['request_throughput']:.2f}",
              f"{r['output_throughput']:.1f}", *(latency(r, n) for n in ("ttft", "tpot", "itl", "e2el"))] for r in rows]))
        figure, axes = plt.subplots(1, 2)
        for axis, name in ((axes[0], "ttft"), (axes[1], "tpot")):
            for part in ("median", "p90", "p99"):
                points = sorted((r["request_throughput"], r[f"{part}_{name}_ms"]) for r in rows)
                axis.plot(*zip(*points), marker="o", label=part)
            axis.set(title=name.upper(), xlabel="requests/s", ylabel="ms", ylim=(0, None))
            axis.legend()
        self.picture("Latency against load", figure)

    def peers(self):
        rows = self.rows["peers"]
        if not rows:
            return
        self.add("## Against other engines\n\nThe same weights and threads, turn by turn; both continued the same prompt "
                 "with the same tokens first (as many as the column says; none need agree where an engine quantises the "
                 "weights in its own way, as OpenVINO and onnxruntime do in 8 and 4 bits). The ratio is of each pair of "
                 "runs: over 1, infer is faster.")
        ratio = lambda r, t: (f"{median_ratio(r, t):.2f} "
                              f"({min(r[t + '_ratio']):.2f} to {max(r[t + '_ratio']):.2f})")
        middle = lambda r, n: f"{statistics.median(r[n]):.1f}"
        self.add(table(
            ["peer", "model", "format", "same greedy tokens", "prompt t/s", "peer", "ratio", "decode t/s", "peer", "ratio"],
            [[r["peer"], r["model_shape"], r["format"], r["greedy_same"], middle(r, "pp_infer"), middle(r, "pp_peer"),
              ratio(r, "pp"), middle(r, "tg_infer"), middle(r, "tg_peer"), ratio(r, "tg")] for r in rows]))
        gaps = sorted((median_ratio(r, t), r["peer"], r["model_shape"], r["format"], n)
                      for r in rows for t, n in (("pp", "prompt"), ("tg", "decode")))
        gaps = [g for g in gaps if g[0] < 1]
        self.add("### Gaps, largest first\n\n" + ("\n".join(
            f"{i}. {n}, {model} {form}: {value:.2f} of {peer}" for i, (value, peer, model, form, n)
            in enumerate(gaps, 1)) or "None: no ratio is below 1."))

    def notes(self):
        path = os.path.join(self.folder, self.name, "notes.md")
        if os.path.exists(path):
            with open(path) as file:
                self.add(file.read())


def measured_commit(folder):
    """What `make bench` noted, else the checkout's."""
    try:
        with open(os.path.join(folder, "commit")) as file:
            return file.read().strip()
    except OSError:
        pass
    try:
        return subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("output")
    parser.add_argument("--name")
    parser.add_argument("--commit", default=None)
    parser.add_argument("--readme", help="whose section on speed is written anew")
    arguments = parser.parse_args()
    if not os.path.isdir(arguments.results) or not any(n.endswith(".jsonl") for n in os.listdir(arguments.results)):
        sys.exit(f"error: {arguments.results}: no rows of any suite; run make bench first")
    processor, cores, memory = machine()
    today = datetime.date.today().isoformat()
    name = arguments.name or f"{slug(processor)}-{cores}-cores-{today}"
    commit = arguments.commit or measured_commit(arguments.results)
    report = Report(rows_of(arguments.results), arguments.output, name)
    report.add(f"# {processor}, {cores} cores, {memory:.0f} GiB, {today}\n\n"
               f"{abilities()} Commit `{commit}`. [Benchmarks/README.md](../README.md) says how each figure is defined and how far two "
               "runs differ.")
    for part in (report.peers, report.notes, report.latency, report.sizes, report.contexts, report.ops,
                 report.throughput, report.serve, report.counts):
        part()
    path = os.path.join(arguments.output, name + ".md")
    with open(path, "w") as file:
        file.write("\n".join(report.parts))
    print(path)
    if arguments.readme:
        where = f"{cores} cores of {processor} ({abilities()[:-1]}; {today}, commit `{commit}`)"
        # Processors of several kinds call themselves "AMD EPYC".
        kind = f"{processor} ({abilities()[:-1]}), {cores} cores"
        readme_section.write(arguments.readme, report.rows, kind, where, path)


main()
