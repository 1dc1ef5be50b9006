#!/usr/bin/env python3
"""Writes Tests/Fixtures/tokenizer-config-cases.json: small changes to tokenizer_config.json and its neighbours, and what
transformers makes of them. Then Tests/Fixtures/edited-vocabulary-cases.json: tokenizer.json files edited by hand, and what
tokenizers makes of those. Needs transformers. Usage, in the repository: Tools/make_tokenizer_config_cases.py
"""
import json
import pathlib
import tempfile

from tokenizers import Tokenizer
from transformers import AutoTokenizer
from transformers.utils import logging

logging.set_verbosity_error()
TINY = pathlib.Path('Tests/Fixtures/tokenizers')


def A(content, **flags):
    return {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": False, **flags}


CASES = [
 ("added decoder, left strip",'bytebpe',{"added_tokens_decoder":{"384":A("<tool>",lstrip=True)}},None,"a  <tool>b"),
 ("added decoder, single word",'bytebpe',{"added_tokens_decoder":{"384":A("yes",single_word=True)}},None,"yes yesterday yes"),
 ("added decoder, not contiguous",'bytebpe',{"added_tokens_decoder":{"390":A("<x>"),"388":A("<y>")}},None,"<x><y>"),
 ("named and extra",'bytebpe',{"eos_token":"<e>","pad_token":"<p>","additional_special_tokens":["<q>","<e>"]},None,"<p><e><q>"),
 ("named as object",'bytebpe',{"eos_token":{"__type":"AddedToken",**A("<e>",rstrip=True,special=True)}},None,"a<e>  b"),
 ("model specific",'bytebpe',{"image_token":"<img>"},None,"a<img>b"),
 ("extra dictionary",'bytebpe',{"extra_special_tokens":{"boi":"<boi>"}},None,"a<boi>b"),
 ("map beside no decoder",'bytebpe',{"eos_token":"<a>"},{"eos_token":"<b>"},"<a><b>"),
 ("map beside a decoder",'bytebpe',{"eos_token":"<a>","added_tokens_decoder":{"384":A("<z>")}},{"eos_token":"<b>"},"<a><b><z>"),
 ("adding the beginning does nothing",'bytebpe',{"bos_token":"<|bos|>","add_bos_token":True,"add_eos_token":True,"eos_token":"<|endoftext|>"},None,"hi"),
 ("special of a model's token",'bytebpe',{"eos_token":"th"},None,"the th"),
 ("llama, not legacy",'spbpe',{"tokenizer_class":"LlamaTokenizer","legacy":False,"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>"},None,"a<s> b </s>c"),
 ("llama, says nothing",'spbpe',{"tokenizer_class":"LlamaTokenizerFast"},None," a</s>b"),
 ("llama, no prefix",'spbpe',{"tokenizer_class":"LlamaTokenizer","add_prefix_space":False},None,"a b"),
 ("llama over a byte-level file",'bytebpe',{"tokenizer_class":"LlamaTokenizerFast","eos_token":"<|endoftext|>"},None,"a<s>b</s>"),
 ("upper case kept",'wordpiece',{"tokenizer_class":"BertTokenizer","do_lower_case":False},None,"The CAT, Éa 日本"),
 ("accents kept",'wordpiece',{"tokenizer_class":"BertTokenizerFast","do_lower_case":True,"strip_accents":False},None,"The CAT, Éa"),
 ("ideographs joined",'wordpiece',{"tokenizer_class":"BertTokenizer","tokenize_chinese_chars":False},None,"the 日本 x"),
 ("a space before the text",'bytebpe',{"tokenizer_class":"GPT2TokenizerFast","add_prefix_space":True},None,"the end"),
 ("normalized token",'spbpe',{"added_tokens_decoder":{"384":A("<ent>",normalized=True)}},None,"a <ent> b"),
]
out = []
for name, base, config, special_map, text in CASES:
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "tokenizer.json").write_bytes((TINY / base / "tokenizer.json").read_bytes())
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **config}
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        if special_map:
            (folder / "special_tokens_map.json").write_text(json.dumps(special_map))
        tokenizer = AutoTokenizer.from_pretrained(folder)
        ids = tokenizer(text).input_ids
        out.append(dict(
            name=name, tokenizer=base, config=config, map=special_map, text=text, ids=ids,
            decoded=tokenizer.decode(ids, skip_special_tokens=True), whole=tokenizer.decode(ids)))


def write(name, rows):
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    pathlib.Path("Tests/Fixtures", name).write_text(f"[\n{lines}\n]\n")


write("tokenizer-config-cases.json", out)

EDITS = [
    ("an id of the model's", [A("<x>") | {"id": 100}], {}, "a<x>b"),
    ("far beyond the end", [A("<x>") | {"id": 9000}], {}, "a<x>b"),
    ("the same id twice", [A("<x>") | {"id": 384}, A("<y>") | {"id": 384}], {}, "<x><y>"),
    ("a text twice", [A("<x>") | {"id": 384}, A("<x>", special=True) | {"id": 390}], {}, "a<x>b"),
    ("two tokens of one id", [], {"zz": 67}, "abzz"),
    ("a hole", [A("<x>") | {"id": 384}], {"qqq": 400}, "a<x>b"),
    ("normalized", [A("<x>", normalized=True) | {"id": 384}], {}, "a <x>b"),
    ("strips", [A("<x>", lstrip=True, rstrip=True) | {"id": 384}], {}, "a  <x>  b"),
]
rows = []
for name, added, vocabulary, text in EDITS:
    for base in ("bytebpe", "spbpe"):
        document = json.loads((TINY / base / "tokenizer.json").read_text())
        document["added_tokens"] += added
        document["model"]["vocab"] |= vocabulary
        tokenizer = Tokenizer.from_str(json.dumps(document))
        ids = tokenizer.encode(text).ids
        rows.append(dict(
            name=name, tokenizer=base, added=added, vocabulary=vocabulary, text=text, ids=ids,
            decoded=tokenizer.decode(ids), found={t["content"]: tokenizer.token_to_id(t["content"]) for t in added}))
write("edited-vocabulary-cases.json", rows)
