"""Trains the model that ships inside infer: a small GPT-2 on the public-domain Shakespeare text.

usage: train_bundled_model.py TEXT OUT_DIR MINUTES        (needs torch, transformers and tokenizers)

Writes a Hugging Face folder: config.json, generation_config.json, model.safetensors (BF16), tokenizer.json and
tokenizer_config.json. The files in Sources/BundledModel/bard came from 62 minutes on two CPU cores. A byte-level BPE
of 1,024 tokens is trained on the same text; the last 5 % of the text is held out; the best step on it is kept.
"""

import json
import math
import os
import shutil
import sys
import time

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel

TRAINING_FRACTION = 0.95
VOCABULARY_SIZE = 1024
CONTEXT_LENGTH = 512
DROPOUT = 0.15
# Most batches are 12 windows of 256 tokens; a quarter are 6 of 512, so that late positions are trained too.
WINDOW, BATCH = 256, 12
LONG_BATCH_SHARE = 0.25
PEAK_LEARNING_RATE, WARMUP_STEPS, FINAL_RATE_SHARE = 1.2e-3, 100, 0.05
STEPS_BETWEEN_EVALUATIONS = 250


def train_tokenizer(text, folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    tokenizer.save(folder + "/tokenizer.json")
    with open(folder + "/tokenizer_config.json", "w") as file:
        settings = {
            "tokenizer_class": "GPT2TokenizerFast",
            "bos_token": "<|endoftext|>",
            "eos_token": "<|endoftext|>",
            "model_max_length": CONTEXT_LENGTH,
        }
        json.dump(settings, file, indent=2)
    return tokenizer


def make_model(vocabulary_size):
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary_size,
            n_embd=192,
            n_layer=6,
            n_head=6,
            n_positions=CONTEXT_LENGTH,
            resid_pdrop=DROPOUT,
            embd_pdrop=DROPOUT,
            attn_pdrop=DROPOUT,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def random_batch(tokens):
    is_long = torch.rand(1).item() < LONG_BATCH_SHARE
    window, count = (CONTEXT_LENGTH, BATCH // 2) if is_long else (WINDOW, BATCH)
    starts = torch.randint(0, len(tokens) - window - 1, (count,))
    inputs = torch.stack([tokens[start : start + window] for start in starts])
    targets = torch.stack([tokens[start + 1 : start + window + 1] for start in starts])
    return inputs, targets


def loss_of(model, inputs, targets):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.transformer(inputs, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden)
    return torch.nn.functional.cross_entropy(logits.float().view(-1, logits.shape[-1]), targets.reshape(-1))


@torch.no_grad()
def held_out_loss(model, tokens):
    model.eval()
    losses = [
        float(loss_of(model, tokens[None, i : i + WINDOW], tokens[None, i + 1 : i + WINDOW + 1]))
        for i in range(0, len(tokens) - WINDOW - 1, WINDOW)
    ]
    model.train()
    return sum(losses) / len(losses)


def learning_rate(step, progress):
    cosine = 0.5 * (1 + math.cos(math.pi * progress))
    return PEAK_LEARNING_RATE * min(1, (step + 1) / WARMUP_STEPS) * (FINAL_RATE_SHARE + (1 - FINAL_RATE_SHARE) * cosine)


def train(model, training, held_out, characters_per_token, folder, minutes):
    """Trains for `minutes`, saves the best step, and returns its held-out loss in nats a token."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98))
    start, step, best = time.time(), 0, float("inf")
    model.train()
    while (progress := (time.time() - start) / (minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, progress)
        loss = loss_of(model, *random_batch(training))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % STEPS_BETWEEN_EVALUATIONS == 0:
            value = held_out_loss(model, held_out)
            print(f"step {step}: train {float(loss):.3f}, held out {value:.3f} nats/token "
                  f"= {value / characters_per_token:.3f} nats/character", flush=True)
            if value < best:
                best = value
                model.save_pretrained(folder)
    return best


def main():
    source, folder, minutes = sys.argv[1], sys.argv[2], float(sys.argv[3])
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(1616)
    torch.set_num_threads(2)
    with open(source, encoding="utf-8") as file:
        text = file.read()
    cut = int(len(text) * TRAINING_FRACTION)
    tokenizer = train_tokenizer(text[:cut], folder)
    # The end-of-text token opens the corpus, so that an empty prompt has a start.
    training = torch.tensor([0] + tokenizer.encode(text[:cut]).ids)
    held_out = torch.tensor(tokenizer.encode(text[cut:]).ids)
    model = make_model(tokenizer.get_vocab_size())
    best_folder = folder + "/best"
    best = train(model, training, held_out, (len(text) - cut) / len(held_out), best_folder, minutes)
    if not os.path.exists(best_folder):
        sys.exit("error: no evaluation was reached; give more MINUTES")
    final = GPT2LMHeadModel.from_pretrained(best_folder).to(torch.bfloat16)
    for key in ("resid_pdrop", "embd_pdrop", "attn_pdrop"):
        setattr(final.config, key, 0.0)
    final.save_pretrained(folder)
    shutil.rmtree(best_folder)
    print(f"best held-out loss {best:.3f} nats/token")


if __name__ == "__main__":
    main()
