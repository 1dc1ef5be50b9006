"""Cases of tokenizers without a tokenizer.json, as transformers 5 makes them, for Tests/Fixtures/tokenizer-files.

SentencePiece models are trained here on a small text; vocab.json, merges.txt and vocab.txt come from the tiny tokenizers.
Usage: make_tokenizer_file_cases.py OUT_FOLDER [TEXT_FILE]
"""
import base64, io, json, os, random, shutil, sys, tempfile, warnings

warnings.filterwarnings("ignore")
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import sentencepiece as spm
from transformers import AutoTokenizer

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
random.seed(7)
words = ("the of and to in a is that for it was on are as with his they I at be this have from or one had by word but not "
         "what all were we when your can said there use an each which she do how their if will up other about out many "
         "then them these so some her would make like him into time has look two more write go see number no way could "
         "people my than first water been call who oil its now find long down day did get come made may part 12 345 "
         "café naïve über straße 東京 日本 привет мир").split()
sentences = [" ".join(random.choices(words, k=random.randint(3, 14))).capitalize() + random.choice(".!?,;") for _ in range(4000)]
if len(sys.argv) > 2:
    sentences = open(sys.argv[2], encoding="utf-8").read().split("\n")[:4000]

rules = os.path.join(tempfile.mkdtemp(), "rules.tsv")
with open(rules, "w") as file:  # a small map: ligatures, full-width letters, a decomposed letter, a tab to a space
    rows = [("FB01", "66 69"), ("FF21", "41"), ("FF42", "62"), ("65 301", "E9"), ("9", "20"), ("A0", "20"), ("2126", "3A9"),
            ("AD", ""), ("3000", "20")]
    file.write("".join(f"{a}\t{b}\n" for a, b in rows))


def train(name, **options):
    buffer = io.BytesIO()
    standard = dict(vocab_size=400, character_coverage=1.0, hard_vocab_limit=False, minloglevel=2, num_threads=1,
                    normalization_rule_name="identity")
    if options.pop("mapped", False):
        standard.pop("normalization_rule_name")
        standard["normalization_rule_tsv"] = rules
    standard.update(options)
    spm.SentencePieceTrainer.train(sentence_iterator=iter(sentences), model_writer=buffer, **standard)
    return buffer.getvalue()


models = {
    "bpe-llama": train("a", model_type="bpe", byte_fallback=True, user_defined_symbols=["<sep>", "<|im_start|>"],
                       remove_extra_whitespaces=False, split_digits=True, allow_whitespace_only_pieces=True, vocab_size=600),
    "bpe-gemma": train("b", model_type="bpe", byte_fallback=True, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
                       bos_piece="<bos>", eos_piece="<eos>", user_defined_symbols=["<mask>", "\n", "\t", "▁▁", "▁▁▁"],
                       add_dummy_prefix=False, remove_extra_whitespaces=False, vocab_size=600),
    "bpe-plain": train("c", model_type="bpe", mapped=True, character_coverage=0.99),
    "bpe-user": train("d", model_type="bpe", user_defined_symbols=["wat", "the t", "a.b", "<x>"], control_symbols=["<c>"],
                      byte_fallback=True),
    "unigram": train("e", model_type="unigram", mapped=True, pad_id=0, eos_id=1, unk_id=2, bos_id=-1),
    "unigram-xlmr": train("f", model_type="unigram", mapped=True, unk_id=0, bos_id=1, eos_id=2),
    "unigram-byte": train("g", model_type="unigram", byte_fallback=True, user_defined_symbols=["<sep>", "wat"]),
    "unigram-albert": train("h", model_type="unigram", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1,
                            control_symbols=["[CLS]", "[SEP]", "[MASK]"]),
}

llama = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
spm_cases = [
    ("llama", "bpe-llama", "llama", {**llama, "add_bos_token": True, "add_eos_token": False, "legacy": False}),
    ("llama-legacy", "bpe-llama", "llama", {**llama, "add_bos_token": True, "legacy": True}),
    ("llama-no-flags", "bpe-llama", "llama", llama),
    ("llama-eos", "bpe-llama", "llama", {**llama, "add_bos_token": True, "add_eos_token": True}),
    ("llama-no-prefix", "bpe-llama", "llama", {**llama, "add_prefix_space": False}),
    ("llama-added", "bpe-llama", "llama", {**llama, "add_bos_token": True, "added_tokens_decoder": {
        "0": {"content": "<unk>", "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False},
        "600": {"content": "<|new|>", "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}}}),
    ("llama-no-config", "bpe-llama", "llama", None),
    ("mistral", "bpe-llama", "mistral", {**llama, "add_bos_token": True, "legacy": False}),
    ("mistral-legacy", "bpe-llama", "mistral", {**llama, "add_bos_token": True}),
    ("internlm", "bpe-user", "internlm2", {"tokenizer_class": "InternLM2Tokenizer", "add_bos_token": True}),
    ("code-llama", "bpe-llama", "llama", {"tokenizer_class": "CodeLlamaTokenizer"}),
    ("gemma", "bpe-gemma", "gemma", {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True, "add_eos_token": False}),
    ("gemma-no-config", "bpe-gemma", "gemma2", None),
    ("plain", "bpe-plain", "llama", None),
    ("user", "bpe-user", "llama", None),
    ("user-llama", "bpe-user", "llama", llama),
    ("renamed", "bpe-user", "llama", {"added_tokens_decoder": {
        "5": {"content": "<|tool|>", "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}}}),
    ("t5", "unigram", "t5", {"tokenizer_class": "T5Tokenizer", "extra_ids": 100}),
    ("t5-no-config", "unigram", "t5", None),
    ("t5-ten", "unigram", "t5", {"tokenizer_class": "T5Tokenizer", "extra_ids": 10}),
    ("xlmr", "unigram-xlmr", "xlm-roberta", {"tokenizer_class": "XLMRobertaTokenizer"}),
    ("camembert", "unigram-xlmr", "camembert", {"tokenizer_class": "CamembertTokenizer"}),
    ("albert", "unigram-albert", "albert", {"tokenizer_class": "AlbertTokenizer"}),
    ("albert-cased", "unigram-albert", "albert", {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True}),
    ("deberta", "unigram-albert", "deberta-v2", {"tokenizer_class": "DebertaV2Tokenizer"}),
    ("deberta-split", "unigram-albert", "deberta-v2", {"tokenizer_class": "DebertaV2Tokenizer", "split_by_punct": True, "do_lower_case": True}),
    ("pegasus", "unigram", "pegasus", {"tokenizer_class": "PegasusTokenizer"}),
    ("byte", "unigram-byte", "llama", None),
    ("byte-new", "unigram-byte", "llama", {"legacy": False}),
]

base = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Tests/Fixtures/tokenizers")
if not os.path.exists(base + "/bytebpe"):
    base = "/work/shared/reference/tokenizers/tiny"


def read(name):
    path = f"{base}/{name}/tokenizer.json"
    return json.load(open(path))["model"]


def pair_files(model):
    merges = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
    return {"vocab.json": json.dumps(model["vocab"], ensure_ascii=False), "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n"}


pairs = pair_files(read("bytebpe"))
roberta = dict(pairs)
vocab = json.loads(pairs["vocab.json"])
for token in ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]:
    vocab.setdefault(token, len(vocab))
roberta["vocab.json"] = json.dumps(vocab)
words = sorted(read("wordpiece")["vocab"].items(), key=lambda item: item[1])
lines = {"vocab.txt": "\n".join(token for token, _ in words) + "\n"}
file_cases = [
    ("gpt2", pairs, "gpt2", {"tokenizer_class": "GPT2Tokenizer"}),
    ("gpt2-no-config", pairs, "gpt2", None),
    ("gpt2-prefix", pairs, "gpt2", {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}),
    ("opt", roberta, "opt", {"tokenizer_class": "GPT2Tokenizer", "bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>", "add_bos_token": True}),
    ("gptj", pairs, "gptj", {"tokenizer_class": "GPT2Tokenizer"}),
    ("qwen2", pairs, "qwen2", {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "bos_token": None, "pad_token": "<|endoftext|>",
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}),
    ("qwen3-no-config", pairs, "qwen3", None),
    ("roberta", roberta, "roberta", {"tokenizer_class": "RobertaTokenizer"}),
    ("bart", roberta, "bart", {"tokenizer_class": "BartTokenizer"}),
    ("bart-no-config", roberta, "bart", None),
    ("neox", pairs, "gpt_neox", {"tokenizer_class": "GPTNeoXTokenizer"}),
    ("bert", lines, "bert", {"tokenizer_class": "BertTokenizer", "do_lower_case": True}),
    ("bert-cased", lines, "bert", {"tokenizer_class": "BertTokenizer", "do_lower_case": False}),
    ("bert-no-config", lines, "bert", None),
    ("bert-accents", lines, "bert", {"do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False}),
    ("distilbert", lines, "distilbert", {"tokenizer_class": "DistilBertTokenizer"}),
]

texts = [
    "Hello the water people.", " leading space", "two  spaces   three", "trailing  ", "", " ", "   ", "\n", "a\n\nb\tc",
    "<s>hello</s> <sep>x<sep> y", "the time <|im_start|>user\nwater<|im_end|>", "café cafe\u0301 naïve über STRASSE", "東京 日本 привет мир",
    "👩‍👩‍👧 🙂 zalgo z̴̡", "ﬁnd ＡＢb\u00a0x\u3000y\u00adz Ω", "12345 345.67", "wat water the two a.b axb <x><c>", "▁the ▁", "``quoted'' \"x\"",
    "<extra_id_0> and <extra_id_99> <mask> [MASK] [CLS]", "\u0000\u0007\ufffd\ufeff", "the\u2581time", "<|endoftext|>x<pad>", "<0x41> <0x0A>",
    "don't I'll we've", "x" * 70, "<|new|> <|tool|> <PRE> ▁<PRE>",
]


def answers(files, config, model_type):
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            with open(f"{folder}/{name}", "wb" if isinstance(content, bytes) else "w") as file:
                file.write(content)
        json.dump({"model_type": model_type}, open(f"{folder}/config.json", "w"))
        if config is not None:
            json.dump(config, open(f"{folder}/tokenizer_config.json", "w"))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        rows = []
        for text in texts:
            ids = tokenizer(text)["input_ids"]
            plain = tokenizer(text, add_special_tokens=False)["input_ids"]
            rows.append({"text": text, "ids": ids, "plain": plain,
                         "decoded": tokenizer._tokenizer.decode(ids, skip_special_tokens=True),
                         "whole": tokenizer._tokenizer.decode(ids, skip_special_tokens=False)})
        pair = tokenizer("the water", "a time")["input_ids"]
        return {"class": type(tokenizer).__name__, "rows": rows, "pair": pair,
                "eos": tokenizer.eos_token_id, "bos": tokenizer.bos_token_id}


names = {"t5": "spiece.model", "albert": "spiece.model", "pegasus": "spiece.model", "xlm-roberta": "sentencepiece.bpe.model",
         "camembert": "sentencepiece.bpe.model", "deberta-v2": "spm.model"}
for key, data in models.items():
    open(f"{out}/{key}.model", "wb").write(data)
cases = []
for name, model, model_type, config in spm_cases:
    file = names.get(model_type, "tokenizer.model")
    try:
        answer = answers({file: models[model]}, config, model_type)
    except Exception as error:
        print("left out", name, repr(error)[:200])
        continue
    cases.append({"name": name, "model": model, "file": file, "model_type": model_type, "config": config, **answer})
for name, files, model_type, config in file_cases:
    try:
        answer = answers(files, config, model_type)
    except Exception as error:
        print("left out", name, repr(error)[:200])
        continue
    source = "wordpiece" if "vocab.txt" in files else "bytebpe"
    cases.append({"name": name, "tokenizer": source, "extra": list(vocab)[len(json.loads(pairs["vocab.json"])):] if files is roberta else [],
                  "model_type": model_type, "config": config, **answer})
json.dump(cases, open(f"{out}/cases.json", "w"), ensure_ascii=False)
print(len(cases), "cases;", {key: len(data) for key, data in models.items()})
