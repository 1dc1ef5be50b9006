"""What the report and the README's section share: the rows that the suites kept, the machine, Markdown tables."""
import collections
import json
import os
import re
import statistics
import sys


def rows_of(folder):
    rows = collections.defaultdict(list)
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".jsonl"):
            continue
        with open(os.path.join(folder, name)) as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    sys.exit(f"error: {name}, line {number}: no JSON; run its suite again")
                rows[row["suite"]].append({**row, "file": name[:-len(".jsonl")]})
    return rows


# What decides which kernels run, by the names of /proc/cpuinfo.
ABILITIES = {"avx2": "AVX2", "avx512f": "AVX-512", "avx_vnni": "AVX-VNNI", "avx512_vnni": "AVX512-VNNI",
             "avx512_bf16": "AVX512-BF16", "avx512_fp16": "AVX512-FP16", "amx_int8": "AMX-INT8", "amx_bf16": "AMX-BF16",
             "asimddp": "dot products", "i8mm": "I8MM", "sve": "SVE"}


def processor():
    """What the first processor says of itself, by the names of /proc/cpuinfo."""
    with open("/proc/cpuinfo") as file:
        lines = file.read().split("\n\n")[0].splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def abilities():
    """One sentence: the processor's family and model, and which instructions it has."""
    facts = processor()
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    has = [title for flag, title in ABILITIES.items() if flag in flags]
    model = f"Family {facts['cpu family']}, model {facts['model']}; " if "cpu family" in facts else ""
    return f"{model}{', '.join(has) or 'no vector instructions that matter here'}."


def machine():
    """What the processor calls itself, how many of it there are, and GiB of memory."""
    name = processor().get("model name", "unknown processor")
    cores = len(os.sched_getaffinity(0))
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) / 2**20
    return name, cores, memory


def slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def table(titles, rows):
    """Markdown; numbers to the right."""
    if not rows:
        return ""
    numeric = [all(re.match(r"^[-\d.,% ±x]*$", str(r[i])) for r in rows) for i in range(len(titles))]
    lines = [titles, ["--:" if n else ":--" for n in numeric], *rows]
    return "\n".join("| " + " | ".join(str(c) for c in line) + " |" for line in lines) + "\n"


def device(row):
    return row["backends"].split(":")[0]


def median_ratio(row, test):
    """Of a comparison with another engine; `test` is pp or tg."""
    return statistics.median(row[test + "_ratio"])
