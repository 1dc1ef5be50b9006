"""lm-eval's local-completions against a running server, on a task that lies here. Nothing is downloaded.

Its log-likelihoods are compared to what the model says by itself: the log-probabilities of the endings' tokens, computed
through `/completion` token by token.
"""

import json
import math
import os
import pathlib

import pytest
import requests

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")

URL = os.environ["INFER_URL"]
HERE = pathlib.Path(__file__).parent / "lm-eval"


def next_token(ids, wanted):
    """Log-probability of a token behind others, and whether it is the likeliest one: a single step, no prompt scored."""
    answer = requests.post(URL + "/completion", json={
        "prompt": ids, "n_predict": 1, "temperature": 0, "n_probs": 100, "logit_bias": [[wanted, 100.0]]}).json()
    entry = answer["completion_probabilities"][0]
    assert entry["id"] == wanted
    return entry["logprob"], entry["top_logprobs"][0]["id"] == wanted


def tokens(text):
    return requests.post(URL + "/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]


def test_multiple_choice(tmp_path):
    lm_eval = pytest.importorskip("lm_eval")
    pytest.importorskip("datasets")
    from lm_eval.tasks import TaskManager

    lines = HERE / "lines.jsonl"
    task = (HERE / "lines.yaml").read_text().replace("LINES_JSONL", json.dumps(str(lines)))
    (tmp_path / "lines.yaml").write_text(task)
    os.environ["HF_DATASETS_CACHE"] = str(tmp_path / "cache")
    result = lm_eval.simple_evaluate(
        model="local-completions",
        model_args={"model": "bard", "base_url": URL + "/v1/completions", "num_concurrent": 4, "max_length": 512},
        tasks=["lines"], task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
        bootstrap_iters=0, log_samples=True, cache_requests=False)
    docs = [json.loads(line) for line in lines.read_text().splitlines()]
    samples = {s["doc_id"]: s for s in result["samples"]["lines"]}
    assert len(samples) == len(docs)
    right = 0
    for i, doc in enumerate(docs):
        said = [r[0] if isinstance(r[0], (list, tuple)) else r for r in samples[i]["resps"]]
        values = [float(value) for value, _ in said]
        for ending, (value, is_greedy) in zip(doc["endings"], said):
            before, whole = tokens(doc["before"]), tokens(doc["before"] + ending)
            assert whole[:len(before)] == before
            steps = [next_token(whole[:k], whole[k]) for k in range(len(before), len(whole))]
            assert math.isclose(float(value), sum(s[0] for s in steps), abs_tol=1e-3), (doc["before"], ending)
            assert str(is_greedy) == str(all(s[1] for s in steps)), (doc["before"], ending)
        right += values.index(max(values)) == doc["answer"]
    assert math.isclose(result["results"]["lines"]["acc,none"], right / len(docs))
    assert right >= 4, "the model knows these lines"


def test_the_server_tokenizes_for_its_clients():
    info = requests.get(URL + "/tokenizer_info").json()
    assert info["eos_token"] == "<|endoftext|>" and info["vocab_size"] == 1024
    ids = tokens("To be, or not")
    assert requests.post(URL + "/detokenize", json={"tokens": ids}).json()["prompt"] == "To be, or not"
