#!/usr/bin/env python3
"""Makes the small encoders of Tests/Fixtures/models/{bert,roberta,distilbert}-heads: random weights of a trunk and of
every head, and what each head answers, computed here in float64 with a full matrix of scores; and the encoder-decoders
t5-gated and t5-plain, whose texts are longer than the distances that their biases tell apart.

Rows of the inputs: a whole text; one padded on the right, one on the left, one with holes in its mask. Positions and
masks are as transformers has them: masked tokens are computed as queries, so a pooler reads the first token though it
be masked.

    make_encoder_reference.py OUT       writes the folders below OUT
    make_encoder_reference.py --check FOLDER...   compares this file's arithmetic with references by transformers
"""
import json
import math
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

erf = np.vectorize(math.erf)
BERT = dict(layer="encoder.layer.", query="attention.self.query", key="attention.self.key",
            value="attention.self.value", out="attention.output.dense", norm1="attention.output.LayerNorm",
            up="intermediate.dense", down="output.dense", norm2="output.LayerNorm")
DISTIL = dict(layer="transformer.layer.", query="attention.q_lin", key="attention.k_lin", value="attention.v_lin",
              out="attention.out_lin", norm1="sa_layer_norm", up="ffn.lin1", down="ffn.lin2",
              norm2="output_layer_norm")


class Encoder:
    def __init__(self, config, tensors):
        self.config, self.family = config, config["model_type"]
        self.names = DISTIL if self.family == "distilbert" else BERT
        self.tensors = {}
        for name, value in tensors.items():
            for prefix in ("bert.", "roberta.", "distilbert."):
                name = name.removeprefix(prefix)
            self.tensors[name] = value.astype(np.float64)

    def linear(self, name, x):
        return x @ self.tensors[name + ".weight"].T + self.tensors[name + ".bias"]

    def norm(self, name, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config.get("layer_norm_eps", 1e-12))
        return x * self.tensors[name + ".weight"] + self.tensors[name + ".bias"]

    @staticmethod
    def gelu(x):
        return x / 2 * (1 + erf(x / math.sqrt(2)))

    def hidden(self, ids, mask, segments):
        positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        if "roberta" in self.family:
            padding = self.config["pad_token_id"]
            real = (ids != padding).astype(np.int64)
            positions = np.cumsum(real, 1) * real + padding
        table = lambda name: self.tensors[f"embeddings.{name}_embeddings.weight"]
        h = table("word")[ids] + table("position")[positions]
        if self.family != "distilbert":
            h = h + table("token_type")[segments]
        h = self.norm("embeddings.LayerNorm", h)
        rows, count, width = h.shape
        heads = self.config.get("num_attention_heads", self.config.get("n_heads"))
        names = self.names
        for layer in range(self.config.get("num_hidden_layers", self.config.get("n_layers"))):
            at = lambda part: f"{names['layer']}{layer}.{names[part]}"
            split = lambda x: x.reshape(rows, count, heads, width // heads).transpose(0, 2, 1, 3)
            q, k, v = (split(self.linear(at(part), h)) for part in ("query", "key", "value"))
            scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(width // heads)
            scores = np.where(mask[:, None, None, :] != 0, scores, -np.inf)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            attended = (weights / weights.sum(-1, keepdims=True)) @ v
            attended = attended.transpose(0, 2, 1, 3).reshape(rows, count, width)
            h = self.norm(at("norm1"), h + self.linear(at("out"), attended))
            h = self.norm(at("norm2"), h + self.linear(at("down"), self.gelu(self.linear(at("up"), h))))
        return h

    def outputs(self, kind, ids, mask, segments):
        h = self.hidden(ids, mask, segments)
        pooled = lambda name: np.tanh(self.linear(name, h[:, 0]))
        if kind == "Model":
            has_pooler = "pooler.dense.weight" in self.tensors
            return {"last_hidden_state": h, **({"pooler_output": pooled("pooler.dense")} if has_pooler else {})}
        if kind == "ForMaskedLM":
            dense, norm, bias = {
                "bert": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                         "cls.predictions.bias"),
                "distilbert": ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
            }.get(self.family, ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"))
            x = self.norm(norm, self.gelu(self.linear(dense, h)))
            return {"logits": x @ self.tensors["embeddings.word_embeddings.weight"].T + self.tensors[bias]}
        if kind == "ForNextSentencePrediction":
            return {"logits": self.linear("cls.seq_relationship", pooled("pooler.dense"))}
        if kind == "ForSequenceClassification":
            if self.family == "distilbert":
                return {"logits": self.linear("classifier", np.maximum(self.linear("pre_classifier", h[:, 0]), 0))}
            if "classifier.dense.weight" in self.tensors:
                return {"logits": self.linear("classifier.out_proj", pooled("classifier.dense"))}
            return {"logits": self.linear("classifier", pooled("pooler.dense"))}
        if kind == "ForTokenClassification":
            return {"logits": self.linear("classifier", h)}
        span = self.linear("qa_outputs", h)
        return {"start_logits": span[..., 0], "end_logits": span[..., 1]}


class T5:
    def __init__(self, config, tensors):
        self.config = config
        self.tensors = {name: value.astype(np.float64) for name, value in tensors.items()}

    def norm(self, name, x):
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["layer_norm_epsilon"])
        return x * self.tensors[name + ".weight"]

    def linear(self, name, x):
        return x @ self.tensors[name + ".weight"].T

    def bias(self, side, count, bidirectional):
        buckets = self.config["relative_attention_num_buckets"]
        farthest = self.config["relative_attention_max_distance"]
        distance = np.arange(count)[None, :] - np.arange(count)[:, None]
        half = buckets // 2 if bidirectional else buckets
        base = (distance > 0) * half if bidirectional else 0
        size = np.abs(distance) if bidirectional else np.maximum(-distance, 0)
        exact = half // 2
        ratio = (np.maximum(size, 1) / exact).astype(np.float32)
        shared = exact + (np.log(ratio) / math.log(farthest / exact) * (half - exact)).astype(np.int64)
        bucket = base + np.where(size < exact, size, np.minimum(shared, half - 1))
        table = self.tensors[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        return table[bucket].transpose(2, 0, 1)[None]

    def attention(self, name, x, source, bias, visible):
        heads, size = self.config["num_heads"], self.config["d_kv"]
        split = lambda y: y.reshape(*y.shape[:2], heads, size).transpose(0, 2, 1, 3)
        q, k, v = split(self.linear(name + "q", x)), split(self.linear(name + "k", source)), split(
            self.linear(name + "v", source))
        scores = np.where(visible, q @ k.transpose(0, 1, 3, 2) + bias, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        attended = (weights / weights.sum(-1, keepdims=True)) @ v
        return self.linear(name + "o", attended.transpose(0, 2, 1, 3).reshape(*x.shape[:2], heads * size))

    def feed_forward(self, prefix, x):
        x = self.norm(prefix + "layer_norm", x)
        name = prefix + "DenseReluDense."
        if self.config["feed_forward_proj"] == "relu":
            return self.linear(name + "wo", np.maximum(self.linear(name + "wi", x), 0))
        gate = self.linear(name + "wi_0", x)
        gate = gate / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate ** 3)))
        return self.linear(name + "wo", gate * self.linear(name + "wi_1", x))

    def outputs(self, ids, mask, targets):
        shared = self.tensors["shared.weight"]
        visible = mask[:, None, None, :] != 0
        h, bias = shared[ids], self.bias("encoder", ids.shape[1], True)
        for layer in range(self.config["num_layers"]):
            at = f"encoder.block.{layer}.layer."
            x = self.norm(at + "0.layer_norm", h)
            h = h + self.attention(at + "0.SelfAttention.", x, x, bias, visible)
            h = h + self.feed_forward(at + "1.", h)
        encoded = self.norm("encoder.final_layer_norm", h)
        count = targets.shape[1]
        causal = np.tril(np.ones((count, count), bool))[None, None]
        h, bias = shared[targets], self.bias("decoder", count, False)
        for layer in range(self.config["num_decoder_layers"]):
            at = f"decoder.block.{layer}.layer."
            x = self.norm(at + "0.layer_norm", h)
            h = h + self.attention(at + "0.SelfAttention.", x, x, bias, causal)
            h = h + self.attention(
                at + "1.EncDecAttention.", self.norm(at + "1.layer_norm", h), encoded, 0, visible)
            h = h + self.feed_forward(at + "2.", h)
        h = self.norm("decoder.final_layer_norm", h)
        if self.config.get("scale_decoder_outputs", self.config["tie_word_embeddings"]):
            h = h / math.sqrt(self.config["d_model"])
        return {"encoder_last_hidden_state": encoded, "logits": h @ self.tensors.get("lm_head.weight", shared).T}


WIDTH, HEADS, INNER, VOCABULARY, POSITIONS, LAYERS, LABELS = 40, 4, 56, 96, 40, 2, 3


def config(family):
    labels = {str(i): name for i, name in enumerate(["negative", "neutral", "positive"])}
    shared = dict(model_type=family, vocab_size=VOCABULARY, max_position_embeddings=POSITIONS, id2label=labels,
                  dtype="float32")
    if family == "distilbert":
        return dict(shared, dim=WIDTH, n_heads=HEADS, n_layers=LAYERS, hidden_dim=INNER, activation="gelu",
                    pad_token_id=0)
    return dict(shared, hidden_size=WIDTH, num_attention_heads=HEADS, num_hidden_layers=LAYERS,
                intermediate_size=INNER, hidden_act="gelu", layer_norm_eps=1e-5 if family == "roberta" else 1e-12,
                type_vocab_size=1 if family == "roberta" else 2, pad_token_id=1 if family == "roberta" else 0)


def tensors(family, random):
    result = {}

    def matrix(name, rows, columns):
        result[name] = (random.standard_normal((rows, columns)) / math.sqrt(columns) * 1.5).astype(np.float32)

    def vector(name, count, mean=0.0):
        result[name] = (mean + random.standard_normal(count) * 0.3).astype(np.float32)

    def linear(name, rows, columns):
        matrix(name + ".weight", rows, columns)
        vector(name + ".bias", rows)

    def norm(name):
        vector(name + ".weight", WIDTH, 1.0)
        vector(name + ".bias", WIDTH)

    trunk = family + "."
    matrix(trunk + "embeddings.word_embeddings.weight", VOCABULARY, WIDTH)
    matrix(trunk + "embeddings.position_embeddings.weight", POSITIONS, WIDTH)
    if family != "distilbert":
        matrix(trunk + "embeddings.token_type_embeddings.weight", 1 if family == "roberta" else 2, WIDTH)
    norm(trunk + "embeddings.LayerNorm")
    names = DISTIL if family == "distilbert" else BERT
    for layer in range(LAYERS):
        at = lambda part: f"{trunk}{names['layer']}{layer}.{names[part]}"
        for part in ("query", "key", "value", "out"):
            linear(at(part), WIDTH, WIDTH)
        linear(at("up"), INNER, WIDTH)
        linear(at("down"), WIDTH, INNER)
        norm(at("norm1"))
        norm(at("norm2"))
    linear("qa_outputs", 2, WIDTH)
    if family == "bert":
        linear(trunk + "pooler.dense", WIDTH, WIDTH)
        linear("cls.predictions.transform.dense", WIDTH, WIDTH)
        norm("cls.predictions.transform.LayerNorm")
        vector("cls.predictions.bias", VOCABULARY)
        linear("cls.seq_relationship", 2, WIDTH)
        linear("classifier", LABELS, WIDTH)
    elif family == "roberta":
        linear("lm_head.dense", WIDTH, WIDTH)
        norm("lm_head.layer_norm")
        vector("lm_head.bias", VOCABULARY)
        linear("classifier.dense", WIDTH, WIDTH)
        linear("classifier.out_proj", LABELS, WIDTH)
    else:
        linear("vocab_transform", WIDTH, WIDTH)
        norm("vocab_layer_norm")
        vector("vocab_projector.bias", VOCABULARY)
        linear("pre_classifier", WIDTH, WIDTH)
        linear("classifier", LABELS, WIDTH)
    return result


KINDS = {
    "bert": ["Model", "ForMaskedLM", "ForNextSentencePrediction", "ForSequenceClassification",
             "ForTokenClassification", "ForQuestionAnswering"],
    "roberta": ["Model", "ForMaskedLM", "ForSequenceClassification", "ForQuestionAnswering"],
    "distilbert": ["Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification",
                   "ForQuestionAnswering"],
}


def make(out):
    for seed, family in enumerate(KINDS):
        random = np.random.default_rng(seed)
        weights, settings = tensors(family, random), config(family)
        count = 33
        ids = random.integers(5, VOCABULARY, (4, count))
        mask = np.ones((4, count), np.int64)
        mask[1, 20:] = 0
        mask[2, :9] = 0
        mask[3, [4, 5, 17, 32]] = 0
        # A mask decides, not the id: two of the holes are no padding.
        padded = mask == 0
        padded[3, [5, 17]] = False
        ids[padded] = settings["pad_token_id"]
        segments = (np.arange(count)[None, :] >= np.array([[12], [9], [20], [15]])).astype(np.int64)
        if family != "bert":
            segments[:] = 0
        answers = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
        for kind in KINDS[family]:
            for name, value in Encoder(settings, weights).outputs(kind, ids, mask, segments).items():
                answers[f"{kind}.{name}"] = np.ascontiguousarray(value, np.float32)
        write(Path(out) / f"{family}-heads", settings, weights, answers)


def t5_config(gated):
    return dict(model_type="t5", architectures=["T5ForConditionalGeneration"], d_model=24, d_kv=10, num_heads=3,
                d_ff=32, num_layers=2, num_decoder_layers=1, vocab_size=VOCABULARY, layer_norm_epsilon=1e-6, dtype="float32",
                relative_attention_num_buckets=8 if gated else 12, relative_attention_max_distance=20 if gated else 128,
                feed_forward_proj="gated-gelu" if gated else "relu", tie_word_embeddings=not gated,
                decoder_start_token_id=0, pad_token_id=0, eos_token_id=1)


def t5_tensors(settings, random):
    width, inner, attention = settings["d_model"], settings["d_ff"], settings["d_kv"] * settings["num_heads"]
    gated = settings["feed_forward_proj"] != "relu"
    result = {}

    def matrix(name, rows, columns, scale=1.0):
        values = random.standard_normal((rows, columns)) / math.sqrt(columns) * scale
        result[name + ".weight"] = values.astype(np.float32)

    def norm(name):
        result[name + ".weight"] = (1 + random.standard_normal(width) * 0.3).astype(np.float32)

    matrix("shared", VOCABULARY, width, math.sqrt(width))
    if gated:
        matrix("lm_head", VOCABULARY, width)
    for side, layers in [("encoder", settings["num_layers"]), ("decoder", settings["num_decoder_layers"])]:
        heads, buckets = settings["num_heads"], settings["relative_attention_num_buckets"]
        matrix(f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias", buckets, heads, 2)
        for layer in range(layers):
            kinds = ["SelfAttention"] + (["EncDecAttention"] if side == "decoder" else [])
            for index, kind in enumerate(kinds):
                at = f"{side}.block.{layer}.layer.{index}."
                norm(at + "layer_norm")
                for part in "qkv":
                    matrix(f"{at}{kind}.{part}", attention, width)
                matrix(f"{at}{kind}.o", width, attention)
            at = f"{side}.block.{layer}.layer.{len(kinds)}."
            norm(at + "layer_norm")
            for name in ["wi_0", "wi_1"] if gated else ["wi"]:
                matrix(f"{at}DenseReluDense.{name}", inner, width)
            matrix(f"{at}DenseReluDense.wo", width, inner)
        norm(f"{side}.final_layer_norm")
    return result


def make_t5(out):
    for seed, name in enumerate(["t5-gated", "t5-plain"]):
        random = np.random.default_rng(10 + seed)
        settings = t5_config(name == "t5-gated")
        weights = t5_tensors(settings, random)
        ids = random.integers(2, VOCABULARY, (3, 61))
        mask = np.ones((3, 61), np.int64)
        mask[1, 33:] = 0
        mask[2, :14] = 0
        targets = random.integers(2, VOCABULARY, (3, 47))
        targets[:, 0] = 0
        answers = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": targets}
        for key, value in T5(settings, weights).outputs(ids, mask, targets).items():
            answers[key] = np.ascontiguousarray(value, np.float32)
        write(Path(out) / name, settings, weights, answers)


def write(folder, settings, weights, answers):
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    save_file(answers, folder / "expected.safetensors")
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")


def check(folders):
    for folder in map(Path, folders):
        settings = json.loads((folder / "config.json").read_text())
        expected = load_file(folder / "expected.safetensors")
        ids, mask = expected["input_ids"], expected["attention_mask"]
        if settings["model_type"] == "t5":
            model = T5(settings, load_file(folder / "model.safetensors"))
            report(folder, model.outputs(ids, mask, expected["decoder_input_ids"]), expected, mask)
            continue
        kind = settings["architectures"][0].removeprefix("XLMRoberta").removeprefix("Bert")
        outputs = Encoder(settings, load_file(folder / "model.safetensors")).outputs(
            kind, ids, mask, expected.get("token_type_ids", np.zeros_like(ids)))
        report(folder, outputs, expected, mask)


def report(folder, outputs, expected, mask):
    for name, value in outputs.items():
        if name not in expected:
            continue
        a, b = value, expected[name].astype(np.float64)
        if a.shape[:2] == mask.shape:
            a, b = a[mask != 0], b[mask != 0]
        print(f"{folder.name} {name}: NMSE {((a - b) ** 2).sum() / (b ** 2).sum():.1e}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--check"]:
        check(sys.argv[2:])
    elif len(sys.argv) == 2:
        make(sys.argv[1])
        make_t5(sys.argv[1])
    else:
        sys.exit(__doc__)
