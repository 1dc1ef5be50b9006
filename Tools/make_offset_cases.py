"""Where tokens come from, as Hugging Face's `tokenizers` says, for the tiny tokenizers of Tests/Fixtures/tokenizers.

usage: make_offset_cases.py > Tests/Fixtures/tokenizers/offsets.json
Needs the package `tokenizers`. Texts are made up here; windows are encodings with truncation and a stride.
"""
import json, os, tokenizers

here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "../Tests/Fixtures/tokenizers")
texts = [
    "Hello world", "  two  spaces ", "naïve café ÀÉ", "e\u0301a\u0308 cafe\u0301", "Straße İstanbul ΑΣ", "x\u0007y\tz\r\nq",
    "漢字とかな 日本", "한국어 \u1112\u1161\u11ab", "ﬁne ② ½ ㌔", "🙂 a👩‍👩‍👧b", "don't stop-now, (ok)!", "", " ", "a" * 120, "\u200bzero\ufeff",
    "<s>hello</s> [MASK] there", "unknown ŋʘ words ʘʘ", "▁under ▁▁bar", "line\n\nbreaks\n", "1234567 890", "résumé—naïve…",
]
pairs = [("what is it?", "It is a small café, in the town of Foo. Nobody knows why, though many ask."), ("a b c", "d")]

def plain(e):
    return {"ids": e.ids, "type_ids": e.type_ids, "offsets": [list(o) for o in e.offsets], "words": e.word_ids,
            "sequences": e.sequence_ids}

cases = []
for name in ["bytebpe", "llama3bpe", "spbpe", "unigram", "wordpiece"]:
    t = tokenizers.Tokenizer.from_file(os.path.join(folder, name, "tokenizer.json"))
    t.no_truncation(); t.no_padding()
    for text in texts: cases.append({"tokenizer": name, "text": text, "windows": [plain(t.encode(text))]})
    for a, b in pairs: cases.append({"tokenizer": name, "text": a, "pair": b, "windows": [plain(t.encode(a, b))]})
    for strategy, maximum, stride in [("longest_first", 12, 0), ("only_second", 24, 4), ("longest_first", 15, 0)]:
        for a, b in pairs:
            t.enable_truncation(maximum, stride=stride, strategy=strategy)
            try: e = t.encode(a, b)
            except Exception: e = None
            windows = None if e is None else [plain(e)] + ([plain(o) for o in e.overflowing] if stride else [])
            cases.append({"tokenizer": name, "text": a, "pair": b, "strategy": strategy, "maximum": maximum, "stride": stride,
                          "windows": windows})
        t.no_truncation()
print(json.dumps({"tokenizers": tokenizers.__version__, "cases": cases}, ensure_ascii=False))
