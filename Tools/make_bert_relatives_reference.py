#!/usr/bin/env python3
"""Makes Tests/Fixtures/models/{electra,albert,mpnet,camembert}-heads: small encoders of BERT's relatives, random weights of a
trunk and of every head, and what each head of transformers (5 or newer) answers in float64.

`electra` and `albert` have narrower embeddings; `albert` runs two groups of two shared layers for four layers; `mpnet` has a
bias by distance, with texts longer than the eight distances that have entries of their own.

    make_bert_relatives_reference.py OUT
"""
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from make_rotary_encoder_reference import (COUNT, HEADS, INNER, VOCABULARY, WIDTH, inputs, reference, settings_of, write)
from transformers import AlbertConfig, CamembertConfig, ElectraConfig, MPNetConfig
from transformers.models.albert import modeling_albert as albert
from transformers.models.camembert import modeling_camembert as camembert
from transformers.models.electra import modeling_electra as electra
from transformers.models.mpnet import modeling_mpnet as mpnet


def make(out, family, module, prefix, kind, trunk, seed, **own):
    settings = dict(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_attention_heads=HEADS, intermediate_size=INNER,
        num_hidden_layers=2, max_position_embeddings=40, id2label={0: "negative", 1: "positive"}, pad_token_id=0)
    config = kind(**{**settings, **own})
    given = inputs(config, False, np.random.default_rng(seed))
    if getattr(config, "type_vocab_size", 0) > 1:
        given["token_type_ids"] = (torch.arange(COUNT)[None] >= torch.tensor([[12], [9], [1], [15]])).long()
    weights, answers = reference(module, prefix, config, trunk, given, seed)
    # The same as the head's own bias.
    for name in ("predictions.decoder.bias", "lm_head.decoder.bias"):
        weights.pop(name, None)
    write(Path(out) / f"{family}-heads", settings_of(config), weights, {**given, **answers})


def main(out):
    make(out, "electra", electra, "Electra", ElectraConfig, "electra", 60, embedding_size=24)
    make(out, "albert", albert, "Albert", AlbertConfig, "albert", 61, embedding_size=24, num_hidden_layers=4,
         num_hidden_groups=2, inner_group_num=2)
    make(out, "mpnet", mpnet, "MPNet", MPNetConfig, "mpnet", 62, pad_token_id=1)
    make(out, "camembert", camembert, "Camembert", CamembertConfig, "roberta", 63, type_vocab_size=1, pad_token_id=1)


if __name__ == "__main__":
    if len(sys.argv) != 2 or int(transformers.__version__.split(".")[0]) < 5:
        sys.exit(__doc__)
    main(sys.argv[1])
