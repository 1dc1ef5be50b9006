#!/usr/bin/env python3
"""Trains a linear classifier on the vectors of `infer embed`, for `infer classify --head`.

    Tools/train_classifier_head.py --model MODEL --data SST-2_dev.tsv --head head.safetensors --test test.tsv

The examples (a table with the columns sentence and label) are divided by a seed: on one part a logistic regression with
an L2 penalty is fit by L-BFGS, chosen among some strengths by cross-validation; the other part is written to --test, for
`infer evaluate classify --head`. Needs numpy, scikit-learn and safetensors (PyPI). Prints scikit-learn's own confusion
matrix of the test part.
"""
import argparse
import csv
import json
import subprocess

import numpy
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from sklearn.model_selection import train_test_split


def embed(infer, model, texts):
    lines = "".join(text.replace("\n", " ") + "\n" for text in texts)
    result = subprocess.run(
        [infer, "embed", "--model", model, "--json", "--lines", "-"], input=lines, capture_output=True, text=True,
        check=True)
    return numpy.array(json.loads(result.stdout), dtype=numpy.float64)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--infer", default=".build/release/infer")
    parser.add_argument("--model", required=True, help="an embedder, such as all-MiniLM-L6-v2")
    parser.add_argument("--data", required=True, help="a table with sentence and label")
    parser.add_argument("--head", required=True, help="the safetensors file to write")
    parser.add_argument("--test", required=True, help="the table of the examples that are left out, to write")
    parser.add_argument("--test-share", type=float, default=0.4)
    parser.add_argument("--labels", default="negative,positive", help="names of the labels 0, 1, …")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    with open(arguments.data, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = [row["sentence"] for row in rows]
    labels = numpy.array([int(row["label"]) for row in rows])
    vectors = embed(arguments.infer, arguments.model, texts)
    train, test = train_test_split(
        numpy.arange(len(rows)), test_size=arguments.test_share, random_state=arguments.seed, stratify=labels)

    regression = LogisticRegressionCV(Cs=numpy.logspace(-1, 2, 7), cv=5, max_iter=1000, random_state=arguments.seed)
    regression.fit(vectors[train], labels[train])
    weight, bias = regression.coef_, regression.intercept_
    if len(weight) == 1:
        # A row a label: the softmax of (0, z) is the sigmoid of z.
        weight, bias = numpy.vstack([0 * weight, weight]), numpy.concatenate([0 * bias, bias])
    names = arguments.labels.split(",")
    assert len(names) == len(weight), f"{len(names)} names for {len(weight)} labels"
    save_file(
        {"weight": weight.astype(numpy.float32), "bias": bias.astype(numpy.float32)}, arguments.head,
        metadata={"labels": json.dumps(names), "task": "sequence-classification"})
    with open(arguments.test, "w", encoding="utf-8") as file:
        file.write("sentence\tlabel\n")
        for index in test:
            file.write(f"{texts[index]}\t{labels[index]}\n")

    answers = regression.predict(vectors[test])
    print(json.dumps({
        "train": len(train), "test": len(test), "C": float(numpy.ravel(regression.C_)[0]),
        "accuracy": accuracy_score(labels[test], answers), "f1_macro": f1_score(labels[test], answers, average="macro"),
        "confusion_matrix": confusion_matrix(labels[test], answers).tolist()}))


if __name__ == "__main__":
    main()
