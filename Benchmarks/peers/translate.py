"""Runs `bench translate` and CTranslate2 turn by turn on a random model of Marian's size and prints the ratio of each pair.

usage: translate.py --bench BINARY [--formats f32,int8] [--batches 1,32] [--beams 1,4] [--tokens 64] [--rounds 3]
                    [--threads 2] [--save FILE]

The model (6 + 6 layers of 512 features, 58,101 tokens) is made once, in INFER_PEERS. Every source has 32 tokens and every
target --tokens; both engines search with the same beams. A ratio over 1 means that infer is faster.
"""
import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time

CACHE = os.environ.get("INFER_PEERS") or os.path.expanduser("~/.cache/infer-bench-peers")
FOLDER = os.path.join(CACHE, "marian-random")
VOCABULARY = 58101


def make_model():
    if os.path.exists(os.path.join(FOLDER, "texts.txt")):
        return
    import torch
    from transformers import MarianConfig, MarianMTModel
    torch.manual_seed(7)
    config = MarianConfig(
        vocab_size=VOCABULARY, d_model=512, encoder_layers=6, decoder_layers=6, encoder_attention_heads=8,
        decoder_attention_heads=8, encoder_ffn_dim=2048, decoder_ffn_dim=2048, max_position_embeddings=512,
        activation_function="swish", scale_embedding=True, decoder_start_token_id=VOCABULARY - 1,
        pad_token_id=VOCABULARY - 1, eos_token_id=0, forced_eos_token_id=0, tie_word_embeddings=True)
    MarianMTModel(config).save_pretrained(FOLDER)
    words = ["</s>", "<unk>"] + [f"w{i}" for i in range(2, VOCABULARY - 1)] + ["<pad>"]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "decoder": None,
        "added_tokens": [
            {"id": words.index(name), "content": name, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True} for name in ("</s>", "<unk>", "<pad>")],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}},
                                                     {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [0], "tokens": ["</s>"]}}},
        "model": {"type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": {word: i for i, word in enumerate(words)}}}
    with open(os.path.join(FOLDER, "tokenizer.json"), "w") as file:
        json.dump(tokenizer, file)
    with open(os.path.join(FOLDER, "tokenizer_config.json"), "w") as file:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "</s>", "unk_token": "<unk>",
                   "pad_token": "<pad>"}, file)
    # CTranslate2's converter reads Marian's vocabulary under this name.
    with open(os.path.join(FOLDER, "vocab.json"), "w") as file:
        json.dump({word: i for i, word in enumerate(words)}, file)
    draw = random.Random(11)
    with open(os.path.join(FOLDER, "texts.txt"), "w") as file:
        for _ in range(64):
            file.write(" ".join(f"w{draw.randrange(2, VOCABULARY - 1)}" for _ in range(31)) + "\n")


def converted():
    """The model in CTranslate2's format; its tokens are the words of the tokenizer above."""
    import ctranslate2
    folder = FOLDER + "-ct2"
    if not os.path.exists(os.path.join(folder, "model.bin")):
        from ctranslate2.converters import transformers as loaders

        class Words:
            """Stands in for Marian's tokenizer, which wants SentencePiece models."""
            def __init__(self):
                with open(os.path.join(FOLDER, "vocab.json")) as file:
                    self.encoder = json.load(file)
                self.eos_token, self.unk_token, self.pad_token = "</s>", "<unk>", "<pad>"
                self.bos_token = None

            def get_vocab(self):
                return self.encoder

        converter = ctranslate2.converters.TransformersConverter(FOLDER)
        converter.load_tokenizer = lambda *_, **__: Words()
        converter.convert(folder, force=True)
    return folder


class Peer:
    def __init__(self, form, threads):
        import ctranslate2
        self.model = ctranslate2.Translator(
            converted(), device="cpu", inter_threads=1, intra_threads=threads,
            compute_type={"f32": "float32", "int8": "int8_float32"}[form])

    def seconds(self, texts, beams, tokens):
        sources = [text.split() + ["</s>"] for text in texts]
        start = time.perf_counter()
        self.model.translate_batch(sources, beam_size=beams, max_decoding_length=tokens, min_decoding_length=tokens,
                                   max_batch_size=0, return_scores=beams > 1)
        return time.perf_counter() - start


def own_seconds(options, form, batch, beams):
    dtype = {"f32": "float32", "int8": "int8"}[form]
    command = [options.bench, "translate", "--model", FOLDER, "--device", "cpu", "--dtype", dtype, "--texts",
               os.path.join(FOLDER, "texts.txt"), "--batch", str(batch), "--beams", str(beams), "--tokens",
               str(options.tokens), "-r", "1", "-t", str(options.threads), "-o", "jsonl"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(result.stderr.strip())
    return json.loads(result.stdout.strip().splitlines()[-1])["seconds"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", required=True)
    parser.add_argument("--formats", default="f32,int8")
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--beams", default="1,4")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save")
    options = parser.parse_args()
    make_model()
    with open(os.path.join(FOLDER, "texts.txt")) as file:
        texts = [line.strip() for line in file]
    print("| format | texts | beams | infer t/s | CTranslate2 t/s | ratio |\n|---|---|---|---|---|---|")
    for form in options.formats.split(","):
        peer = Peer(form, options.threads)
        for batch in map(int, options.batches.split(",")):
            for beams in map(int, options.beams.split(",")):
                peer.seconds(texts[:batch], beams, options.tokens)
                pairs = [(own_seconds(options, form, batch, beams),
                          peer.seconds(texts[:batch], beams, options.tokens)) for _ in range(options.rounds)]
                own, other = (statistics.median(side) for side in zip(*pairs))
                ratios = sorted(b / a for a, b in pairs)
                count = batch * options.tokens
                print(f"| {form} | {batch} | {beams} | {count / own:.1f} | {count / other:.1f} | "
                      f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |", flush=True)
                if options.save:
                    with open(options.save, "a") as file:
                        file.write(json.dumps({"suite": "translate", "peer": "ctranslate2", "format": form,
                                               "texts": batch, "beams": beams, "pairs": pairs}) + "\n")


main()
