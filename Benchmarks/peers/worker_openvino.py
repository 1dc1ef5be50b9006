"""OpenVINO GenAI as a worker (see workers.py). usage: worker_openvino.py FOLDER THREADS WEIGHTS PRECISION BACKEND

WEIGHTS: fp32, fp16, int8 or int4 (a scale for each 64), how optimum-intel exports the folder, once, beside it.
PRECISION: f32 or bf16 (where the processor has it, else f32), what layers compute in, or auto, OpenVINO's own choice.
BACKEND: SDPA or PA, how attention is computed. Random weights have no tokenizer worth converting, so prompts are token ids.
"""
import os
import subprocess
import sys
import time

import numpy as np
import openvino as ov
import openvino_genai as genai

import workers


class OpenVINO(workers.Worker):
    def __init__(self, folder, threads, weights, precision, backend):
        exported = f"{folder.rstrip('/')}-openvino-{weights}"
        if not os.path.exists(os.path.join(exported, "openvino_model.bin")):
            export = ["export", "openvino", "--model", folder, "--task", "text-generation-with-past", "--weight-format",
                      weights, *(["--group-size", "64"] if weights == "int4" else []), exported]
            subprocess.run([os.path.join(os.path.dirname(sys.executable), "optimum-cli"), *export], check=True,
                           stdout=sys.stderr)
        if precision == "bf16" and "BF16" not in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            precision = "f32"
        hint = {} if precision == "auto" else {"INFERENCE_PRECISION_HINT": precision}
        self.pipeline = genai.LLMPipeline(exported, "CPU", INFERENCE_NUM_THREADS=threads, ATTENTION_BACKEND=backend, **hint)
        self.vocabulary = ov.Core().read_model(os.path.join(exported, "openvino_model.xml")).output(0).partial_shape[
            -1].get_length()

    def generate(self, prompts, count):
        ids = np.array(prompts, np.int64)
        inputs = genai.TokenizedInputs(ov.Tensor(ids), ov.Tensor(np.ones_like(ids)))
        options = genai.GenerationConfig(max_new_tokens=count, ignore_eos=True, do_sample=False)
        return self.pipeline.generate(inputs, options)

    def greedy(self, prompt, count):
        return list(self.generate([prompt], count).tokens[0])

    def prompt(self, count):
        prompt = self.random(count)
        start = time.perf_counter()
        self.generate([prompt], 1)
        return time.perf_counter() - start

    def decode(self, count):
        """The time of `count` tokens behind the first, as the pipeline's own clock has it."""
        metrics = self.generate([self.random(1)], count + 1).perf_metrics
        return metrics.get_tpot().mean * count / 1000

    def batch(self, sequences, prompt, decode):
        """Prompts with one token each, and what `decode` further tokens of each take longer: the least of two runs each,
        since a difference shakes more than what it is of. No prompt comes twice, as the pipeline keeps the blocks of those
        it has seen."""

        def seconds(count):
            prompts = [self.random(prompt) for _ in range(sequences)]
            start = time.perf_counter()
            self.generate(prompts, count)
            return time.perf_counter() - start

        first, all_tokens = (min(seconds(count) for _ in range(2)) for count in (1, decode + 1))
        return first, all_tokens - first


workers.serve(OpenVINO(sys.argv[1], int(sys.argv[2]), *sys.argv[3:6]))
