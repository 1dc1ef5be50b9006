"""ctranslate2 as a worker (see workers.py). usage: worker_ctranslate2.py FOLDER THREADS COMPUTE_TYPE

The folder is converted once, beside it. Its interface generates and does no single steps, so decoding is what `count` more
tokens take than one.
"""
import json
import os
import sys
import time

import ctranslate2

import workers


class CTranslate2(workers.Worker):
    def __init__(self, folder, threads, compute_type):
        converted = folder.rstrip("/") + "-ct2"
        if not os.path.exists(os.path.join(converted, "model.bin")):
            converter = ctranslate2.converters.TransformersConverter(folder)
            # The folder's tokenizer is not loaded by name: its tokens are all that is needed.
            converter.convert(converted, force=True)
        with open(os.path.join(folder, "tokenizer.json")) as file:
            vocabulary = json.load(file)["model"]["vocab"]
        self.names = {i: t for t, i in vocabulary.items()}
        self.ids = vocabulary
        self.vocabulary = len(vocabulary)
        self.model = ctranslate2.Generator(converted, device="cpu", inter_threads=1, intra_threads=threads,
                                           compute_type=compute_type)

    def generate(self, prompt, count):
        result = self.model.generate_batch([[self.names[t] for t in prompt]], max_length=count, min_length=count,
                                           sampling_topk=1, beam_size=1, include_prompt_in_result=False, end_token=[])
        return result[0].sequences_ids[0]

    def greedy(self, prompt, count):
        return list(self.generate(prompt, count))

    def timed(self, prompt, count):
        start = time.perf_counter()
        self.generate(prompt, count)
        return time.perf_counter() - start

    def prompt(self, count):
        return self.timed(self.random(count), 1)

    def decode(self, count):
        prompt = self.random(1)
        return self.timed(prompt, count + 1) - self.timed(prompt, 1)


workers.serve(CTranslate2(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
