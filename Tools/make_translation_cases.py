#!/usr/bin/env python3
"""Writes what transformers answers in float64 for the translations of a cases.json, from the models as their files are.

usage: make_translation_cases.py TASKS MODELS OUT

TASKS is a folder with cases.json and the models, MODELS names of them, as marian,bart; tokenizers that a folder lacks are
taken from Tests/Fixtures/tokenizers. The answers in make_task_cases.py's cases.json were computed before the models were
saved, with random positions in Marian, whose files hold none (they are sinusoids): the files give other answers.
"""
import json
import os
import sys

import torch
import transformers
from transformers import AutoModelForSeq2SeqLM, PreTrainedTokenizerFast

OPTIONS = {
    "--beams": ("num_beams", int), "--max-tokens": ("max_new_tokens", int), "--length-penalty": ("length_penalty", float),
    "--no-repeat-ngram": ("no_repeat_ngram_size", int), "--min-tokens": ("min_new_tokens", int),
    "--count": ("num_return_sequences", int)}
TOKENIZER = os.path.join(os.path.dirname(__file__), "../Tests/Fixtures/tokenizers/unigram/tokenizer.json")


def arguments(words):
    """The options of generate, and the text."""
    options, index = {}, 0
    while index < len(words) - 1:
        if words[index] in ("--early-stopping", "--never-stop-early"):
            options["early_stopping"] = True if words[index] == "--early-stopping" else "never"
            index += 1
            continue
        name, kind = OPTIONS[words[index]]
        options[name] = kind(words[index + 1])
        index += 2
    return options, words[-1]


def answer(model, tokenizer, words):
    options, text = arguments(words)
    inputs = tokenizer(text, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        result = model.generate(**inputs, do_sample=False, return_dict_in_generate=True, output_scores=True, **options)
    end = model.generation_config.eos_token_id
    items = []
    for index, tokens in enumerate(result.sequences.tolist()):
        tokens = tokens[1:]
        if end in tokens:
            tokens = tokens[:tokens.index(end)]
        item = {"token_ids": tokens, "text": tokenizer.decode(tokens, skip_special_tokens=True)}
        if options["num_beams"] > 1:
            item["score"] = float(result.sequences_scores[index])
        items.append(item)
    return items


def main(tasks, names, out):
    with open(os.path.join(tasks, "cases.json")) as file:
        known = json.load(file)["cases"]
    cases = []
    for name in names.split(","):
        folder = os.path.join(tasks, name)
        model = AutoModelForSeq2SeqLM.from_pretrained(folder).double().eval()
        own = os.path.join(folder, "tokenizer.json")
        with open(os.path.join(folder, "tokenizer_config.json")) as file:
            settings = json.load(file)
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=own if os.path.exists(own) else TOKENIZER,
            **{key: settings.get(key, default) for key, default in [
                ("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")]})
        given = [case["arguments"] for case in known if case["command"] == "translate" and case["model"] == name]
        texts = sorted({words[-1] for words in given})
        given += [["--beams", "5", "--max-tokens", "14", "--length-penalty", "-1", "--never-stop-early", "--count", "5",
                   text] for text in texts]
        for words in given:
            cases.append({"command": "translate", "model": name, "arguments": words,
                          "expected": answer(model, tokenizer, words)})
    with open(out, "w") as file:
        json.dump({"transformers": transformers.__version__, "cases": cases}, file, indent=1, ensure_ascii=False)
        file.write("\n")
    print(len(cases), "cases")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
