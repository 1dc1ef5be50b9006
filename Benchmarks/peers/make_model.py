"""Writes a random-weight model of a known shape twice, with the same weights: as a Hugging Face folder and as FP32 GGUF.

usage: make_model.py SHAPE OUT_DIR
SHAPE: gpt2-124m, llama-135m, llama-0.5b, llama-1b, mixtral-0.5b. Needs numpy, safetensors and gguf. The weights mean nothing: use it
for speed, for memory, and to see that two engines compute the same. The vocabulary is made here: 256 bytes, then words of
a space and four letters, so that any text that a model writes has one reading as token ids.
"""
import json
import os
import sys

import gguf
import numpy as np
from safetensors.numpy import save_file

SHAPES = {
    "gpt2-124m": dict(arch="gpt2", vocab=50257, dim=768, layers=12, heads=12, kv=12, ffn=3072, context=1024),
    "llama-135m": dict(arch="llama", vocab=49152, dim=576, layers=30, heads=9, kv=3, ffn=1536, context=8192),
    "llama-0.5b": dict(arch="llama", vocab=151936, dim=896, layers=24, heads=14, kv=2, ffn=4864, context=8192),
    "llama-1b": dict(arch="llama", vocab=128256, dim=2048, layers=16, heads=32, kv=8, ffn=8192, context=8192),
    # Mixtral with fewer and smaller layers, whose widths blocks of 256 fit.
    "mixtral-0.5b": dict(arch="llama", vocab=32000, dim=768, layers=12, heads=12, kv=4, ffn=2048, context=8192, experts=8,
                         used_experts=2),
}


MERGE = ("\u00fe", "\u00ff")


def byte_characters():
    """The characters that byte-level vocabularies write the 256 bytes with."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    characters = {b: chr(b) for b in printable}
    characters.update({b: chr(256 + i) for i, b in enumerate(others)})
    return [characters[b] for b in range(256)]


def vocabulary(count):
    # Readers of byte-level vocabularies want at least one merge: two bytes that no text in UTF-8 has.
    tokens = byte_characters() + ["".join(MERGE)]
    letters = "abcdefghijklmnopqrstuvwxyz"
    for i in range(count - 257 - 1):
        word = "".join(letters[i // 26**k % 26] for k in (3, 2, 1, 0))
        tokens.append("\u0120" + word)
    return tokens + ["<|end|>"]


def tensors(s, random):
    """Name in the folder, name in GGUF, values; None where one of the two has no such tensor."""

    def matrix(*shape):
        return random.standard_normal(shape, dtype=np.float32) * np.float32(1 / shape[-1] ** 0.5)

    d, f, kv = s["dim"], s["ffn"], s["dim"] // s["heads"] * s["kv"]
    ones, zeros = (lambda n: np.ones(n, np.float32)), (lambda n: np.zeros(n, np.float32))
    if s["arch"] == "llama":
        yield "model.embed_tokens.weight", "token_embd.weight", matrix(s["vocab"], d)
        for i in range(s["layers"]):
            h, g = f"model.layers.{i}.", f"blk.{i}."
            yield h + "input_layernorm.weight", g + "attn_norm.weight", ones(d)
            for a, b, n in (("q_proj", "attn_q", d), ("k_proj", "attn_k", kv), ("v_proj", "attn_v", kv),
                            ("o_proj", "attn_output", d)):
                yield h + f"self_attn.{a}.weight", g + b + ".weight", matrix(n, d)
            yield h + "post_attention_layernorm.weight", g + "ffn_norm.weight", ones(d)
            if "experts" in s:
                yield h + "block_sparse_moe.gate.weight", g + "ffn_gate_inp.weight", matrix(s["experts"], d)
            for a, w, b, n, k in (("gate", "w1", "ffn_gate", f, d), ("up", "w3", "ffn_up", f, d),
                                  ("down", "w2", "ffn_down", d, f)):
                if "experts" not in s:
                    yield f"{h}mlp.{a}_proj.weight", f"{g}{b}.weight", matrix(n, k)
                    continue
                # One tensor an expert in the folder, one for all in GGUF.
                all_experts = matrix(s["experts"], n, k)
                for e, x in enumerate(all_experts):
                    yield f"{h}block_sparse_moe.experts.{e}.{w}.weight", None, x
                yield None, f"{g}{b}_exps.weight", all_experts
        yield "model.norm.weight", "output_norm.weight", ones(d)
        return
    yield "transformer.wte.weight", "token_embd.weight", matrix(s["vocab"], d)
    yield "transformer.wpe.weight", "position_embd.weight", matrix(s["context"], d)
    for i in range(s["layers"]):
        h, g = f"transformer.h.{i}.", f"blk.{i}."
        for a, b in (("ln_1", "attn_norm"), ("ln_2", "ffn_norm")):
            yield h + a + ".weight", g + b + ".weight", ones(d)
            yield h + a + ".bias", g + b + ".bias", zeros(d)
        for a, b, n, k in (("attn.c_attn", "attn_qkv", 3 * d, d), ("attn.c_proj", "attn_output", d, d),
                           ("mlp.c_fc", "ffn_up", f, d), ("mlp.c_proj", "ffn_down", d, f)):
            yield h + a + ".weight", g + b + ".weight", matrix(n, k)
            yield h + a + ".bias", g + b + ".bias", zeros(n)
    yield "transformer.ln_f.weight", "output_norm.weight", ones(d)
    yield "transformer.ln_f.bias", "output_norm.bias", zeros(d)


def write_gguf(path, name, s, tokens, data):
    w = gguf.GGUFWriter(path, s["arch"])
    w.add_name(name)
    w.add_context_length(s["context"])
    w.add_embedding_length(s["dim"])
    w.add_block_count(s["layers"])
    w.add_feed_forward_length(s["ffn"])
    w.add_head_count(s["heads"])
    if s["arch"] == "llama":
        w.add_head_count_kv(s["kv"])
        w.add_layer_norm_rms_eps(1e-5)
        w.add_rope_dimension_count(s["dim"] // s["heads"])
        w.add_rope_freq_base(10000.0)
    else:
        w.add_layer_norm_eps(1e-5)
    if "experts" in s:
        w.add_expert_count(s["experts"])
        w.add_expert_used_count(s["used_experts"])
    w.add_vocab_size(len(tokens))
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([1] * (len(tokens) - 1) + [3])
    w.add_token_merges([" ".join(MERGE)])
    w.add_bos_token_id(len(tokens) - 1)
    w.add_eos_token_id(len(tokens) - 1)
    w.add_add_bos_token(False)
    w.add_file_type(gguf.LlamaFileType.ALL_F32)
    for _, gguf_name, x in data:
        if gguf_name is None:
            continue
        if s["arch"] == "llama" and gguf_name.endswith(("attn_q.weight", "attn_k.weight")):
            # GGUF has the two halves that rotate together side by side.
            size = s["dim"] // s["heads"]
            x = x.reshape(x.shape[0] // size, 2, size // 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)
        w.add_tensor(gguf_name, x)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_folder(path, s, tokens, data):
    os.makedirs(path, exist_ok=True)
    stored = {}
    for name, _, x in data:
        if name is None:
            continue
        # GPT-2's folders store the matrices of a layer transposed.
        stored[name] = np.ascontiguousarray(x.T) if s["arch"] == "gpt2" and x.ndim == 2 and ".h." in name else x
    save_file(stored, os.path.join(path, "model.safetensors"), metadata={"format": "pt"})
    end = len(tokens) - 1
    common = dict(vocab_size=len(tokens), tie_word_embeddings=True, bos_token_id=end, eos_token_id=end, dtype="float32",
                  torch_dtype="float32")
    if s["arch"] == "llama":
        config = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=s["dim"],
                      intermediate_size=s["ffn"], num_hidden_layers=s["layers"], num_attention_heads=s["heads"],
                      num_key_value_heads=s["kv"], max_position_embeddings=s["context"], rms_norm_eps=1e-5,
                      rope_theta=10000.0, hidden_act="silu", **common)
        if "experts" in s:
            config.update(architectures=["MixtralForCausalLM"], model_type="mixtral", sliding_window=None,
                          num_local_experts=s["experts"], num_experts_per_tok=s["used_experts"])
    else:
        config = dict(architectures=["GPT2LMHeadModel"], model_type="gpt2", n_embd=s["dim"], n_layer=s["layers"],
                      n_head=s["heads"], n_positions=s["context"], n_ctx=s["context"], activation_function="gelu_new",
                      layer_norm_epsilon=1e-5, **common)
    with open(os.path.join(path, "config.json"), "w") as file:
        json.dump(config, file, indent=2)
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": end, "content": tokens[end], "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}],
        "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                  "vocab": {t: i for i, t in enumerate(tokens)}, "merges": [" ".join(MERGE)]},
    }
    with open(os.path.join(path, "tokenizer.json"), "w") as file:
        json.dump(tokenizer, file, ensure_ascii=False)
    # Without it transformers adds tokens of the architecture's usual tokenizer. Written last: a folder that has it is whole.
    names = {f"{kind}_token": tokens[end] for kind in ("bos", "eos", "unk")}
    with open(os.path.join(path, "tokenizer_config.json"), "w") as file:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", **names}, file)


def make(name, folder):
    s = SHAPES[name]
    os.makedirs(folder, exist_ok=True)
    tokens = vocabulary(s["vocab"])
    data = list(tensors(s, np.random.default_rng(7)))
    write_gguf(os.path.join(folder, "model-f32.gguf"), name, s, tokens, data)
    write_folder(os.path.join(folder, "hf"), s, tokens, data)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in SHAPES:
        sys.exit(f"usage: make_model.py {'|'.join(SHAPES)} OUT_DIR")
    make(sys.argv[1], sys.argv[2])
