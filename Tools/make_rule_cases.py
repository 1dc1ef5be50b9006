#!/usr/bin/env python3
"""Writes what transformers generates in float64 under the rules of generation_config.json.

usage: make_rule_cases.py FIXTURES OUT [--m2m]

FIXTURES is Tests/Fixtures. A case has a model of it, settings that are added to its generation_config.json, the
arguments of `infer generate`, and the texts: one of the best tokens, or the best of a beam search with their scores.
With --m2m, the small random M2M-100 of FIXTURES/tasks/m2m is made first, whose padding has a vector, so that it can be
generated.
"""
import json
import os
import shutil
import sys

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, GenerationConfig

MODELS = ["models/llama", "models/gpt2", "tasks/t5", "tasks/bart", "tasks/marian", "tasks/m2m"]
SOURCES = [[17, 93, 205, 44, 151, 309, 93], [60, 8, 8, 270, 31]]
TOKEN_COUNT = 12


def rules(free, end):
    """Settings, made to matter to a text that is generated without them."""
    biases = [
        [[free[0]], -3.5], [[free[0], free[1]], 2.25], [[free[1]], 1.5], [[free[2], 77], 6.0], [[77], 0.5],
        [[end], 1.0]]
    return [
        {"sequence_bias": biases},
        {"exponential_decay_length_penalty": [2, 1.4]},
        {"encoder_repetition_penalty": 1.8},
        {"encoder_repetition_penalty": 0.5, "repetition_penalty": 1.3, "encoder_no_repeat_ngram_size": 2},
        {"renormalize_logits": True, "sequence_bias": biases, "suppress_tokens": [free[1], free[3]]},
        {"renormalize_logits": True, "sequence_bias": biases, "encoder_repetition_penalty": 1.5,
         "repetition_penalty": 1.2, "exponential_decay_length_penalty": [1, 1.2], "no_repeat_ngram_size": 2,
         "min_new_tokens": 4, "forced_eos_token_id": end},
        {"no_repeat_ngram_size": 2},
    ]


def make_m2m(folder):
    torch.manual_seed(14)
    configuration = transformers.M2M100Config(
        vocab_size=384, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64, init_std=0.4,
        pad_token_id=1, eos_token_id=2, decoder_start_token_id=2)
    model = transformers.M2M100ForConditionalGeneration(configuration)
    with torch.no_grad():
        model.model.shared.weight[1].normal_(0, 0.9)
    model.save_pretrained(folder)
    shutil.copy(os.path.join(folder, "../marian/tokenizer_config.json"), folder)


def cases(fixtures, name):
    folder = os.path.join(fixtures, name)
    kind = AutoModelForSeq2SeqLM if name.startswith("tasks") else AutoModelForCausalLM
    model = kind.from_pretrained(folder).double().eval()
    settings = model.generation_config.to_diff_dict()
    end = model.generation_config.eos_token_id

    def generate(source, options):
        ids = torch.tensor([source])
        with torch.no_grad():
            return model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKEN_COUNT,
                return_dict_in_generate=True, output_scores=True,
                generation_config=GenerationConfig(**{**settings, **options}))

    for source in SOURCES:
        if kind is AutoModelForSeq2SeqLM:
            source = source + [end]
        begun = 1 if kind is AutoModelForSeq2SeqLM else len(source)
        free = generate(source, {"min_new_tokens": TOKEN_COUNT}).sequences[0, begun:].tolist()
        for own in rules(free, end):
            for beams in [1, 3]:
                result = generate(source, {**own, "num_beams": beams, "num_return_sequences": min(beams, 2)})
                expected = []
                for index, tokens in enumerate(result.sequences.tolist()):
                    tokens = tokens[begun:]
                    if end in tokens:
                        tokens = tokens[:tokens.index(end)]
                    score = {"score": round(float(result.sequences_scores[index]), 7)} if beams > 1 else {}
                    expected.append({"token_ids": tokens, **score})
                words = ["--prompt-ids", ",".join(map(str, source)), "--max-tokens", str(TOKEN_COUNT)]
                words += ["--beams", str(beams), "--count", "2"] if beams > 1 else ["--temperature", "0"]
                yield {"model": name, "generation": own, "arguments": words, "expected": expected}


def main(fixtures, out, with_m2m):
    if with_m2m:
        make_m2m(os.path.join(fixtures, "tasks/m2m"))
    lines = [json.dumps(case) for name in MODELS for case in cases(fixtures, name)]
    with open(out, "w") as file:
        file.write('{"transformers": "%s", "cases": [\n%s\n]}\n' % (transformers.__version__, ",\n".join(lines)))
    print(len(lines), "cases")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--m2m"]
    if len(words) != 2:
        sys.exit(__doc__)
    main(*words, with_m2m="--m2m" in sys.argv)
