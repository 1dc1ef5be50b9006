#!/usr/bin/env python3
"""Writes Tests/Fixtures/regression/expected.json: vectors, labels, and the coefficients that scikit-learn's
LogisticRegression and Ridge fit to them. Needs numpy and scikit-learn (PyPI).

Usage: make_regression_reference.py Tests/Fixtures/regression/expected.json
"""
import json
import sys

import numpy
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge


def main(path):
    random = numpy.random.default_rng(4)
    count, size = 60, 11
    vectors = random.normal(size=(count, size)).astype(numpy.float32)
    vectors[:, 3] = vectors[:, 2] * 0.9 + 0.1 * vectors[:, 3]  # nearly the same direction twice
    scores = vectors[:, :3] @ random.normal(size=(3, 4)) + 0.7 * random.normal(size=(count, 4))
    four = scores.argmax(axis=1)
    two = (scores[:, 0] > 0.2).astype(int)
    number = (vectors @ random.normal(size=size) + 3 + 0.3 * random.normal(size=count)).round(4)
    cases = []
    for answers, name in ((two, "two"), (four, "four")):
        for strength in (0.01, 1.0, 100.0):
            fit = LogisticRegression(C=strength, tol=1e-12, max_iter=100000).fit(vectors.astype(numpy.float64), answers)
            cases.append({
                "answers": name, "C": strength, "coef": fit.coef_.tolist(), "intercept": fit.intercept_.tolist()})
    lines = []
    for alpha in (0.0, 1.0, 50.0):
        model = LinearRegression() if alpha == 0 else Ridge(alpha=alpha, solver="cholesky")
        fit = model.fit(vectors.astype(numpy.float64), number)
        lines.append({"alpha": alpha, "coef": fit.coef_.tolist(), "intercept": float(fit.intercept_)})
    with open(path, "w") as file:
        json.dump({
            "vectors": [[float(v) for v in row] for row in vectors], "two": two.tolist(), "four": four.tolist(),
            "number": number.tolist(), "logistic": cases, "linear": lines}, file)
        file.write("\n")


main(sys.argv[1])
