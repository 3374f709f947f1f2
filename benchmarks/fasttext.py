"""Races `altool score` against fastText's own `predict(k=-1)` on the same model and texts: `python -m benchmarks.fasttext POOL`.

POOL is a folder with items.parquet and labels.parquet, as `benchmarks/pools.py` makes them. The model is trained once, through altool, and
kept in both formats. Whole processes, in turn; the medians, the ratios pair by pair and the largest difference of a probability
are printed. `--option word-ngrams=2` (repeat it) is an option of `train`.
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

TRAIN = """
import sys, fasttext
from altool.cli import main
train = fasttext.train_supervised
def kept(**options):
    model = train(**options)
    model.save_model("library.bin")
    return model
fasttext.train_supervised = kept
main()
"""
LOOP = """
import sys, fasttext, pyarrow.parquet as pq
texts = pq.ParquetFile(sys.argv[1], pre_buffer=False).read(["text"]).column(0).to_pylist()
model = fasttext.load_model("library.bin")
for text in texts:
    model.predict(text, k=-1)
"""
MATRIX = """
import sys, fasttext, numpy as np, pyarrow.parquet as pq
texts = pq.ParquetFile(sys.argv[1], pre_buffer=False).read(["text"]).column(0).to_pylist()
model = fasttext.load_model("library.bin")
column = {label: number for number, label in enumerate(sorted(model.labels, key=lambda label: int(label[1:])))}
matrix = np.zeros((len(texts), len(column)), np.float32)
for row, text in enumerate(texts):
    labels, values = model.predict(text, k=-1)
    matrix[row, [column[label] for label in labels]] = values
np.save("matrix.npy", matrix)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool")
    parser.add_argument("--option", action="append", default=[])
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    items, labels = (str((Path(options.pool) / f"{name}.parquet").resolve()) for name in ("items", "labels"))
    own = [part for option in options.option for part in ("--fasttext-" + option.split("=")[0], option.split("=")[1])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        train = ["train", "--items", items, "--labels", labels, "--classifier", "fasttext", "-o", "model", *own]
        if not timed([sys.executable, "-c", TRAIN, *train], environment, 600):
            raise SystemExit("training failed")
        commands = {
            "altool score": ["-m", "altool", "score", "--model", "model", "--items", items, "-o", "p.parquet", "--overwrite"],
            "predict(k=-1)": ["-c", LOOP, items],
            "predict(k=-1) into a matrix": ["-c", MATRIX, items],
        }
        results = race(commands, options.runs, environment, 600)
        scored = pq.read_table("p.parquet", columns=["probabilities"]).column(0).combine_chunks().values.to_numpy()
        library = np.load("matrix.npy")
    for name, runs in results.items():
        processor, wall, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        ratio = statistics.median(b[0] / a[0] for a, b in zip(results["altool score"], runs, strict=True))
        print(f"{name:28} processor {processor:6.2f} s   wall {wall:6.2f} s   peak {peak:6.0f} MiB   x {ratio:.2f}")
    print(f"largest difference of a probability: {np.abs(scored.reshape(library.shape) - library).max():.1e}")


if __name__ == "__main__":
    main()
