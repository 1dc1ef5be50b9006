"""The engines that are compared, behind one interface: `greedy(prompt, count)` gives token ids, `measure(prompt, decode)`
the tokens a second of a prompt and of decoding, from one run after a warm-up."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


class EngineError(Exception):
    """An engine that does not do what is asked; the message is one line."""


def run(command, environment=None):
    """Standard output as bytes."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                            env={**os.environ, **(environment or {})})
    if result.returncode != 0:
        lines = result.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise EngineError(f"{os.path.basename(command[0])} failed with {result.returncode}: {lines[-1]}")
    return result.stdout


class Infer:
    name = "infer"

    def __init__(self, binary, model, threads, device="cpu", options=()):
        self.binary, self.model, self.threads, self.device = binary, model, threads, device
        self.options = list(options)

    def arguments(self):
        return ["-m", self.model, "-t", str(self.threads), "--device", self.device, *self.options]

    def greedy(self, prompt, count):
        ids = ",".join(map(str, prompt))
        text = run([self.binary, "generate", "--prompt-ids", ids, "--max-tokens", str(count), "--temperature", "0",
                    "--ignore-eos", "--json", "--ctx", "512", *self.arguments()])
        return json.loads(text)["token_ids"]

    def measure(self, prompt, decode):
        text = run([self.binary, "bench", "-p", str(prompt), "-n", str(decode), "-r", "1", "-o", "jsonl",
                    *self.arguments()])
        rows = [json.loads(line) for line in text.decode().splitlines()]
        return rows[0]["avg_ts"], rows[1]["avg_ts"]

    def close(self):
        pass


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, folder, model, threads, tokens):
        self.folder, self.model, self.threads = folder, model, threads
        self.ids = {t: i for i, t in enumerate(tokens)}

    def greedy(self, prompt, count):
        text = bytes(prompt).decode()
        output = run([os.path.join(self.folder, "llama-completion"), "-m", self.model, "-p", text, "-n", str(count),
                      "--temp", "0", "-t", str(self.threads), "-c", "512", "--ignore-eos", "-no-cnv", "--no-warmup",
                      "--no-display-prompt", "--simple-io"])
        return self.read(output, count)

    def read(self, output, count):
        """The words of the text as ids; each is a space and four letters, other tokens are single bytes."""
        tokens, position = [], 0
        output = output.decode("latin-1")
        while position < len(output) and len(tokens) < count:
            word = "\u0120" + output[position + 1:position + 5]
            if output[position] == " " and word in self.ids:
                tokens.append(self.ids[word])
                position += 5
            else:
                tokens.append(ord(output[position]))
                position += 1
        return tokens

    def measure(self, prompt, decode):
        text = run([os.path.join(self.folder, "llama-bench"), "-m", self.model, "-p", str(prompt), "-n", str(decode),
                    "-r", "1", "-t", str(self.threads), "-o", "jsonl"])
        rows = [json.loads(line) for line in text.decode().splitlines() if line.startswith("{")]
        return rows[0]["avg_ts"], rows[1]["avg_ts"]

    def close(self):
        pass


class PythonWorker:
    """A worker process, see workers.py. The first call of each kind is its warm-up."""

    def __init__(self, name, python, script, arguments, threads):
        self.name = name
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1",
                       "TOKENIZERS_PARALLELISM": "false"}
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([python, os.path.join(HERE, script), *map(str, arguments)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                        env=environment, cwd=HERE)
        self.warm = set()
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            lines = self.log.read().strip().splitlines() or ["no message"]
            raise EngineError(f"{self.name} ended: {lines[-1]}")
        return json.loads(line)

    def ask(self, **request):
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return self.answer()

    def greedy(self, prompt, count):
        return self.ask(op="greedy", prompt=prompt, count=count)["tokens"]

    def timed(self, op, count):
        if (op, count) not in self.warm:
            self.ask(op=op, count=count)
            self.warm.add((op, count))
        return count / self.ask(op=op, count=count)["seconds"]

    def measure(self, prompt, decode):
        return self.timed("prompt", prompt), self.timed("decode", decode)

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            # It has nothing left to do that matters.
            self.process.kill()
            self.process.wait()
        self.log.close()


def warn(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)
