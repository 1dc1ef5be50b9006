"""transformers, eager or compiled, as a worker (see workers.py). usage: worker_transformers.py FOLDER THREADS DTYPE [compiled]"""
import sys
import time

import torch
from transformers import AutoModelForCausalLM, StaticCache
from transformers.cache_utils import DynamicCache

import workers


class Transformers(workers.Worker):
    def __init__(self, folder, threads, dtype, compiled):
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
        self.vocabulary = self.model.config.vocab_size
        self.compiled = compiled
        self.caches = {}
        self.forward = torch.compile(self.model, dynamic=False) if compiled else self.model

    def cache(self, length):
        if not self.compiled:
            return DynamicCache()
        # A compiled model needs a cache whose size does not change, and is compiled anew for one at another address or
        # one that is allocated only in its first pass.
        if length not in self.caches:
            config = self.model.config
            heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
            cache = StaticCache(config=config, max_cache_len=length)
            cache.early_initialization(1, heads, config.hidden_size // config.num_attention_heads, self.model.dtype,
                                       self.model.device)
            self.caches[length] = cache
        self.caches[length].reset()
        return self.caches[length]

    def step(self, tokens, cache, position):
        ids = torch.tensor([tokens])
        positions = torch.arange(position, position + len(tokens))
        output = self.forward(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1,
                              position_ids=positions.unsqueeze(0), cache_position=positions)
        return int(output.logits[0, -1].argmax())

    def greedy(self, prompt, count):
        cache = self.cache(len(prompt) + count)
        tokens = [self.step(prompt, cache, 0)]
        while len(tokens) < count:
            tokens.append(self.step([tokens[-1]], cache, len(prompt) + len(tokens) - 1))
        return tokens

    def prompt(self, count):
        tokens, cache = self.random(count), self.cache(count)
        start = time.perf_counter()
        self.step(tokens, cache, 0)
        return time.perf_counter() - start

    def decode(self, count):
        tokens, cache = self.random(count), self.cache(count)
        start = time.perf_counter()
        for position, token in enumerate(tokens):
            self.step([token], cache, position)
        return time.perf_counter() - start


workers.serve(Transformers(sys.argv[1], int(sys.argv[2]), sys.argv[3], "compiled" in sys.argv[4:]))
