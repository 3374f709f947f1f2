"""What an engine costs: the same command here and on a Ray cluster of two workers on this machine, processor seconds and wall.

    python -m benchmarks.engines 200000 WORK

`embed` (pixels) and `score` (logistic) on so many rows, and `simulate` with eight runs. Processor seconds are those of all processes: of a
cluster those of its workers, told apart from the start of Ray by a run on a hundredth of the rows.
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

ROW_GROUP = 4096
CLASSES = 10


def tables(folder: Path, rows: int) -> None:
    """Images of 32 x 32 pixels, vectors of 64 numbers and labels of a tenth of the rows."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    pictures = []
    for _ in range(100):
        stored = BytesIO()
        Image.fromarray(draw.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(stored, "JPEG")
        pictures.append(stored.getvalue())
    ids = [f"row-{row:08d}" for row in range(rows)]
    truth = draw.integers(CLASSES, size=rows)
    vectors = (np.eye(CLASSES, 64, dtype=np.float32)[truth] + draw.normal(size=(rows, 64))).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 64)
    pq.write_table(
        pa.table({"id": ids, "image": [pictures[row % 100] for row in range(rows)]}), folder / "i.parquet", row_group_size=ROW_GROUP
    )
    pq.write_table(pa.table({"id": ids, "features": column}), folder / "f.parquet", row_group_size=ROW_GROUP)
    labels = pa.table({"id": ids, "label": [f"class {code}" for code in truth]})
    pq.write_table(labels.slice(0, max(rows // 10, 200)), folder / "l.parquet")


def run(folder: Path, arguments: Sequence[str]) -> tuple[float, float]:
    """Wall and processor seconds of `altool ARGUMENTS`, and of all that it started and waited for."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "altool", *arguments, "--quiet"],
        cwd=folder,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begun, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def digest(path: Path) -> str:
    """Of the bytes of a table; of a simulation those of what its runs measured."""
    files = [path] if path.is_file() else sorted(path.rglob("history.parquet"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def main(rows: int, folder: Path) -> None:
    tables(folder, rows)
    run(folder, ["train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m", "--overwrite"])
    simulated = ["simulate", "--features", "f.parquet", "--labels", "l.parquet", "--strategy", "margin", "--strategy", "badge"]
    commands = {
        "embed": ["embed", "--items", "i.parquet", "--backbone", "pixels"],
        "score": ["score", "--model", "m", "--features", "f.parquet"],
        "simulate": [*simulated, "--seed-size", "50", "--budget", "50", "--rounds", "10", "--repeats", "4"],
    }
    print("| command | engine | wall | processor | output |\n|---|---|---|---|---|")
    for name, command in commands.items():
        for engine in ("local", "ray"):
            output = folder / f"{name}-{engine}"
            more = ["--engine", "ray", "--jobs" if name == "simulate" else "--workers", "2"] if engine == "ray" else []
            wall, busy = run(folder, [*command, "-o", output.name + ("" if name == "simulate" else ".parquet"), "--overwrite", *more])
            made = output if name == "simulate" else output.with_suffix(".parquet")
            print(f"| `{name}` | {engine} | {wall:.1f} s | {busy:.1f} s | {digest(made)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
