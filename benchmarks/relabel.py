"""Labels in doubt on real label noise: AG News with the labels of crowd workers, of which about 20 % are wrong.

    python -m benchmarks.relabel AG_NEWS.parquet [--labels 6000] [--seeds 5]

AG_NEWS has id, text, label (the truth), human_label (a worker's, by number) and split. Printed first: how many of the labels most in doubt
(`select --relabel`) of the whole training split are wrong, and of those that come first by the margin alone, in doubt or not; a seed draws
the folds. Then each seed draws rows whose crowd labels are paid for, the rest of the split being the pool, and the accuracy on the
test split, against the truth, is that after so many more answers: to labels asked again, or to new rows, at random or by margin. Answers
are those of an expert, who is always right, or of the crowd: of a new row its worker's, of a row that is asked again another worker's,
drawn from the workers' confusion of the true class. Means over the seeds with 95 % intervals (Student's t).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import t

from altool.classifiers.logistic import fit
from altool.metrics import doubt
from altool.models import folds

CLASSES = ("World", "Sports", "Business", "Sci/Tech")  # in the order of human_label
FIRST = (100, 250, 500, 1000)
BUDGETS = (100, 250, 500, 1000)


def embedded(path: Path) -> np.ndarray:
    """float32 (n, 256): the texts by `altool embed`, in file order."""
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/features.parquet"
        command = ["embed", "--items", str(path), "--backbone", "hashing", "-o", output, "--quiet"]
        subprocess.run([sys.executable, "-m", "altool", *command], check=True)
        table = pq.read_table(output)
        ids = pq.read_table(path, columns=["id"]).column("id").to_pylist()
        place = {id_: row for row, id_ in enumerate(table.column("id").to_pylist())}
        return np.stack(table.column("features").to_numpy())[[place[id_] for id_ in ids]]


def probabilities(x: np.ndarray, y: np.ndarray, of: np.ndarray, seed: int) -> np.ndarray:
    return fit(x, y, len(CLASSES), seed=seed)[0].probabilities(of)


def ranked(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The labels in doubt, most first; and all labels by the margin alone."""
    found = folds.predict(x, y, folds.assign(y, 5, seed), lambda a, b: fit(a, b, len(CLASSES), seed=seed)[0].probabilities)
    mine, margin = doubt.margins(found, y)
    order = np.argsort(-margin, kind="stable")
    return order[mine[order]], order


def another_worker(draw: np.random.Generator, truth: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """int64 (n,): what another worker says of rows of these classes; `confusion` (K, K) are the shares of answers by true class."""
    return (draw.random(len(truth))[:, None] > confusion[truth].cumsum(axis=1)[:, :-1]).sum(axis=1)


def told(values: list[float]) -> str:
    """The mean in percent, or in points, with its interval."""
    mean, half = np.mean(values), t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{100 * mean:.2f} [{100 * (mean - half):.2f}, {100 * (mean + half):.2f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, metavar="AG_NEWS.parquet")
    parser.add_argument("--labels", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    table = pq.read_table(options.table)
    x = embedded(options.table)
    truth = np.array([CLASSES.index(name) for name in table.column("label").to_pylist()])
    crowd = table.column("human_label").to_numpy()
    train = np.array([split == "train" for split in table.column("split").to_pylist()])
    test, rows = np.flatnonzero(~train), np.flatnonzero(train)
    confusion = np.zeros((len(CLASSES), len(CLASSES)))
    np.add.at(confusion, (truth[rows], crowd[rows]), 1)
    confusion /= confusion.sum(axis=1, keepdims=True)
    precision: dict[str, list[float]] = {}
    gained: dict[str, list[float]] = {}
    for seed in range(options.seeds):
        wrong = crowd[rows] != truth[rows]
        doubts, order = ranked(x[rows], crowd[rows], seed)
        precision.setdefault("wrong labels, all", []).append(float(wrong.mean()))
        precision.setdefault("labels in doubt, share of all", []).append(len(doubts) / len(rows))
        precision.setdefault("wrong labels in doubt, share of all wrong ones", []).append(float(wrong[doubts].sum() / wrong.sum()))
        precision.setdefault("wrong of the labels in doubt", []).append(float(wrong[doubts].mean()))
        for first in FIRST:
            if first <= len(doubts):
                precision.setdefault(f"wrong of the first {first:,} in doubt", []).append(float(wrong[doubts[:first]].mean()))
            precision.setdefault(f"wrong of the first {first:,} by margin alone", []).append(float(wrong[order[:first]].mean()))

        draw = np.random.default_rng(seed)
        mixed = draw.permutation(rows)
        own, pool = np.sort(mixed[: options.labels]), np.sort(mixed[options.labels :])
        doubts, order = ranked(x[own], crowd[own], seed)

        def accuracy(which: np.ndarray, labels: np.ndarray, seed: int = seed) -> float:
            return float((probabilities(x[which], labels, x[test], seed).argmax(axis=1) == truth[test]).mean())

        base = accuracy(own, crowd[own])
        gained.setdefault("accuracy before", []).append(base)
        gained.setdefault("accuracy if all labels were right", []).append(accuracy(own, truth[own]))
        gained.setdefault("labels in doubt, share of all", []).append(len(doubts) / len(own))
        likely = np.sort(probabilities(x[own], crowd[own], x[pool], seed), axis=1)
        close = np.argsort(likely[:, -1] - likely[:, -2], kind="stable")
        for budget in BUDGETS:
            again = {"in doubt": doubts[:budget], "by margin alone": order[:budget]}
            new = {"at random": draw.permutation(pool)[:budget], "by margin": pool[close[:budget]]}
            for who in ("crowd", "expert"):
                for how, places in again.items():
                    if len(places) == budget:
                        labels = crowd[own].copy()
                        asked = truth[own[places]]
                        labels[places] = asked if who == "expert" else another_worker(draw, asked, confusion)
                        gained.setdefault(f"{who}, {budget:,} asked again, {how}: points", []).append(accuracy(own, labels) - base)
                for how, chosen in new.items():
                    labels = np.concatenate([crowd[own], (truth if who == "expert" else crowd)[chosen]])
                    found = accuracy(np.concatenate([own, chosen]), labels)
                    gained.setdefault(f"{who}, {budget:,} new rows, {how}: points", []).append(found - base)
        print(f"seed {seed} done", file=sys.stderr, flush=True)
    for name, values in (*precision.items(), *gained.items()):
        print(f"{name} {told(values)}{'' if len(values) == options.seeds else f' ({len(values)} seeds)'}")


if __name__ == "__main__":
    main()
