"""The report's page: bytes, processor seconds and peak memory for 10, 151 and 1,000 classes, and for a batch of 1,000 photos.

    python -m benchmarks.page [CASE]

Each case is a process of its own that runs `altool report`: with a page, and without one, which is what the measuring takes. Predictions
are drawn about the truth, four rounds of history among them; the photos are smoothed noise of 640 x 480 pixels, which compresses as photos
do.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CASES = {"10": (10, 60, False), "151": (151, 60, False), "1000": (1000, 60, False), "photos": (10, 1000, True)}
ROUNDS = 4


def photo(rng: np.random.Generator) -> bytes:
    small = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    stream = io.BytesIO()
    small.resize((640, 480), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def tables(folder: Path, classes: int, batch: int, pictures: bool) -> list[str]:
    """Write what a report reads, and return its words but for the outputs."""
    rng = np.random.default_rng(0)
    names = [f"class_{number:04d}" for number in range(classes)]
    rows = max(3000, 8 * classes)
    ids = [f"row-{row:06d}" for row in range(rows)]
    truth = rng.integers(0, classes, rows)
    held, labeled = np.arange(rows) < rows // 2, np.arange(rows) < rows // 2 + rows // 4
    items = {"image": [photo(rng) if row >= rows - batch else None for row in range(rows)]} if pictures else {}
    items |= {} if pictures else {"text": [f"the text of row {row}, which is as long as a short request is" for row in range(rows)]}
    pq.write_table(pa.table({"id": ids, **items}), folder / "items.parquet")
    features = rng.normal(size=(rows, 32)).astype(np.float32)
    pq.write_table(pa.table({"id": ids, "features": pa.FixedSizeListArray.from_arrays(features.ravel(), 32)}), folder / "features.parquet")
    source = np.where(held, "holdout", "explore")
    log = {"id": ids, "label": [names[code] for code in truth], "source": source.tolist(), "round": pa.array([0] * rows, pa.int32())}
    pq.write_table(pa.table(log).filter(pa.array(labeled)), folder / "labels.parquet")
    (folder / "targets.toml").write_text('[default]\nmetric = "f1"\ntarget = 0.8\n')
    asked = {"id": ids[-batch:], "rank": pa.array(range(1, batch + 1), pa.int32()), "round": pa.array([ROUNDS] * batch, pa.int32())}
    pq.write_table(pa.table(asked | {"suggested_label": [names[code] for code in truth[-batch:]]}), folder / "queries.parquet")
    words = ["--labels", "labels.parquet", "--targets", "targets.toml"]
    for number in range(ROUNDS):
        code = np.where(rng.random(rows) < 0.6 + 0.08 * number, truth, rng.integers(0, classes, rows))
        sure = np.full((rows, classes), 0.3 / classes, np.float32)
        sure[np.arange(rows), code] += 0.7
        table = pa.table({"id": ids, "probabilities": pa.FixedSizeListArray.from_arrays(sure.ravel(), classes)})
        table = table.replace_schema_metadata({"altool.kind": "predictions", "altool.classes": json.dumps(names)})
        pq.write_table(table, folder / f"predictions-{number}.parquet")
        words += ["--history", f"metrics-{number - 1}.parquet"] if number else []
        now = ["--predictions", f"predictions-{number}.parquet", "--round", str(number)]
        run(folder, [*words, *now, "--metrics-output", f"metrics-{number}.parquet"])
    words += ["--predictions", f"predictions-{ROUNDS - 1}.parquet", "--round", str(ROUNDS - 1)]
    return words


def run(folder: Path, words: list[str]) -> tuple[float, float, str]:
    """Processor seconds and peak MiB of a report, and what it said."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = "import sys; from altool.cli import main\ntry:\n main()\nexcept SystemExit as end:\n print(end.code)\n"
    script += "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0], file=sys.stderr)"
    command = [sys.executable, "-c", script, "report", *words, "--overwrite"]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    *said, peak = done.stderr.strip().splitlines()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(peak) / 1024, "\n".join(said)


def main() -> None:
    print("| case | bytes | page, s | peak, MiB | measuring alone, s | peak, MiB |\n|---|---:|---:|---:|---:|---:|")
    for name in sys.argv[1:] or CASES:
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            words = tables(folder, *CASES[name])
            bare, least, _ = run(folder, [*words, "--metrics-output", "m.parquet"])
            shown = ["--queries", "queries.parquet", "--items", "items.parquet", "--features", "features.parquet", "-o", "page.html"]
            seconds, peak, said = run(folder, [*words, *shown])
            size = (folder / "page.html").stat().st_size
            print(f"| {name} | {size:,} | {seconds:.1f} | {peak:.0f} | {bare:.1f} | {least:.0f} |", flush=True)
            for line in said.splitlines():
                if line.startswith("page.html: "):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
