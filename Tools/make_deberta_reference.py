#!/usr/bin/env python3
"""Makes Tests/Fixtures/models/{deberta-v3,deberta-v3-wide,deberta-v2}-heads: small encoders with disentangled attention, random weights of a
trunk and of every head, and what each head of transformers (5 or newer) answers in float64.

`deberta-v3` shares the projections of content and position, puts distances into logarithmic buckets and knows no other
positions, as DeBERTa-v3 does. `deberta-v2` has projections of its own for positions, a row for each distance up to a
greatest one, learned positions and segments.

    make_deberta_reference.py OUT
"""
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from make_rotary_encoder_reference import (COUNT, HEADS, INNER, VOCABULARY, WIDTH, inputs, reference, settings_of, write)
from transformers import DebertaV2Config
from transformers.models.deberta_v2 import modeling_deberta_v2 as deberta


def make(folder, seed, **own):
    config = DebertaV2Config(
        vocab_size=VOCABULARY, hidden_size=WIDTH, num_attention_heads=HEADS, intermediate_size=INNER,
        num_hidden_layers=2, max_position_embeddings=40, id2label={0: "negative", 1: "positive"},
        relative_attention=True, pos_att_type="p2c|c2p", **own)
    given = inputs(config, False, np.random.default_rng(seed))
    if config.type_vocab_size > 0:
        given["token_type_ids"] = (torch.arange(COUNT)[None] >= torch.tensor([[12], [9], [1], [15]])).long()
    weights, answers = reference(deberta, "DebertaV2", config, "deberta", given, seed)
    # The same as the head's own bias.
    weights.pop("cls.predictions.decoder.bias")
    write(folder, settings_of(config), weights, {**given, **answers})


def main(out):
    make(Path(out) / "deberta-v3-heads", 50, share_att_key=True, position_buckets=8, norm_rel_ebd="layer_norm",
         position_biased_input=False, type_vocab_size=0)
    # More buckets than texts have distances, as small models have that keep the usual number.
    make(Path(out) / "deberta-v3-wide-heads", 52, share_att_key=True, position_buckets=80, norm_rel_ebd="layer_norm",
         position_biased_input=False, type_vocab_size=0)
    make(Path(out) / "deberta-v2-heads", 51, share_att_key=False, position_buckets=-1, max_relative_positions=20,
         position_biased_input=True, type_vocab_size=2)


if __name__ == "__main__":
    if len(sys.argv) != 2 or int(transformers.__version__.split(".")[0]) < 5:
        sys.exit(__doc__)
    main(sys.argv[1])
