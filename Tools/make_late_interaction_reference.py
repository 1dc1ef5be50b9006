"""Tiny models of late interaction with the token vectors that PyLate computes for them in float64.

    pip install pylate==1.6.0 && python3 Tools/make_late_interaction_reference.py Tests/Fixtures/tasks

Writes `late-interaction` (as PyLate saves models), `late-interaction-seen` (tokens see a query's mask tokens),
`late-interaction-original` (a checkpoint of the original ColBERT) and `late-interaction-cases.json`.
"""

import json
import os
import shutil
import sys

import torch
from pylate import models
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, BertTokenizerFast

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]", *",.?!", "the", "cat", "dog", "sat",
         "on", "mat", "where", "is", "a", "##s", "##t", "##e", "c", "m"]
TEXTS = ["where is the cat?", "The cat sat on a mat, the dog!", "dogs", "Unknown words, mats.", " a  "]


def base(folder, seed):
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/vocab.txt", "w") as file:
        file.write("\n".join(WORDS) + "\n")
    tokenizer = BertTokenizerFast(vocab=f"{folder}/vocab.txt", do_lower_case=True, model_max_length=64)
    torch.manual_seed(seed)
    model = BertModel(BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=64, initializer_range=0.4))
    return tokenizer, model


def cases(folder, name, texts=TEXTS):
    model = models.ColBERT(folder, device="cpu").to(torch.float64)
    for role in ["query", "document"]:
        for text in texts:
            vectors = model.encode([text], is_query=role == "query", convert_to_numpy=True)[0]
            rounded = [[round(number, 9) for number in vector] for vector in vectors.tolist()]
            yield {"command": "embed", "model": name, "expected": {"colbert": rounded},
                   "arguments": ["--outputs", "colbert", "--prompt-name", role, text]}


def main(target):
    found = []
    for name, sees, seed in [("late-interaction", False, 1), ("late-interaction-seen", True, 2)]:
        scratch, folder = f"{target}/scratch", f"{target}/{name}"
        tokenizer, model = base(scratch, seed)
        tokenizer.save_pretrained(scratch)
        model.save_pretrained(scratch)
        torch.manual_seed(seed + 10)
        colbert = models.ColBERT(
            scratch, embedding_size=8, query_length=12, document_length=14, attend_to_expansion_tokens=sees, bias=sees,
            device="cpu")
        shutil.rmtree(folder, ignore_errors=True)
        colbert.save_pretrained(folder)
        shutil.rmtree(scratch)
        if os.path.exists(f"{folder}/README.md"):
            os.remove(f"{folder}/README.md")
        found += cases(folder, name)
    folder = f"{target}/late-interaction-original"
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer, model = base(folder, 3)
    tokenizer.save_pretrained(folder)
    config = model.config.to_dict()
    config.update(architectures=["HF_ColBERT"], model_type="bert")
    with open(f"{folder}/config.json", "w") as file:
        json.dump(config, file, indent=1)
    tensors = {f"bert.{key}": value for key, value in model.state_dict().items() if value.is_floating_point()}
    tensors["linear.weight"] = torch.randn(6, 16) / 4
    save_file({key: value.contiguous() for key, value in tensors.items()}, f"{folder}/model.safetensors",
              metadata={"format": "pt"})
    with open(f"{folder}/artifact.metadata", "w") as file:
        json.dump({"query_maxlen": 10, "doc_maxlen": 16, "attend_to_mask_tokens": False, "mask_punctuation": True,
                   "query_token_id": "[unused0]", "doc_token_id": "[unused1]", "dim": 6, "similarity": "cosine"}, file)
    found += cases(folder, "late-interaction-original")
    os.remove(f"{folder}/vocab.txt")
    with open(f"{target}/late-interaction-cases.json", "w") as file:
        json.dump({"cases": found}, file)


if __name__ == "__main__":
    main(sys.argv[1])
