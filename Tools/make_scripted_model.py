"""A GPT-2 that says one thing whatever it is asked: its positions are unit vectors, its blocks add nothing, and its head maps
each position to the next piece of the script. For tests of what servers make of reasoning and calls of tools. Standard library
only.

Usage: make_scripted_model.py Tests/Fixtures/scripted [weather]
       make_scripted_model.py Tests/Fixtures/scripted-search search
"""

import json
import os
import struct
import sys

SCRIPT = [
    "<think>", "\nI need", " the weather.", "\n", "</think>", "\n\n", "Let me", " see.", "\n", "<tool_call>", "\n",
    '{"name": "weather", ', '"arguments": ', '{"city": "Köln", ', '"days": 2}}', "\n", "</tool_call>", "<|end|>"]
PROMPT = "<|prompt|>"
# The marks are named so that they are found, as a real template does by writing them around what was said before.
TEMPLATE = "{# <think> <tool_call> #}" + PROMPT

# Calls the server's search tool, and answers once a tool has said something, which moves it to another place of the script.
SEARCH_SCRIPT = [
    "Let me", " look.", "\n", "<tool_call>", "\n", '{"name": "search", ', '"arguments": ', '{"query": ', '"heron"}}', "\n",
    "</tool_call>"]
SEARCH_SCRIPT += ["<|end|>"] * (20 - len(SEARCH_SCRIPT))
SEARCH_SCRIPT += ["The heron", " wades", " [1]", ", the pike", " waits [3, 9]", ".", "<|end|>"]
SEARCH_TEMPLATE = TEMPLATE + (
    "{% for message in messages %}{% if message.role == 'tool' %}{% for i in range(20) %}" + PROMPT
    + "{% endfor %}{% endif %}{% endfor %}")


def main(folder, kind="weather"):
    script, template, width = (
        (SCRIPT, TEMPLATE, 32) if kind == "weather" else (SEARCH_SCRIPT, SEARCH_TEMPLATE, 64))
    os.makedirs(folder, exist_ok=True)
    pieces = list(dict.fromkeys([PROMPT] + script))
    ids = {piece: i for i, piece in enumerate(pieces)}
    vocabulary = len(pieces)

    def write(name, value):
        with open(os.path.join(folder, name), "w") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
            file.write("\n")

    write("config.json", {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": vocabulary, "n_positions": width, "n_embd": width,
        "n_layer": 1, "n_head": 1, "n_inner": 2, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
        "bos_token_id": None, "eos_token_id": ids["<|end|>"], "tie_word_embeddings": False})
    write("tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [
            {"id": i, "content": p, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
             "special": p in (PROMPT, "<|end|>")} for p, i in ids.items()],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {p: i for p, i in ids.items()}, "merges": []}})
    write("tokenizer_config.json", {"eos_token": "<|end|>", "chat_template": template, "tokenizer_class": "PreTrainedTokenizerFast"})

    zeros = lambda *shape: (shape, {})
    ones = lambda n: ((n,), {i: 1.0 for i in range(n)})
    head = {}
    for position in range(width):
        piece = script[min(position, len(script) - 1)]
        head[ids[piece] * width + position] = 10.0
    tensors = {
        "transformer.wte.weight": zeros(vocabulary, width),
        "transformer.wpe.weight": ((width, width), {i * width + i: 1.0 for i in range(width)}),
        "transformer.ln_f.weight": ones(width), "transformer.ln_f.bias": zeros(width), "lm_head.weight": ((vocabulary, width), head)}
    for name, shape in [
            ("ln_1.weight", (width,)), ("ln_1.bias", (width,)), ("ln_2.weight", (width,)), ("ln_2.bias", (width,)),
            ("attn.c_attn.weight", (width, 3 * width)), ("attn.c_attn.bias", (3 * width,)), ("attn.c_proj.weight", (width, width)),
            ("attn.c_proj.bias", (width,)), ("mlp.c_fc.weight", (width, 2)), ("mlp.c_fc.bias", (2,)),
            ("mlp.c_proj.weight", (2, width)), ("mlp.c_proj.bias", (width,))]:
        tensors["transformer.h.0." + name] = zeros(*shape)
    header, data = {}, b""
    for name, (shape, values) in sorted(tensors.items()):
        count = 1
        for size in shape:
            count *= size
        part = b"".join(struct.pack("<f", values.get(i, 0.0))[2:] for i in range(count))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


main(*sys.argv[1:])
