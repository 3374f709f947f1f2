"""A pool that grows: its titles embedded in two halves, each by its own fit, then `--like` the first, against one embed of all.

    python -m benchmarks.spaces TITLES.parquet [ROWS]

TITLES is a table of id, text and label. Labels of 2,000 rows of both halves train a logistic regression; its accuracy is that on all
others. What is of two fits is refused, so their accuracy is measured on copies without metadata, as it was when nothing was refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LABELS = 2000
BACKBONES = (["--backbone", "hashing"], ["--backbone", "fasttext", "--weights", "none"])


def altool(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-m", "altool", *words, "--quiet"], cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stderr.strip()


def accuracy(folder: Path, features: str, truth: dict[str, str], labeled: set[str]) -> str:
    """The accuracy on rows without a label, or why there is none."""
    status, said = altool(folder, "train", "--features", features, "--labels", "labels.parquet", "-o", "model", "--overwrite")
    if status:
        return f"refused, status {status}: {said.splitlines()[0][:90]}…"
    altool(folder, "score", "--model", "model", "--features", features, "-o", "p.parquet", "--overwrite")
    table = pq.read_table(folder / "p.parquet")
    classes = json.loads(table.schema.metadata[b"altool.classes"])
    found = np.stack(table.column("probabilities").to_numpy()).argmax(1)
    right = [classes[code] == truth[id_] for id_, code in zip(table.column("id").to_pylist(), found, strict=True) if id_ not in labeled]
    return f"{np.mean(right):.2%}"


def main(titles: str, rows: int) -> None:
    table = pq.read_table(titles, columns=["id", "text", "label"])
    draw = np.random.default_rng(0)
    table = table.take(pa.array(draw.permutation(table.num_rows)[:rows]))
    table = table.set_column(0, "id", table.column("id").cast(pa.string()))
    half = table.num_rows // 2
    ids = table.column("id").to_pylist()
    truth = dict(zip(ids, table.column("label").to_pylist(), strict=True))
    labeled = draw.choice(table.num_rows, LABELS, replace=False)
    for backbone in BACKBONES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "items").mkdir()
            pq.write_table(table.slice(0, half), folder / "items" / "one.parquet")
            pq.write_table(table.slice(half), folder / "items" / "two.parquet")
            pq.write_table(table.select(["id", "label"]).take(pa.array(labeled)), folder / "labels.parquet")
            for half_name in ("one", "two"):
                altool(folder, "embed", "--items", f"items/{half_name}.parquet", *backbone, "-o", f"fits/{half_name}.parquet")
                silent = pq.read_table(folder / "fits" / f"{half_name}.parquet").replace_schema_metadata(None)
                (folder / "silent").mkdir(exist_ok=True)
                pq.write_table(silent, folder / "silent" / f"{half_name}.parquet")
            altool(folder, "embed", "--items", "items", *backbone, "-o", "all.parquet")
            altool(folder, "embed", "--items", "items", "--like", "fits/one.parquet", "-o", "like.parquet")
            for what in ("all.parquet", "fits", "silent", "like.parquet"):
                print(backbone[1], what, accuracy(folder, what, truth, {ids[row] for row in labeled}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 12_000)
