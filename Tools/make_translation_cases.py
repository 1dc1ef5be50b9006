#!/usr/bin/env python3
"""Writes what transformers answers in float64 for the translations of a cases.json, from the models as their files are.

usage: make_translation_cases.py TASKS MODELS OUT [--rules]

TASKS is a folder with cases.json and the models, MODELS names of them, as marian,bart; tokenizers that a folder lacks are
taken from Tests/Fixtures/tokenizers. The answers in make_task_cases.py's cases.json were computed before the models were
saved, with random positions in Marian, whose files hold none (they are sinusoids): the files give other answers.
With --rules, the texts are searched under RULES instead: settings of generation_config.json, which a case names under
"generation", and options.
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
RULES = [
    ({"repetition_penalty": 1.5}, ["--beams", "1"]), ({"repetition_penalty": 1.5}, ["--beams", "3", "--count", "3"]),
    ({"repetition_penalty": 0.8}, ["--beams", "2", "--count", "2", "--no-repeat-ngram", "3"]),
    ({"encoder_no_repeat_ngram_size": 1}, ["--beams", "1"]),
    ({"encoder_no_repeat_ngram_size": 2, "repetition_penalty": 1.2}, ["--beams", "4", "--count", "2"])]
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


def answer(model, tokenizer, words, settings=None):
    options, text = arguments(words)
    options = {**(settings or {}), **options}
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


def main(tasks, names, out, with_rules=False):
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
        if with_rules:
            for settings, options in RULES:
                for text in texts:
                    words = options + ["--max-tokens", "14", text]
                    expected = answer(model, tokenizer, words, settings)
                    for command in ["translate", "generate"] if options[1] != "1" else ["translate"]:
                        cases.append({"command": command, "model": name, "generation": settings, "arguments": words,
                                      "expected": expected})
            continue
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
    words = [word for word in sys.argv[1:] if word != "--rules"]
    if len(words) != 3:
        sys.exit(__doc__)
    main(*words, with_rules="--rules" in sys.argv)
