"""The README's section on speed, from the same rows as the report: the ratios to other engines, and OpenCL's to our own
CPU backend. A section a machine: each lies between two comments that name it, and new ones come behind the last."""
import os
import sys

from report_rows import device, median_ratio, table

BEGIN = "<!-- {}: written by `make bench-report`, from the rows of the report that it links. -->"
END = "<!-- End of what `make bench-report` writes. -->"
# Of each peer the formats that people use most; the report has all.
FORMATS = {"f32": "FP32", "bf16": "BF16", "int8": "INT8", "q8_0": "Q8_0", "q4_0": "Q4_0", "q4_k_m": "Q4_K_M"}
NAMES = {"llama": "llama.cpp", "transformers-compiled": "transformers, compiled", "openvino": "OpenVINO, paged attention",
         "openvino-sdpa": "OpenVINO, SDPA"}

# Peers that quantise the same weights in their own way.
ROUNDED = ["int8", "q8_0", "q4_0"]
QUANTISING = {"openvino": "OpenVINO", "openvino-sdpa": "OpenVINO", "onnxruntime": "onnxruntime"}


def ratios(rows):
    """A line a peer and format: of each model the ratio of prompts and of decoding."""
    models = list(dict.fromkeys(r["model_shape"] for r in rows))
    found = {(r["peer"], r["format"], r["model_shape"]): r for r in rows}
    lines = []
    for peer in dict.fromkeys(r["peer"] for r in rows):
        for form, title in FORMATS.items():
            cells = []
            for model in models:
                row = found.get((peer, form, model))
                cells += [f"{median_ratio(row, t):.2f}" if row else "" for t in ("pp", "tg")]
            if any(cells):
                lines.append([f"{NAMES.get(peer, peer)}, {title}", *cells])
    titles = [f"{model}, {test}" for model in models for test in ("prompt", "decoding")]
    return table(["", *titles], lines)


def devices(rows):
    """One sentence on each further device: its rates over those of the CPU backend, smallest to largest."""
    rows = [r for r in rows if r["file"] == "latency"]
    ours = {(r["model_shape"], r["weight_format"], r["test"]): r["avg_ts"] for r in rows if device(r) == "cpu"}
    sentences = []
    for name in dict.fromkeys(r["backends"] for r in rows if device(r) != "cpu"):
        parts = []
        for title, kind in (("prompts", "n_gen"), ("decoding", "n_prompt")):
            over = [r["avg_ts"] / ours[key] for r in rows if r["backends"] == name and r[kind] == 0
                    and (key := (r["model_shape"], r["weight_format"], r["test"])) in ours]
            if over:
                parts.append(f"{min(over):.2f} to {max(over):.2f} in {title}")
        if parts:
            sentences.append(f"`{name.split(' (')[0]}` over the CPU backend, by format: {', '.join(parts)}.")
    return "\n".join(sentences)


def placed(text, machine, section):
    """The README with the machine's section in place of its last one, or behind the other machines'; None where it has
    none of any machine."""
    begin = BEGIN.format(machine)
    before, found, rest = text.partition(begin)
    if found:
        return before + begin + section + END + rest.partition(END)[2]
    before, found, after = text.rpartition(END)
    return f"{before}{END}\n\n{begin}{section}{END}{after}" if found else None


def write(readme, rows, machine, where, report):
    """`machine` names the section, `where` begins it. Changes nothing where there are no comparisons; exits with an error
    where the README has no place for it."""
    peers = rows["peers"]
    if not peers:
        print(f"{readme} keeps its section on speed: no other engine was compared (make bench-peers)", file=sys.stderr)
        return
    with open(readme) as file:
        text = file.read()
    # What the table would not say by itself.
    names = dict.fromkeys(QUANTISING[r["peer"]] for r in peers if r["peer"] in QUANTISING and r["format"] in ROUNDED)
    note = f" (Beside {' and '.join(names)} each quantises to 8 and 4 bits in its own way.)" if names else ""
    link = os.path.relpath(report, os.path.dirname(os.path.abspath(readme)))
    section = f"""
On {where}:
`infer`'s CPU backend over other engines with the same weights and threads, turn by turn in one run; the median of the
pairs, over 1 `infer` is faster.{note} Prompts of {peers[0]["n_prompt"]} tokens, then {peers[0]["n_gen"]} decoded:

{ratios(peers)}
{devices(rows["latency"])}
[The report]({link}) has every number, the gaps in order of
size, and the pictures; `make bench bench-peers bench-report` makes it anew.
"""
    text = placed(text, machine, section)
    if text is None:
        sys.exit(f"error: {readme}: has no line '{END}' to write its section on speed before")
    with open(readme, "w") as file:
        file.write(text)
