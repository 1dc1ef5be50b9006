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


def machine():
    """What the processor calls itself, and how many of it there are."""
    name = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
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
