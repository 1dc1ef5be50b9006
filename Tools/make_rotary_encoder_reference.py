#!/usr/bin/env python3
"""Makes Tests/Fixtures/models/{modernbert,nomic-bert,nomic-bert-hub}-heads: small encoders with rotary positions, random
weights of a trunk and of every head, and what each head of transformers (5 or newer) answers in float64.

Rows of the inputs: a whole text, one padded on the right, and for models whose layers see all tokens one padded on the left
and one with holes in its mask. `nomic-bert-hub` is nomic-bert under the names that the hub's checkpoints have.

    make_rotary_encoder_reference.py OUT
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import ModernBertConfig, NomicBertConfig
from transformers.models.modernbert import modeling_modernbert as modernbert
from transformers.models.nomic_bert import modeling_nomic_bert as nomic

WIDTH, HEADS, INNER, VOCABULARY, COUNT = 40, 4, 56, 96, 33
HEAD_NAMES = ["Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering"]


def randomised(model, generator):
    """Weights far from zero everywhere, so that no part can be left out unnoticed."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float32)
            if value.dim() > 1:
                value.copy_(noise / value.shape[-1] ** 0.5 * 1.5)
            else:
                value.copy_(noise * 0.3 + (1 if "norm" in name.lower() and name.endswith("weight") else 0))
    return model


def reference(module, prefix, config, trunk, inputs, seed):
    """The tensors of all heads under one roof, and every head's answers."""
    generator = torch.Generator().manual_seed(seed)
    weights, answers = {}, {}
    for head in HEAD_NAMES:
        kind = getattr(module, prefix + head, None)
        if kind is None:
            continue
        model = randomised(kind(config).eval(), generator)
        state = model.state_dict()
        # Later heads share what earlier ones have. What fills masks decodes with the embedding.
        named = {name if head != "Model" else f"{trunk}.{name}": name for name in state
                 if not name.endswith(("decoder.weight", "lm_head.weight"))}
        model.load_state_dict({own: weights.get(name, state[own]) for name, own in named.items()}, strict=False)
        for name, own in named.items():
            weights.setdefault(name, model.state_dict()[own].clone().contiguous())
        model = model.double()
        with torch.no_grad():
            results = model(**{k: v for k, v in inputs.items() if k != "token_type_ids" or prefix != "ModernBert"})
        for name in ("last_hidden_state", "logits", "start_logits", "end_logits"):
            if getattr(results, name, None) is not None:
                answers[f"{head}.{name}"] = getattr(results, name).float().contiguous()
    return weights, answers


def inputs(config, has_gaps, random):
    ids = torch.from_numpy(random.integers(5, VOCABULARY, (4, COUNT)))
    mask = torch.ones(4, COUNT, dtype=torch.int64)
    mask[1, 20:] = 0
    if has_gaps:
        mask[2, :9] = 0
        mask[3, [4, 5, 17, 32]] = 0
    else:
        mask[2, 3:] = 0
        mask[3, 32:] = 0
    ids[mask == 0] = config.pad_token_id
    result = {"input_ids": ids, "attention_mask": mask}
    if has_gaps:
        result["token_type_ids"] = (torch.arange(COUNT)[None] >= torch.tensor([[12], [9], [20], [15]])).long()
    return result


def write(folder, settings, weights, answers):
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    save_file({name: value.contiguous() for name, value in answers.items()}, folder / "expected.safetensors")
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def settings_of(config):
    kept = config.to_dict()
    for name in ("architectures", "transformers_version", "_name_or_path"):
        kept.pop(name, None)
    return dict(kept, dtype="float32")


def hub(settings, weights):
    """nomic-bert as the hub's checkpoints have it."""
    names = {"layers.": "encoder.layers.", "embeddings.LayerNorm": "emb_ln", "self_attn.o_proj": "attn.out_proj",
             "up_proj": "fc11", "gate_proj": "fc12", "down_proj": "fc2", "post_attention_layernorm": "norm1",
             "post_mlp_layernorm": "norm2"}
    result, parts = {}, {}
    for name, value in weights.items():
        for own, other in names.items():
            name = name.replace(own, other)
        for index, part in enumerate("qkv"):
            if f"self_attn.{part}_proj" in name:
                parts.setdefault(name.replace(f"self_attn.{part}_proj", "attn.Wqkv"), {})[index] = value
                break
        else:
            result[name] = value
    for name, rows in parts.items():
        result[name] = torch.cat([rows[index] for index in range(3)]).contiguous()
    return dict(
        model_type="nomic_bert", n_embd=WIDTH, n_head=HEADS, n_layer=settings["num_hidden_layers"], n_inner=INNER,
        n_positions=40, vocab_size=VOCABULARY, type_vocab_size=2, activation_function="swiglu", prenorm=False,
        layer_norm_epsilon=settings["layer_norm_eps"], rotary_emb_base=1000, rotary_emb_fraction=1.0,
        qkv_proj_bias=False, mlp_fc1_bias=False, mlp_fc2_bias=False, use_rms_norm=False, dtype="float32",
        id2label=settings["id2label"]), result


def main(out):
    labels = {0: "negative", 1: "positive"}
    shared = dict(vocab_size=VOCABULARY, hidden_size=WIDTH, num_attention_heads=HEADS, intermediate_size=INNER,
                  max_position_embeddings=40, id2label=labels, pad_token_id=0, attn_implementation="eager")
    # 7: a window of three tokens to both sides.
    config = ModernBertConfig(num_hidden_layers=4, local_attention=7, bos_token_id=1, eos_token_id=2, cls_token_id=1,
                              sep_token_id=2, classifier_pooling="mean", decoder_bias=True, **shared)
    given = inputs(config, False, np.random.default_rng(40))
    weights, answers = reference(modernbert, "ModernBert", config, "model", given, 40)
    write(Path(out) / "modernbert-heads", settings_of(config), weights, {**given, **answers})

    config = NomicBertConfig(num_hidden_layers=2, type_vocab_size=2, **shared)
    given = inputs(config, True, np.random.default_rng(41))
    weights, answers = reference(nomic, "NomicBert", config, "nomic_bert", given, 41)
    weights.pop("cls.predictions.decoder.bias")
    write(Path(out) / "nomic-bert-heads", settings_of(config), weights, {**given, **answers})
    write(Path(out) / "nomic-bert-hub-heads", *hub(settings_of(config), weights), {**given, **answers})


if __name__ == "__main__":
    if len(sys.argv) != 2 or int(transformers.__version__.split(".")[0]) < 5:
        sys.exit(__doc__)
    main(sys.argv[1])
