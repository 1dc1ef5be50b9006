"""Thousands of requests of mixed lengths, 32 at a time, a third of them cut off at random: every answer that completes equals
its answer alone, nothing stays allocated, and memory does not grow in the second half. Standard library only.

Usage: soak.py PATH-OF-INFER [--requests 2000] [--in-flight 32] [--models 1]
"""

import argparse
import http.client
import json
import queue
import random
import re
import subprocess
import sys
import tempfile
import threading
import time


def body(number, stream):
    length = [4, 12, 40, 90][number % 4]
    words = " ".join(["thou", "art", "my", "lord"][(number * k) % 4] for k in range(number % 23 * 4))
    return {
        "prompt": f"Scene {number}. {words} Enter", "max_tokens": length, "temperature": 0.9, "seed": number, "stream": stream,
        "ignore_eos": number % 5 == 0}


class Server:
    def __init__(self, infer, models):
        self.log = tempfile.NamedTemporaryFile("r+")
        command = [infer, "serve", "--port", "0", "--parallel", "16", "-t", "2", "--precision", "highest"]
        if models == 2:
            command += [argument for m in ["Sources/BundledModel/bard"] * 2 for argument in ("--model", m)]
            command += ["--alias", "first", "--alias", "second"]
        self.names = ["first", "second"] if models == 2 else ["bard"]
        self.process = subprocess.Popen(command, stderr=self.log)
        for _ in range(200):
            found = re.search(r"listening on http://127.0.0.1:(\d+)", open(self.log.name).read())
            if found:
                break
            time.sleep(0.05)
        self.port = int(found.group(1))

    def ask(self, number, stream, model, cut=None):
        """The text, or None where the answer was cut off after `cut` bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("POST", "/v1/completions", json.dumps({**body(number, stream), "model": model}))
            if cut == 0:
                return None
            response = connection.getresponse()
            if cut is not None:
                response.read(cut)
                return None
            data = response.read().decode()
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {data}")
            if not stream:
                return json.loads(data)["choices"][0]["text"]
            lines = [l[6:] for l in data.splitlines() if l.startswith("data: ")]
            assert lines[-1] == "[DONE]", lines[-1]
            return "".join(json.loads(l)["choices"][0]["text"] for l in lines[:-1])
        finally:
            connection.close()

    def metric(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        return sum(float(l.split()[-1]) for l in text.splitlines() if l.startswith(name + "{"))

    def resident(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("infer")
    arguments.add_argument("--requests", type=int, default=2000)
    arguments.add_argument("--in-flight", type=int, default=32)
    arguments.add_argument("--models", type=int, choices=[1, 2], default=1)
    options = arguments.parse_args()
    server = Server(options.infer, options.models)
    kinds = 60
    alone = {n: server.ask(n, False, server.names[0]) for n in range(kinds)}
    chance = random.Random(1)
    work = queue.Queue()
    for i in range(options.requests):
        cut = chance.choice([0, 0, 200, 1000, 3000]) if chance.random() < 1 / 3 else None
        work.put((i, chance.randrange(kinds), chance.random() < 0.5, cut))
    wrong, counts, memory = [], {"whole": 0, "cut": 0}, []

    def run():
        while True:
            try:
                i, number, stream, cut = work.get_nowait()
            except queue.Empty:
                return
            try:
                text = server.ask(number, stream or cut is not None, server.names[i % len(server.names)], cut)
            except Exception as error:
                text = repr(error)
            counts["cut" if cut is not None else "whole"] += 1
            if cut is None and text != alone[number]:
                wrong.append((number, stream, text, alone[number]))
            if i % (options.requests // 20 or 1) == 0:
                memory.append(server.resident())

    started = time.time()
    threads = [threading.Thread(target=run) for _ in range(options.in_flight)]
    [t.start() for t in threads], [t.join() for t in threads]
    seconds = time.time() - started
    left = None
    for _ in range(100):
        left = server.metric("infer_requests_running") + server.metric("infer_requests_waiting")
        usage = server.metric("infer_kv_cache_usage_ratio")
        if left == 0 and usage == 0:
            break
        time.sleep(0.05)
    half = memory[len(memory) // 2:]
    growth = half[-1] - half[0] if half else 0
    server.process.terminate()
    code = server.process.wait(60)
    print(f"{counts['whole']} whole and {counts['cut']} cut off in {seconds:.1f} s; {len(wrong)} differ; {left:.0f} left, "
          f"cache {usage:.4f} in use; MiB: {' '.join(f'{m:.0f}' for m in memory)}; exit {code}")
    for item in wrong[:5]:
        print("differs:", item)
    sys.exit(0 if not wrong and left == 0 and usage == 0 and growth < 16 and code == 0 else 1)


main()
