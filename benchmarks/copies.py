"""Finds what was planted: `python -m benchmarks.copies FOLDER [ROWS]` makes features of 200,000 rows x 512, of which 28 % are copies (in
groups of four, half of them exact, half with noise, cosine 0.985 and more) and 5 % of the labels are wrong; then it runs `altool check` on
them, and `altool select` with `--unique` and without, each as a process of its own, and prints what they found and took.

The rows are those of `benchmarks.pools`. The out-of-fold predictions are those of a linear discriminant, five folds, learned from the
labels as they are, wrong ones too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.pools import WIDTH, clusters, rows_of

CLASSES, COPIES, WRONG, FOLDS = 100, 0.28, 0.05, 5


def plant(folder: Path, rows: int) -> None:
    """Writes features, labels, oof, predictions and planted (what was planted) to the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(7)
    means, factors, shares = clusters(7, CLASSES)
    truth = draw.choice(CLASSES, rows, p=shares)
    features = rows_of(draw, truth, means, factors)
    planted = round(COPIES * rows)
    groups = planted // 3  # three copies of each
    places = draw.permutation(rows)[: 4 * groups].reshape(groups, 4)
    copies = places[:, 1:]
    features[copies] = features[places[:, :1]]
    truth[copies] = truth[places[:, :1]]
    noisy = copies[:, 1:]
    scale = 0.1 * np.linalg.norm(features[noisy], axis=-1, keepdims=True) / np.sqrt(WIDTH)
    features[noisy] += scale * draw.standard_normal((*noisy.shape, WIDTH), dtype=np.float32)
    labels = truth.copy()
    wrong = draw.permutation(rows)[: round(WRONG * rows)]
    labels[wrong] = (truth[wrong] + draw.integers(1, CLASSES, len(wrong))) % CLASSES

    order = draw.permutation(rows)  # ids tell nothing
    ids = np.empty(rows, object)
    ids[order] = [f"{number:07d}" for number in range(rows)]
    fold = draw.integers(0, FOLDS, rows)
    likely = np.empty((rows, CLASSES), np.float32)
    for number in range(FOLDS):
        mine = fold == number
        likely[mine] = discriminant(features[~mine], labels[~mine], features[mine])
    back = np.argsort(ids)
    column = pa.array(ids[back].tolist())
    metadata = {"altool.classes": json.dumps([f"class{number:02d}" for number in range(CLASSES)])}

    def matrix(values: np.ndarray) -> pa.Array:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values, np.float32).ravel()), values.shape[1])

    names = np.array([f"class{number:02d}" for number in range(CLASSES)])
    tables = {
        "features": pa.table({"id": column, "features": matrix(features[back])}),
        "labels": pa.table({"id": column, "label": names[labels[back]]}),
        "oof": pa.table({"id": column, "probabilities": matrix(likely[back]), "fold": pa.array(fold[back], pa.int16())}, metadata=metadata),
        "predictions": pa.table({"id": column, "probabilities": matrix(likely[back])}, metadata=metadata),
    }
    group = np.full(rows, -1)
    group[places] = np.arange(groups)[:, None]
    wronged = np.isin(np.arange(rows), wrong)
    tables["planted"] = pa.table({"id": column, "group": group[back], "wrong": wronged[back]})
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", use_dictionary=False, compression="none")


def discriminant(rows: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """float32 (n, CLASSES): the probabilities of linear discriminant analysis: Gaussian classes that share their covariance."""
    centres = np.stack([rows[labels == class_].mean(axis=0) for class_ in range(CLASSES)])
    within = rows - centres[labels]
    weights = np.linalg.solve(within.T @ within / len(rows), centres.T)
    shares = np.bincount(labels, minlength=CLASSES) / len(labels)
    scores = asked @ weights - (centres.T * weights).sum(axis=0) / 2 + np.log(shares)
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    found: np.ndarray = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def run(folder: Path, *words: str) -> tuple[float, dict[str, object]]:
    """Processor seconds of a whole process, and what it says of itself as JSON."""
    command = ["/usr/bin/time", "-f", "%U %S", sys.executable, "-m", "altool", *words, "--overwrite", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return sum(map(float, done.stderr.split()[-2:])), json.loads(done.stdout)


def check(folder: Path) -> None:
    """`altool check`: seconds, recall of the copies, precision of the first doubts."""
    planted = pq.read_table(folder / "planted.parquet")
    groups = dict(zip(planted.column("id").to_pylist(), planted.column("group").to_pylist(), strict=True))
    wrong = set(planted.filter(planted.column("wrong")).column("id").to_pylist())
    sizes = np.bincount([group for group in groups.values() if group >= 0])
    taken, _ = run(folder, "check", "--features", "features.parquet", "-o", "copies-found.parquet")
    found = pq.read_table(folder / "copies-found.parquet").to_pylist()
    pairs = [(row["id"], row["other_id"]) for row in found if row["problem"] == "near-copy"]
    right = {row for row, other in pairs if groups[row] >= 0 and groups[row] == groups[other]}
    planned = int((sizes - 1).sum())
    print(f"copies: {taken:.1f} processor seconds, {len(right):,} of {planned:,} found, {len(pairs) - len(right):,} others")
    taken, _ = run(
        folder, "check", "--labels", "labels.parquet", "--oof", "oof.parquet", "--columns", "fold=fold", "-o", "labels-found.parquet"
    )
    doubts = [row["id"] for row in pq.read_table(folder / "labels-found.parquet").to_pylist() if row["problem"] == "label"]
    first = np.mean([row in wrong for row in doubts[:1000]])
    print(f"labels: {taken:.1f} processor seconds, {len(doubts):,} doubted, {first:.1%} of the first 1,000 wrong, {len(wrong):,} planted")


def select(folder: Path) -> None:
    """`altool select` of 200 rows, alone and with --unique, in turn: copies in the batch, and processor seconds, least of three."""
    planted = pq.read_table(folder / "planted.parquet")
    groups = dict(zip(planted.column("id").to_pylist(), planted.column("group").to_pylist(), strict=True))
    pq.write_table(pq.read_table(folder / "labels.parquet").slice(0, 1000), folder / "some-labels.parquet")
    words = ("select", "--budget", "200", "--predictions", "predictions.parquet", "--labels", "some-labels.parquet", "-o", "q.parquet")
    for strategy in ("margin", "entropy", "cluster-margin"):
        own = ("--features", "features.parquet") if strategy == "cluster-margin" else ()
        seconds: dict[str, list[float]] = {"alone": [], "unique": []}
        asked: dict[str, int] = {}
        for _ in range(3):
            for name, more in (("alone", own), ("unique", ("--features", "features.parquet", "--unique"))):
                seconds[name].append(run(folder, *words, "--strategy", strategy, *more)[0])
                batch = [groups[id_] for id_ in pq.read_table(folder / "q.parquet").column("id").to_pylist()]
                asked[name] = len([group for group in batch if group >= 0]) - len({group for group in batch if group >= 0})
        alone, unique = (min(seconds[name]) for name in seconds)
        print(f"{strategy}: {asked['alone']} copies, {alone:.2f} s; --unique: {asked['unique']} copies, {unique:.2f} s", flush=True)


def main() -> None:
    folder, rows = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    if not (folder / "planted.parquet").exists():
        plant(folder, rows)
    check(folder)
    select(folder)


if __name__ == "__main__":
    main()
