"""Searches of one synthetic collection by `infer` and by SQLite's FTS5, bm25s, faiss, hnswlib and usearch.

    python3 Benchmarks/peers/retrieval.py --infer .build/release/infer --chunks 200000 [--save rows.jsonl]

`infer bench retrieval --data` makes the texts, the vectors and the queries; everybody searches for the same, one query after
another. Peers that are not installed (`pip install bm25s faiss-cpu hnswlib usearch`) are left out with a line.
"""

import argparse
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

WIDTHS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


class Rows:
    def __init__(self, path):
        self.rows = []
        self.file = open(path, "a") if path else None

    def add(self, engine, arm, way, build=None, seconds=None, recall=None):
        row = {"engine": engine, "arm": arm, "way": way}
        if build is not None:
            row["build_s"] = build
        if seconds:
            row["ms_mean"] = 1000 * sum(seconds) / len(seconds)
            row["ms_p50"] = 1000 * percentile(seconds, 0.5)
            row["ms_p99"] = 1000 * percentile(seconds, 0.99)
        if recall is not None:
            row["recall"] = recall
        self.keep(row)

    def keep(self, row):
        self.rows.append(row)
        if self.file:
            self.file.write(json.dumps(row) + "\n")
            self.file.flush()
        number = lambda key, digits: f"{row[key]:.{digits}f}" if key in row else ""
        print(f"| {row['engine']} | {row['arm']} | {row['way']} | {number('build_s', 1)} | {number('ms_mean', 3)} "
              f"| {number('ms_p50', 3)} | {number('ms_p99', 3)} | {number('recall', 4)} |", flush=True)


def timed(queries, search, limit=60):
    """Each query once to warm up, up to some seconds, then once on the clock."""
    start = time.perf_counter()
    for query in queries[: max(len(queries) // 4, 1)]:
        search(query)
        if time.perf_counter() - start > limit / 10:
            break
    seconds, found = [], []
    begin = time.perf_counter()
    for query in queries:
        start = time.perf_counter()
        hits = search(query)
        seconds.append(time.perf_counter() - start)
        found.append(list(hits))
        if time.perf_counter() - begin > limit:
            break
    return seconds, found


def share(found, exact):
    return sum(len(set(a) & set(b)) for a, b in zip(found, exact)) / max(sum(len(b) for _, b in zip(found, exact)), 1)


def run_infer(options, folder, rows):
    command = [options.infer, "bench", "retrieval", "--chunks", str(options.chunks), "--dimensions",
               str(options.dimensions), "--queries", str(options.queries), "--top-k", str(options.k), "--data", folder,
               "--widths", ",".join(map(str, WIDTHS)), "--device", "cpu", "-o", "jsonl"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in output.splitlines():
        row = json.loads(line)
        rows.keep({"engine": "infer", **{key: row[key] for key in
                   ["arm", "way", "build_s", "ms_mean", "ms_p50", "ms_p99", "recall"] if key in row}})


def hits_of(folder, name):
    path = os.path.join(folder, f"hits-{name}.txt")
    return [[int(word) for word in line.split()] for line in open(path)]


def run_fts5(texts, queries, options, rows, ours):
    with tempfile.TemporaryDirectory() as folder:
        database = sqlite3.connect(os.path.join(folder, "fts.db"))
        start = time.perf_counter()
        database.execute("CREATE VIRTUAL TABLE t USING fts5(x, content='', tokenize='unicode61')")
        database.executemany("INSERT INTO t(rowid, x) VALUES (?, ?)", enumerate(texts))
        database.execute("INSERT INTO t(t) VALUES ('optimize')")
        database.commit()
        build = time.perf_counter() - start

        def search(query):
            words = " OR ".join(f'"{word}"' for word in query.split())
            return [row[0] for row in database.execute(
                "SELECT rowid FROM t WHERE t MATCH ? ORDER BY rank LIMIT ?", (words, options.k))]

        seconds, _ = timed(queries, search)
        rows.add("SQLite FTS5", "lexical", "OR", build, seconds)


def run_bm25s(texts, queries, options, rows, ours):
    import bm25s

    start = time.perf_counter()
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    index.index([text.split() for text in texts], show_progress=False)
    build = time.perf_counter() - start

    def search(query):
        return index.retrieve([query.split()], k=options.k, show_progress=False)[0][0].tolist()

    seconds, found = timed(queries, search)
    # Where scores are equal the programs choose differently, so this is no measure of either.
    rows.add("bm25s", "lexical", "", build, seconds, share(found, ours["lexical"]))


def run_faiss(base, queries, options, rows, ours):
    import faiss

    faiss.omp_set_num_threads(os.cpu_count())
    exact = None
    for name, make in [("flat FP32", lambda: faiss.IndexFlatIP(options.dimensions)),
                       ("flat FP16", lambda: faiss.IndexScalarQuantizer(
                           options.dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT))]:
        start = time.perf_counter()
        index = make()
        index.train(base)
        index.add(base)
        build = time.perf_counter() - start
        seconds, found = timed(list(queries), lambda query: index.search(query[None], options.k)[1][0].tolist())
        exact = exact or found
        rows.add("faiss", "dense", name, build, seconds, share(found, exact))
    print(f"(infer's exact search finds {share(ours['dense'], exact):.4f} of faiss's FP32)", file=sys.stderr)


def run_hnswlib(base, queries, options, rows, ours):
    import hnswlib

    start = time.perf_counter()
    index = hnswlib.Index("ip", options.dimensions)
    index.init_index(len(base), M=16, ef_construction=120, random_seed=3)
    index.add_items(base, num_threads=1)
    rows.add("hnswlib", "index", "M=16, 120, 1 thread", time.perf_counter() - start)
    index.set_num_threads(1)
    for width in WIDTHS:
        index.set_ef(max(width, options.k))
        seconds, found = timed(list(queries), lambda query: index.knn_query(query, k=options.k)[0][0].tolist())
        rows.add("hnswlib", "dense", f"hnsw:{width}", None, seconds, share(found, ours["dense"]))


def run_usearch(base, queries, options, rows, ours):
    import numpy
    from usearch.index import Index

    start = time.perf_counter()
    index = Index(ndim=options.dimensions, metric="ip", dtype="f16", connectivity=16, expansion_add=120)
    index.add(numpy.arange(len(base)), base, threads=1)
    rows.add("usearch", "index", "FP16, M=16, 120, 1 thread", time.perf_counter() - start)
    for width in WIDTHS:
        index.expansion_search = width
        seconds, found = timed(list(queries), lambda query: index.search(query, options.k).keys.tolist())
        rows.add("usearch", "dense", f"hnsw:{width}", None, seconds, share(found, ours["dense"]))


def at_recall(rows, engine, least):
    """The fastest of an engine's walks that finds enough."""
    walks = [row for row in rows.rows if row["engine"] == engine and row["way"].startswith("hnsw:")
             and row.get("recall", 0) >= least]
    return min(walks, key=lambda row: row["ms_mean"], default=None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--infer", required=True)
    parser.add_argument("--chunks", type=int, default=200_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--peers", default="fts5,bm25s,faiss,hnswlib,usearch")
    parser.add_argument("--data", help="keep or find the collection here")
    parser.add_argument("--save", help="append the rows to this file")
    options = parser.parse_args()
    rows = Rows(options.save)
    with contextlib.ExitStack() as stack:
        folder = options.data or stack.enter_context(tempfile.TemporaryDirectory())
        print("| engine | arm | way | build s | ms | p50 | p99 | recall |\n|---|---|---|--:|--:|--:|--:|--:|", flush=True)
        run_infer(options, folder, rows)
        texts = [json.loads(line)["text"] for line in open(os.path.join(folder, "corpus.jsonl"))]
        queries = [json.loads(line)["text"] for line in open(os.path.join(folder, "queries.jsonl"))]
        ours = {"lexical": hits_of(folder, "lexical-BM25")}
        peers = options.peers.split(",")
        known = {"fts5": run_fts5, "bm25s": run_bm25s}
        if options.dimensions:
            import numpy

            base = numpy.fromfile(os.path.join(folder, "vectors.f32"), numpy.float32).reshape(-1, options.dimensions)
            vectors = numpy.fromfile(os.path.join(folder, "query-vectors.f32"), numpy.float32).reshape(
                -1, options.dimensions)
            ours["dense"] = hits_of(folder, "dense-exact")
        for name in peers:
            try:
                if name in known:
                    known[name](texts, queries, options, rows, ours)
                elif options.dimensions:
                    {"faiss": run_faiss, "hnswlib": run_hnswlib, "usearch": run_usearch}[name](
                        base, vectors, options, rows, ours)
            except ImportError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
    for engine in ["infer", "hnswlib", "usearch"]:
        row = at_recall(rows, engine, 0.95)
        if row:
            print(f"\nrecall 0.95 by {engine}: {row['way']}, {row['ms_mean']:.3f} ms, recall {row['recall']:.4f}")


if __name__ == "__main__":
    main()
