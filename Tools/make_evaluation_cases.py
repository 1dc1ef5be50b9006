#!/usr/bin/env python3
"""Makes Tests/Fixtures/evaluation/cases.json: measures as scikit-learn, seqeval, scipy and sacrebleu give them."""
import json
import random
import sys

import numpy
from sacrebleu.metrics import BLEU, CHRF
from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import f1_score as entity_f1, precision_score as entity_precision, recall_score as entity_recall
from seqeval.metrics import accuracy_score as tag_accuracy
from sklearn.metrics import (
    accuracy_score, confusion_matrix, f1_score, hamming_loss, matthews_corrcoef, precision_score, recall_score)

random.seed(5)
rng = numpy.random.default_rng(5)


def averages(truth, answer):
    result = {}
    for name, function in [("precision", precision_score), ("recall", recall_score), ("f1", f1_score)]:
        for average in ["micro", "macro", "weighted"]:
            result[f"{name}_{average}"] = function(truth, answer, average=average, zero_division=0)
    return result


def classification():
    cases = []
    for labels, count in [(2, 40), (4, 60), (5, 12), (3, 1)]:
        truth = rng.integers(0, labels, count)
        # The last label is never answered, and may not occur either.
        answer = numpy.where(rng.random(count) < 0.6, truth, rng.integers(0, max(labels - 1, 1), count))
        measures = {"accuracy": accuracy_score(truth, answer), **averages(truth, answer),
                    "matthews_correlation": matthews_corrcoef(truth, answer)}
        cases.append({"labels": labels, "truth": truth.tolist(), "answer": answer.tolist(), "measures": measures,
                      "matrix": confusion_matrix(truth, answer, labels=range(labels)).tolist()})
    return cases


def multi_label():
    truth = rng.integers(0, 2, (20, 4))
    answer = numpy.where(rng.random((20, 4)) < 0.7, truth, 1 - truth)
    answer[:, 3] = 0
    truth[:, 3] = 0
    return [{"truth": truth.tolist(), "answer": answer.tolist(),
             "measures": {"accuracy": accuracy_score(truth, answer), "hamming_loss": hamming_loss(truth, answer),
                          **averages(truth, answer)}}]


def entities():
    cases = []
    tags = ["O", "O", "O", "B-PER", "I-PER", "B-LOC", "I-LOC", "E-LOC", "S-ORG", "B-X-Y", "I-X-Y", "B", "I"]
    for _ in range(6):
        truth = [[random.choice(tags) for _ in range(random.randint(1, 9))] for _ in range(8)]
        answer = [[tag if random.random() < 0.7 else random.choice(tags) for tag in row] for row in truth]
        measures = {"accuracy": tag_accuracy(truth, answer)}
        for name, function in [("precision", entity_precision), ("recall", entity_recall), ("f1", entity_f1)]:
            for average in ["micro", "macro", "weighted"]:
                measures[f"{name}_{average}"] = float(function(truth, answer, average=average, zero_division=0))
        cases.append({"truth": truth, "answer": answer, "measures": measures})
    return cases


def answers():
    """SQuAD's own script, version 2."""
    import collections
    import re
    import string

    def normalize(text):
        text = "".join(ch for ch in text.lower() if ch not in set(string.punctuation))
        return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text).split())

    def f1(gold, answer):
        gold, answer = normalize(gold).split(), normalize(answer).split()
        same = sum((collections.Counter(gold) & collections.Counter(answer)).values())
        if not gold or not answer:
            return float(gold == answer)
        if same == 0:
            return 0.0
        precision, recall = same / len(answer), same / len(gold)
        return 2 * precision * recall / (precision + recall)

    pairs = [
        ("The Eiffel Tower", ["Eiffel Tower", "the tower"]), ("in 1,889.5", ["1889.5"]), ("", []), ("something", []),
        ("", ["the"]), ("a – b", ["b"]), ("an-the a.n", ["the"]), ("Ünï Ärger!", ["ünï  ärger"]),
        ("x the\ty", ["x y"]), ("theatre a", ["theatre"]), ("日本 the 東京", ["日本 東京"]), ("a_b an_", ["ab"]),
        ("one two two three", ["two two four", "three"]), ("a\u0301 b", ["b"]),
    ]
    cases = []
    for answer, golds in pairs:
        wanted = [gold for gold in golds if normalize(gold)] or [""]
        cases.append({"answer": answer, "golds": golds,
                      "exact": max(int(normalize(gold) == normalize(answer)) for gold in wanted),
                      "f1": max(f1(gold, answer) for gold in wanted)})
    return cases


def correlations():
    first = numpy.round(rng.normal(size=30), 1)
    second = numpy.round(first + rng.normal(size=30), 0)
    return [{"first": first.tolist(), "second": second.tolist(), "pearson": pearsonr(first, second)[0],
             "spearman": spearmanr(first, second)[0]}]


def translations():
    texts = [
        "The cat sat on the mat.", "It costs $1,234.56 (about 10% more) - really?", "He said: \"no, thanks\"; then left.",
        "a-b c-1 2-3 x.y 1.2.3, 4,5 .6 7.", "Übergröße naïve café", "日本語の文章です。", "", "one", "&quot;Tom &amp; Jerry&quot; <skipped>end",
        "the the the the", "well-\nknown  two\tspaces ", "1990s-style (U.S.A.) co-op's 50%/50%",
    ]
    references = [
        ["The cat is on the mat.", "A cat sat on the mat ."], ["It costs $1,234.56, about 10 % more - truly?"],
        ["He said “no thanks” and left."], ["a-b c-1 2-3 x.y 1.2.3, 4,5 .6 7."], ["Übergrößen naive Café"],
        ["日本語の文です。"], ["something"], ["one two three four five"], ["\"Tom & Jerry\" end"], ["the cat the"],
        ["wellknown two spaces"], ["1990s style (U.S.A.) co-op's 50%/50%", "other"],
    ]
    cases = []
    for indices in [range(len(texts)), [0], [3], [6], [7], [9, 10, 11], [5, 4]]:
        own, refs = [texts[i] for i in indices], [references[i] for i in indices]
        width = max(len(ref) for ref in refs)
        columns = [[ref[k] if k < len(ref) else None for ref in refs] for k in range(width)]
        measures = {name: metric.corpus_score(own, columns).score for name, metric in [
            ("bleu", BLEU()), ("bleu_char", BLEU(tokenize="char")), ("bleu_none", BLEU(tokenize="none", force=True)),
            ("chrf", CHRF()), ("chrf++", CHRF(word_order=2))]}
        cases.append({"texts": own, "references": refs, "measures": measures})
    return cases


cases = {"classification": classification(), "multi_label": multi_label(), "entities": entities(), "answers": answers(),
         "correlations": correlations(), "translations": translations()}
path = sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/evaluation/cases.json"
with open(path, "w", encoding="utf-8") as file:
    json.dump(cases, file, ensure_ascii=True, separators=(",", ":"))
    file.write("\n")
