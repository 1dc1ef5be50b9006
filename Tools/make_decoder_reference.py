#!/usr/bin/env python3
"""Makes the small decoders of Tests/Fixtures/models whose names stand below: random weights in Hugging Face's layout, and
the logits and greedy continuations that transformers computes from them in float64.

    make_decoder_reference.py OUT [NAME...]       writes the folders below OUT; needs torch and transformers 5

A seed is taken whose continuation has a clear best token at every step, so that rounding cannot change it.
"""
import json
import sys
from pathlib import Path

import torch
import transformers as hf
from safetensors.torch import load_file, save_file

VOCABULARY, TOKENS, CONTINUATION = 32, 12, 8
SHARED = dict(vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=20,
              max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
GROUPED = dict(SHARED, num_key_value_heads=2)
GPT = dict(vocab_size=VOCABULARY, n_embd=16, n_layer=2, n_head=4, n_inner=20, n_positions=64, bos_token_id=1,
           eos_token_id=2)


def internlm2(folder):
    """A Llama under the names of InternLM 2, whose code is not part of transformers: each key head's queries, key and
    value in one matrix."""
    path, config_path = folder / "model.safetensors", folder / "config.json"
    config, tensors = json.loads(config_path.read_text()), load_file(path)
    names = {"model.embed_tokens": "model.tok_embeddings", "lm_head": "output", "self_attn.o_proj": "attention.wo",
             "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
             "mlp.gate_proj": "feed_forward.w1", "mlp.down_proj": "feed_forward.w2", "mlp.up_proj": "feed_forward.w3"}
    renamed = {}
    groups, size = config["num_key_value_heads"], config["head_dim"]
    for name, tensor in tensors.items():
        if ".self_attn.q_proj" in name:
            parts = [tensors[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            heads = [part.reshape(groups, -1, size, part.shape[-1]) for part in parts]
            renamed[name.replace("self_attn.q_proj", "attention.wqkv")] = torch.cat(heads, 1).reshape(
                -1, tensor.shape[-1]).contiguous()
        elif ".k_proj" not in name and ".v_proj" not in name:
            for old, new in names.items():
                name = name.replace(old, new)
            renamed[name] = tensor
    save_file(renamed, path)
    config.update(model_type="internlm2", architectures=["InternLM2ForCausalLM"], bias=False)
    for key in ("attention_bias", "mlp_bias", "head_dim"):
        config.pop(key, None)
    config_path.write_text(json.dumps(config, indent=2) + "\n")


MODELS = {
    "mistral": lambda: hf.MistralForCausalLM(hf.MistralConfig(**GROUPED, sliding_window=6, head_dim=4)),
    "phi3": lambda: hf.Phi3ForCausalLM(hf.Phi3Config(**GROUPED)),
    "gemma": lambda: hf.GemmaForCausalLM(hf.GemmaConfig(**GROUPED, head_dim=8)),
    "gemma2": lambda: hf.Gemma2ForCausalLM(hf.Gemma2Config(
        **GROUPED, head_dim=8, query_pre_attn_scalar=6, sliding_window=6, attn_logit_softcapping=2.0,
        final_logit_softcapping=4.0)),
    "gemma3": lambda: hf.Gemma3ForCausalLM(hf.Gemma3TextConfig(
        **GROUPED, head_dim=8, query_pre_attn_scalar=6, sliding_window=6,
        layer_types=["sliding_attention", "full_attention"])),
    "gpt-neox": lambda: hf.GPTNeoXForCausalLM(hf.GPTNeoXConfig(**SHARED, rotary_pct=0.5)),
    "mixtral": lambda: hf.MixtralForCausalLM(hf.MixtralConfig(
        **dict(GROUPED, intermediate_size=12), num_local_experts=4, num_experts_per_tok=2)),
    "qwen3-moe": lambda: hf.Qwen3MoeForCausalLM(hf.Qwen3MoeConfig(
        **GROUPED, head_dim=8, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=8, norm_topk_prob=True)),
    "qwen2-moe": lambda: hf.Qwen2MoeForCausalLM(hf.Qwen2MoeConfig(
        **GROUPED, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=8, shared_expert_intermediate_size=12)),
    "olmoe": lambda: hf.OlmoeForCausalLM(hf.OlmoeConfig(
        **dict(GROUPED, intermediate_size=12), num_experts=6, num_experts_per_tok=3)),
    "granite-moe": lambda: hf.GraniteMoeForCausalLM(hf.GraniteMoeConfig(
        **dict(GROUPED, intermediate_size=12), num_local_experts=4, num_experts_per_tok=2, embedding_multiplier=6.0,
        residual_multiplier=0.3, attention_multiplier=0.4, logits_scaling=3.0)),
    "granite-moe-shared": lambda: hf.GraniteMoeSharedForCausalLM(hf.GraniteMoeSharedConfig(
        **dict(GROUPED, intermediate_size=12), num_local_experts=4, num_experts_per_tok=2, shared_intermediate_size=8,
        embedding_multiplier=6.0, residual_multiplier=0.3, attention_multiplier=0.4, logits_scaling=3.0)),
    "smollm3": lambda: hf.SmolLM3ForCausalLM(hf.SmolLM3Config(
        **dict(GROUPED, num_hidden_layers=4), tie_word_embeddings=True)),
    "olmo2": lambda: hf.Olmo2ForCausalLM(hf.Olmo2Config(**GROUPED)),
    "olmo3": lambda: hf.Olmo3ForCausalLM(hf.Olmo3Config(
        **GROUPED, sliding_window=6, layer_types=["sliding_attention", "full_attention"])),
    "granite": lambda: hf.GraniteForCausalLM(hf.GraniteConfig(
        **GROUPED, embedding_multiplier=6.0, residual_multiplier=0.3, attention_multiplier=0.4, logits_scaling=3.0)),
    "cohere": lambda: hf.CohereForCausalLM(hf.CohereConfig(**GROUPED, logit_scale=0.25)),
    "cohere-norms": lambda: hf.CohereForCausalLM(hf.CohereConfig(**GROUPED, logit_scale=0.25, use_qk_norm=True)),
    "cohere2": lambda: hf.Cohere2ForCausalLM(hf.Cohere2Config(
        **GROUPED, logit_scale=0.25, sliding_window=6, layer_types=["sliding_attention", "full_attention"])),
    "starcoder2": lambda: hf.Starcoder2ForCausalLM(hf.Starcoder2Config(**GROUPED)),
    "falcon": lambda: hf.FalconForCausalLM(hf.FalconConfig(
        **{k: v for k, v in SHARED.items() if k != "intermediate_size"}, ffn_hidden_size=20, multi_query=True,
        parallel_attn=True, bias=False, alibi=False, new_decoder_architecture=False)),
    "falcon-new": lambda: hf.FalconForCausalLM(hf.FalconConfig(
        **{k: v for k, v in SHARED.items() if k != "intermediate_size"}, ffn_hidden_size=20, num_kv_heads=2,
        parallel_attn=True, bias=False, alibi=False, new_decoder_architecture=True)),
    "gptj": lambda: hf.GPTJForCausalLM(hf.GPTJConfig(**dict(GPT, n_embd=32), rotary_dim=4)),
    "opt": lambda: hf.OPTForCausalLM(hf.OPTConfig(
        **{k: v for k, v in SHARED.items() if k != "intermediate_size"}, ffn_dim=20, word_embed_proj_dim=16)),
    "gpt-bigcode": lambda: hf.GPTBigCodeForCausalLM(hf.GPTBigCodeConfig(**GPT, multi_query=True)),
    "phi": lambda: hf.PhiForCausalLM(hf.PhiConfig(**dict(GROUPED, hidden_size=32), partial_rotary_factor=0.5)),
    "stablelm": lambda: hf.StableLmForCausalLM(hf.StableLmConfig(
        **dict(GROUPED, hidden_size=32), partial_rotary_factor=0.25, use_qkv_bias=True)),
    "stablelm-norms": lambda: hf.StableLmForCausalLM(hf.StableLmConfig(
        **dict(GROUPED, hidden_size=32), partial_rotary_factor=0.25, qk_layernorm=True, use_parallel_residual=True)),
    "internlm2": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**GROUPED)),
    "glm4": lambda: hf.Glm4ForCausalLM(hf.Glm4Config(
        **GROUPED, head_dim=8, partial_rotary_factor=0.5, attention_bias=True)),
    "exaone4": lambda: hf.Exaone4ForCausalLM(hf.Exaone4Config(
        **GROUPED, head_dim=8, sliding_window=6, layer_types=["sliding_attention", "full_attention"])),
}
AFTERWARDS = {"internlm2": internlm2}


def randomise(model, generator):
    """Weights that keep the sizes of activations, norms and biases that matter."""
    is_offset = "Gemma" in type(model).__name__
    is_tied = model.config.tie_word_embeddings
    embedding = model.get_input_embeddings().weight
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if tensor is embedding:
                # A tied one makes the logits, which then are as large as those of others.
                scale = getattr(model.config, "hidden_size", 16) ** -0.5 if is_tied else 0.6
                tensor.copy_(noise * scale)
            elif "norm" in name.lower() or "ln_" in name:
                tensor.copy_(noise * 0.1 + (0 if name.endswith("bias") or is_offset else 1))
            elif tensor.dim() >= 2:
                tensor.copy_(noise * (1.5 if "q_proj" in name or "k_proj" in name else 1) * tensor.shape[-1] ** -0.5)
            else:
                tensor.copy_(noise * 0.1)
    model.tie_weights()


def make(name, out):
    for seed in range(1, 1000):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        model = MODELS[name]().eval()
        randomise(model, generator)
        reference = model.double()
        if hasattr(model, "set_experts_implementation") and getattr(model, "_can_set_experts_implementation", lambda: False)():
            model.set_experts_implementation("eager")
        ids = torch.randint(3, VOCABULARY, (2, TOKENS), generator=generator)
        with torch.no_grad():
            logits = reference(ids, use_cache=False).logits
            text, margins = ids[:1], []
            for _ in range(CONTINUATION):
                last = reference(text, use_cache=False).logits[:, -1]
                best = last.topk(2).values[0]
                margins.append(float(best[0] - best[1]))
                text = torch.cat([text, last.argmax(-1, keepdim=True)], 1)
        continuation = text[:, TOKENS:]
        if min(margins) > 0.03 * float(logits.std()) and len(set(continuation[0].tolist())) >= 3:
            break
    else:
        sys.exit(f"{name}: no seed gives a clear continuation")
    folder = Path(out) / name
    folder.mkdir(parents=True, exist_ok=True)
    model.float().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    AFTERWARDS.get(name, lambda folder: None)(folder)
    save_file({"input_ids": ids, "logits": logits.float().contiguous(), "greedy_ids": continuation.contiguous()},
              folder / "expected.safetensors")
    print(f"{name}: seed {seed}, least margin {min(margins):.3f}, {sum(f.stat().st_size for f in folder.iterdir())} bytes")


if __name__ == "__main__":
    hf.utils.logging.disable_progress_bar()
    for name in sys.argv[2:] or MODELS:
        make(name, sys.argv[1])
