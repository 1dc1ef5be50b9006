"""An embedder of another engine as a worker: a process that loads it once and then embeds the same texts whenever it is
told to.

usage: worker_embed.py PEER FORMAT FOLDER TEXTS THREADS

PEER is torch (sentence-transformers), onnxruntime or openvino, FORMAT f32 or int8. FOLDER is a sentence-transformers
folder of a BERT with mean pooling and normalised vectors, TEXTS a file with a text a line. Models that are converted or
quantised are kept in INFER_PEERS. Each line that is read is a batch size; the answer is one JSON object with the seconds
that all texts took, from strings to normalised vectors in one array. A line `vectors FILE` saves them. Every peer sorts
texts by length, as sentence-transformers does, and pads within a batch.
"""
import hashlib
import json
import os
import sys
import time

import numpy as np

CACHE = os.environ.get("INFER_PEERS") or os.path.expanduser("~/.cache/infer-bench-peers")


def cached(folder, name):
    """Where what was made of a model is kept: by its path, so that two models do not meet."""
    place = os.path.join(CACHE, "embed", hashlib.sha256(os.path.abspath(folder).encode()).hexdigest()[:16])
    os.makedirs(place, exist_ok=True)
    return os.path.join(place, name)


def onnx_file(folder, form):
    """`plain`: as exported; `f32`: fused for onnxruntime; `int8`: that, quantised dynamically."""
    path = cached(folder, f"{form}.onnx")
    if os.path.exists(path):
        return path
    if form == "int8":
        from onnxruntime.quantization import QuantType, quantize_dynamic
        # Operations of its own have no type that it could infer.
        quantize_dynamic(onnx_file(folder, "f32"), path, weight_type=QuantType.QInt8, per_channel=True,
                         extra_options={"DefaultTensorType": 1})
        return path
    if form == "f32":
        # Fuses attention, GELU and layer norms, as onnxruntime's documentation advises.
        from onnxruntime.transformers import optimizer
        from transformers import AutoConfig
        config = AutoConfig.from_pretrained(folder)
        optimizer.optimize_model(onnx_file(folder, "plain"), model_type="bert", num_heads=config.num_attention_heads,
                                 hidden_size=config.hidden_size).save_model_to_file(path)
        return path
    import torch
    from transformers import AutoModel

    class States(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids=input_ids, attention_mask=attention_mask,
                              token_type_ids=token_type_ids).last_hidden_state

    names = ["input_ids", "attention_mask", "token_type_ids"]
    ones = torch.ones(2, 8, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "tokens"} for name in [*names, "last_hidden_state"]}
    torch.onnx.export(States(), (ones, ones, 0 * ones), path, input_names=names, output_names=["last_hidden_state"],
                      dynamic_axes=axes, opset_version=17, dynamo=False)
    return path


class Texts:
    """Sorted by length and cut as the folder says."""

    def __init__(self, folder):
        from tokenizers import Tokenizer
        self.tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        with open(os.path.join(folder, "sentence_bert_config.json")) as file:
            self.tokenizer.enable_truncation(json.load(file)["max_seq_length"])
        self.tokenizer.no_padding()

    def embed(self, texts, batch_size, states):
        encoded = [e.ids for e in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(texts)), key=lambda i: -len(encoded[i]))
        result = None
        for start in range(0, len(order), batch_size):
            part = order[start:start + batch_size]
            ids = np.zeros((len(part), len(encoded[part[0]])), dtype=np.int64)
            mask = np.zeros_like(ids)
            for row, index in enumerate(part):
                ids[row, :len(encoded[index])] = encoded[index]
                mask[row, :len(encoded[index])] = 1
            hidden = states(ids, mask, np.zeros_like(ids))
            pooled = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
            if result is None:
                result = np.empty((len(texts), pooled.shape[1]), dtype=np.float32)
            result[part] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
        return result


class Torch:
    def __init__(self, folder, form, threads, lines):
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(threads)
        self.model = SentenceTransformer(folder, device="cpu")
        if form == "int8":
            torch.backends.quantized.engine = "onednn"
            self.model = torch.ao.quantization.quantize_dynamic(self.model, {torch.nn.Linear}, dtype=torch.qint8)

    def embed(self, texts, batch_size):
        return self.model.encode(texts, batch_size=batch_size, normalize_embeddings=True)


class OnnxRuntime(Texts):
    def __init__(self, folder, form, threads, lines):
        import onnxruntime
        super().__init__(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            onnx_file(folder, form), options, providers=["CPUExecutionProvider"])

    def embed(self, texts, batch_size):
        return super().embed(texts, batch_size, lambda ids, mask, types: self.session.run(
            None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": types})[0])


class OpenVINO(Texts):
    def __init__(self, folder, form, threads, lines):
        import openvino
        super().__init__(folder)
        self.lines = lines
        core = openvino.Core()
        # It fuses by itself, and knows no operations of onnxruntime's own.
        model = core.read_model(onnx_file(folder, "plain"))
        if form == "int8":
            model = self.quantised(model)
        self.model = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"})
        self.request = self.model.create_infer_request()

    def quantised(self, model):
        """Weights and activations in int8, calibrated on the texts, as its documentation has it for transformers."""
        import nncf

        def inputs(text):
            ids = np.array([self.tokenizer.encode(text).ids], dtype=np.int64)
            return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}

        return nncf.quantize(model, nncf.Dataset(self.lines[:300], inputs), model_type=nncf.ModelType.TRANSFORMER)

    def embed(self, texts, batch_size):
        def states(ids, mask, types):
            outputs = self.request.infer(
                {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}, share_outputs=True)
            return outputs[0]
        return super().embed(texts, batch_size, states)


def main():
    peer, form, folder, texts, threads = sys.argv[1:]
    with open(texts) as file:
        lines = [line.rstrip("\n") for line in file]
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    model = {"torch": Torch, "onnxruntime": OnnxRuntime, "openvino": OpenVINO}[peer](folder, form, int(threads), lines)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for request in sys.stdin:
        words = request.split()
        if words[0] == "vectors":
            np.save(words[1], model.embed(lines, 32))
            print(json.dumps({"saved": words[1]}), file=answers, flush=True)
            continue
        start = time.perf_counter()
        model.embed(lines, int(words[0]))
        print(json.dumps({"seconds": time.perf_counter() - start}), file=answers, flush=True)


main()
