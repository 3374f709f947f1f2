"""Chooses from a pool that is larger than memory should have to be: `python -m benchmarks.large_pools FOLDER [--rows 10000000]`.

FOLDER gets `predictions` and `before` (the round before; 100 classes, float32), `features` (16 numbers, float16), each of 64 files, and
`labels` (1,000 rows), once. Then `altool select` runs each of CASES as a process of its own, with `--engine local` and, with
`--ray ADDRESS`, on that cluster; printed are wall seconds, processor seconds and peak memory of that process, and the queries must be the
same.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.select import ROOT, timed

FILES, CLASSES, WIDTH, LABELS = 64, 100, 16, 1000
BUDGET = ["--budget", "1000", "--labels", "{0}/labels.parquet"]
PREDICTIONS, FEATURES = ["--predictions", "{0}/predictions"], ["--features", "{0}/features"]
CASES = {
    "margin": PREDICTIONS,
    "entropy": PREDICTIONS,
    "alamp": [*PREDICTIONS, "--previous", "{0}/before"],
    "badge": [*PREDICTIONS, *FEATURES, "--shortlist", "50000"],
    "coreset": [*FEATURES, "--partitions", "4", "--memory", "1GiB"],
}


def make(folder: Path, rows: int) -> None:
    """Writes the tables. A row's features are its class's, and noise; its probabilities are those of a model that saw them with noise."""
    draw = np.random.default_rng(22)
    means = draw.standard_normal((CLASSES, WIDTH)).astype(np.float32)
    names = [f"class{number:02d}" for number in range(CLASSES)]
    metadata = {"altool.classes": json.dumps(names)}
    for name in ("predictions", "before", "features"):
        (folder / name).mkdir(parents=True)
    per_file = -(-rows // FILES)
    for number in range(FILES):
        first, last = number * per_file, min(rows, (number + 1) * per_file)
        ids = pa.array(np.char.add("r", np.char.zfill(np.arange(first, last).astype("U9"), 9)))
        truth = draw.integers(0, CLASSES, last - first)
        seen = means[truth] + draw.standard_normal((last - first, WIDTH), np.float32)
        tables = {"features": ("features", seen.astype(np.float16))}
        for table, blur in (("predictions", 0.5), ("before", 1.0)):
            logits = (seen + blur * draw.standard_normal(seen.shape, np.float32)) @ means.T - (means**2).sum(axis=1) / 2
            likely = np.exp(logits - logits.max(axis=1, keepdims=True))
            tables[table] = ("probabilities", likely / likely.sum(axis=1, keepdims=True))
        for table, (column, values) in tables.items():
            matrix = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
            content = pa.table({"id": ids, column: matrix}).replace_schema_metadata(metadata if column == "probabilities" else {})
            pq.write_table(content, folder / table / f"part-{number:05d}.parquet", compression="none", use_dictionary=False)
        if not number:
            chosen = np.sort(draw.choice(len(ids), LABELS, replace=False))
            labels = pa.table({"id": ids.take(chosen), "label": [names[code] for code in truth[chosen]]})
    pq.write_table(labels, folder / "labels.parquet")


def run(strategy: str, engine: list[str], folder: Path, output: Path) -> tuple[float, float, float]:
    """Processor seconds, wall seconds and peak MiB of one choice. Ends the program if it fails."""
    given = [part.format(folder) for part in (*BUDGET, *CASES[strategy], *engine)]
    command = [sys.executable, "-m", "altool", "select", "--strategy", strategy, "--overwrite", "-o", str(output), *given]
    found = timed(command, {**os.environ, "PYTHONPATH": str(ROOT)}, 3600)
    if found is None:
        raise SystemExit(f"{strategy} failed")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--ray", metavar="ADDRESS")
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    options = parser.parse_args()
    if not (options.folder / "labels.parquet").exists():
        make(options.folder, options.rows)
    engines = {"local": []} | ({"ray": ["--engine", "ray", "--ray-address", options.ray]} if options.ray else {})
    for strategy in options.cases:
        queries = {}
        for engine, given in engines.items():
            output = options.folder / f"{strategy}-{engine}.parquet"
            processor, wall, peak = run(strategy, given, options.folder, output)
            queries[engine] = pq.read_table(output)
            print(f"{strategy:10s} {engine:5s} {wall:7.1f} s wall {processor:7.1f} s processor {peak:7.0f} MiB", flush=True)
        if any(not table.equals(queries["local"]) for table in queries.values()):
            raise SystemExit(f"{strategy}: the engines' queries differ")


if __name__ == "__main__":
    main()
