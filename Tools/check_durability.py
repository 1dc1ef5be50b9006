#!/usr/bin/env python3
"""Kills `infer index` with -9 at random moments and looks at what is left.

    Tools/check_durability.py .build/release/infer [--kills 200] [--seed 1]

After each kill the collection must open, pass SQLite's check, hold whole documents only, each as it was in some state of
the input, and an index that says what the documents say. The next run goes on from there; when one comes to its end,
everything must be there, and a search must find what it finds in a collection that was made at once. Then, where a small
file system can be mounted (as root), a full and a read-only disk: one line each, nothing lost.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time


def documents(rng, count):
    words = [f"word{n}" for n in range(400)]
    return {
        f"d{n}": " ".join(rng.choice(words) for _ in range(rng.randint(5, 120))) + f" version{rng.randint(0, 9)}."
        for n in range(count)
    }


def write(path, docs):
    with open(path, "w") as file:
        for key, text in docs.items():
            file.write(json.dumps({"id": key, "text": text}) + "\n")


def command(infer, folder, database):
    return [infer, "index", "--jsonl", f"{folder}/docs.jsonl", "-c", database, "--lexical-only", "--analyzer", "simple",
            "--chunk-tokens", "40", "--overlap-tokens", "0"]


def check(database, texts):
    """Every document whole, as in one of `texts` (key to the set of its texts), and the index over its chunks."""
    connection = sqlite3.connect(database)
    assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return 0
    found = {}
    for key, text in connection.execute(
        "SELECT key, text FROM document LEFT JOIN chunk ON chunk.document = document.id ORDER BY chunk.id"
    ):
        found.setdefault(key, []).append(text)
    for key, parts in found.items():
        assert " ".join(parts) in texts[key], f"{key} is not whole: {parts}"
    chunks = [row[0] for row in connection.execute("SELECT id FROM chunk ORDER BY id")]
    segments = []
    for blob, lengths in connection.execute("SELECT chunks, lengths FROM segment"):
        numbers = [int.from_bytes(blob[i : i + 8], "little") for i in range(0, len(blob), 8)]
        assert len(lengths) == 4 * len(numbers)
        segments += numbers
    assert sorted(segments) == chunks, "the index and the chunks differ"
    connection.close()
    return len(found)


def search(infer, database, query):
    result = subprocess.run([infer, "search", query, "-c", database, "-k", "50", "--json"], capture_output=True, check=True)
    return {(hit["id"], round(hit["score"], 9)) for hit in json.loads(result.stdout)}


def kills(infer, count, seed, document_count):
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        docs = documents(rng, document_count)
        write(f"{folder}/docs.jsonl", docs)
        start = time.monotonic()
        subprocess.run(command(infer, folder, f"{folder}/fresh.db"), check=True, capture_output=True)
        whole = time.monotonic() - start
        database, texts, killed, finished, partial = f"{folder}/c.db", {k: {v} for k, v in docs.items()}, 0, 0, 0
        while killed < count:
            process = subprocess.Popen(command(infer, folder, database), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                process.wait(rng.uniform(0, whole))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                if os.path.exists(database):
                    held = check(database, texts)
                    partial += 0 < held < len(docs)
                # Now and then the documents change meanwhile.
                if rng.random() < 0.3:
                    changed = documents(rng, document_count)
                    for key in rng.sample(sorted(docs), document_count // 10):
                        docs[key] = changed[key]
                        texts[key].add(docs[key])
                    write(f"{folder}/docs.jsonl", docs)
                continue
            assert process.returncode == 0, process.stderr.read()
            finished += 1
            assert check(database, {k: {v} for k, v in docs.items()}) == len(docs)
            for name in os.listdir(folder):
                if name.startswith("c.db"):
                    os.remove(f"{folder}/{name}")
        subprocess.run(command(infer, folder, database), check=True, capture_output=True)
        assert check(database, {k: {v} for k, v in docs.items()}) == len(docs)
        fresh = f"{folder}/again.db"
        subprocess.run(command(infer, folder, fresh), check=True, capture_output=True)
        for query in ["word1 word2", "word399", "version3 word7 word8"]:
            assert search(infer, database, query) == search(infer, fresh, query), query
        print(f"{killed} kills within {whole:.2f} s, {partial} of them left a part of the documents; "
              f"{finished + 1} runs came to their end: nothing broken")


def disks(infer):
    """Full and read-only disks, on a small file system of our own name space."""
    with tempfile.TemporaryDirectory() as folder:
        write(f"{folder}/docs.jsonl", documents(random.Random(3), 3000))
        index = f"'{infer}' index --jsonl {folder}/docs.jsonl -c {folder}/disk/c.db --lexical-only --analyzer simple"
        script = f"""
            mkdir {folder}/disk && mount -t tmpfs -o size=600k tmpfs {folder}/disk || exit 77
            {index} >/dev/null 2>{folder}/full; echo $? >>{folder}/full
            mount -o remount,size=100m {folder}/disk; {index} >/dev/null 2>&1 || exit 3
            mount -o remount,ro {folder}/disk
            {index} >/dev/null 2>{folder}/ro; echo $? >>{folder}/ro
            '{infer}' search word1 -c {folder}/disk/c.db --json >{folder}/found || exit 4
        """
        result = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True)
        if result.returncode in (1, 77):
            return print("full and read-only disks were not looked at: cannot mount a file system here")
        assert result.returncode == 0, (result.returncode, result.stderr)
        for name in ["full", "ro"]:
            lines = open(f"{folder}/{name}").read().splitlines()
            assert len(lines) == 2 and lines[0].startswith("error: ") and lines[1] == "1", lines
            print(f"{name}: {lines[0]}")
        assert json.load(open(f"{folder}/found")), "nothing is found on a read-only disk"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("infer")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--documents", type=int, default=6000)
    arguments = parser.parse_args()
    kills(os.path.abspath(arguments.infer), arguments.kills, arguments.seed, arguments.documents)
    disks(os.path.abspath(arguments.infer))
    sys.exit(0)
