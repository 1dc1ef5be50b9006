"""onnxruntime through onnxruntime-genai as a worker (see workers.py). usage: worker_onnxruntime.py FOLDER THREADS PRECISION

The folder is exported once, beside it, by the package's own model builder.
"""
import json
import os
import subprocess
import sys
import time

import onnxruntime_genai as og

import workers


class OnnxRuntime(workers.Worker):
    def __init__(self, folder, threads, precision):
        exported = f"{folder.rstrip('/')}-onnx-{precision}"
        if not os.path.exists(os.path.join(exported, "genai_config.json")):
            subprocess.run([sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", folder, "-o", exported,
                            "-p", precision, "-e", "cpu", "-c", exported + "-cache"], check=True, stdout=sys.stderr)
        path = os.path.join(exported, "genai_config.json")
        with open(path) as file:
            config = json.load(file)
        self.vocabulary = config["model"]["vocab_size"]
        # Random tokens must not end the text.
        config["model"]["decoder"].setdefault("session_options", {})["intra_op_num_threads"] = threads
        with open(path, "w") as file:
            json.dump(config, file, indent=2)
        self.model = og.Model(exported)

    def generator(self, length):
        parameters = og.GeneratorParams(self.model)
        parameters.set_search_options(max_length=length, do_sample=False)
        return og.Generator(self.model, parameters)

    def greedy(self, prompt, count):
        generator = self.generator(len(prompt) + count + 1)
        generator.append_tokens(prompt)
        tokens = []
        while len(tokens) < count:
            generator.generate_next_token()
            tokens.append(int(generator.get_next_tokens()[0]))
        return tokens

    def prompt(self, count):
        tokens, generator = self.random(count), self.generator(count + 2)
        start = time.perf_counter()
        generator.append_tokens(tokens)
        generator.generate_next_token()
        return time.perf_counter() - start

    def decode(self, count):
        generator = self.generator(count + 4)
        generator.append_tokens(self.random(1))
        generator.generate_next_token()
        start = time.perf_counter()
        for _ in range(count):
            generator.generate_next_token()
        return time.perf_counter() - start


workers.serve(OnnxRuntime(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
