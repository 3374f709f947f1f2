"""What an engine costs: the same command here and on a Ray cluster of two workers on this machine, processor seconds and wall.

    python -m benchmarks.engines 200000 WORK

`embed` (pixels) and `score` (logistic) on so many rows, and `simulate` with eight runs. Processor seconds are those of all processes, Ray's
own among them; a run on few rows shows what its start takes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
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
    """Wall and processor seconds of `altool ARGUMENTS`, and of all processes that come from it: Ray's workers are no children of it."""
    begun = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-m", "altool", *arguments, "--quiet"], cwd=folder, env=environment)
    busy: dict[int, float] = {}
    while process.poll() is None:
        busy |= tree(process.pid)
        time.sleep(0.1)
    assert process.returncode == 0, arguments
    return time.monotonic() - begun, sum(busy.values())


def tree(root: int) -> dict[int, float]:
    """The processor seconds so far of a process and of those that come from it, by their numbers."""
    parents, busy = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            number = int(path.parent.name)
            parents[number], busy[number] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    found: set[int] = set()
    more = {root}
    while more:
        found |= more
        more = {number for number, parent in parents.items() if parent in found} - found
    return {number: busy[number] for number in found if number in busy}


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
