"""Races `altool score` with `svm` against scikit-learn's `SVC.predict` on the same rows: `python -m benchmarks.svm POOL`.

POOL is a folder with features.parquet, labels.parquet and truth.parquet, as `benchmarks/pools.py` makes them. Whole processes, in turn.
scikit-learn predicts the first `--rows` rows of the pool (0: all); its seconds for them, less those for none, are also given for all
rows. Each row's class must be the same.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.select import ROOT, race, timed

PREDICT = """
import sys, numpy as np, pyarrow.parquet as pq
from sklearn.svm import SVC
features, labels, cost, kernel, rows = sys.argv[1:]
known = dict(zip(*pq.read_table(labels, columns=["id", "label"]).to_pydict().values()))
file = pq.ParquetFile(features, pre_buffer=False)
found, wanted, left = [], [], int(rows)
def matrix(batch):
    return batch.column("features").flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
for batch in file.iter_batches(8192):
    wanted += [(row, known[id_]) for row, id_ in zip(matrix(batch), batch.column("id").to_pylist()) if id_ in known]
    if len(wanted) == len(known):
        break
machine = SVC(kernel=kernel, C=float(cost)).fit(np.array([row for row, _ in wanted], float), [label for _, label in wanted])
for batch in file.iter_batches(8192):
    if not left:
        break
    found.append(machine.predict(matrix(batch)[:left]))
    left -= min(left, batch.num_rows)
np.save("classes.npy", np.concatenate(found) if found else np.zeros(0, "U1"))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("--kernel", default="linear")
    parser.add_argument("--cost", default="1")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    features, labels, truth = (str((Path(options.pool) / f"{name}.parquet").resolve()) for name in ("features", "labels", "truth"))
    total = pq.ParquetFile(features).metadata.num_rows
    rows = min(options.rows or total, total)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        train = ["train", "--features", features, "--labels", labels, "--classifier", "svm", "--svm-kernel", options.kernel]
        fitted = timed([sys.executable, "-m", "altool", *train, "--svm-c", options.cost, "-o", "model"], environment, 600)
        if not fitted:
            raise SystemExit("training failed")
        print(f"{'altool train':28} processor {fitted[0]:6.2f} s   wall {fitted[1]:6.2f} s   peak {fitted[2]:6.0f} MiB")
        predict = ["-c", PREDICT, features, labels, options.cost, options.kernel]
        commands = {
            "altool score": ["-m", "altool", "score", "--model", "model", "--features", features, "-o", "p.parquet", "--overwrite"],
            "SVC, no row": [*predict, "0"],
            f"SVC, {rows:,} rows": [*predict, str(rows)],
        }
        results = race(commands, options.runs, environment, 600)
        table = pq.read_table("p.parquet").sort_by("id")
        expected = np.load("classes.npy")
        first = pq.ParquetFile(features).read(["id"]).column("id")[: len(expected)].to_pylist()
        names = np.unique(pq.read_table(labels, columns=["label"]).column("label").to_pylist())
        likeliest = np.stack(table.column("probabilities").to_numpy()).argmax(axis=1)
    decided = dict(zip(table.column("id").to_pylist(), names[likeliest], strict=True))
    known = dict(zip(*pq.read_table(truth, columns=["id", "label"]).to_pydict().values(), strict=True))
    medians = [[statistics.median(column) for column in zip(*runs, strict=True)] for runs in results.values()]
    for name, (processor, wall, peak) in zip(commands, medians, strict=True):
        print(f"{name:28} processor {processor:6.2f} s   wall {wall:6.2f} s   peak {peak:6.0f} MiB")
    alone = [(peer[0] - base[0]) * total / rows for _, base, peer in zip(*results.values(), strict=True)]
    ratio = statistics.median(theirs / own[0] for theirs, own in zip(alone, results["altool score"], strict=True))
    print(f"scikit-learn, prediction alone of {total:,} rows: {statistics.median(alone):.1f} s, x {ratio:.1f}")
    print(f"other classes: {sum(decided[id_] != label for id_, label in zip(first, expected.tolist(), strict=True))} of {len(first):,}")
    print(f"accuracy: {np.mean([known[id_] == label for id_, label in decided.items()]):.4f}")


if __name__ == "__main__":
    main()
