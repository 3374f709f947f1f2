"""kill -9 at random moments: the output is the old one, the new one or absent, and a repeat gives the bytes of an undisturbed run."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import program
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import features, predictions, probabilities, write

pytestmark = pytest.mark.slow

ROWS = 150_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crash")
    shuffle = np.random.default_rng(1).permutation(ROWS)  # not in id order, so that the spool is in use
    names = np.array([f"row-{row:06d}" for row in range(ROWS)])[shuffle]
    write(predictions(probabilities(ROWS, 3), names.tolist()), folder / "p.parquet", row_group_size=5000)
    write(features(np.random.default_rng(0).normal(size=(ROWS, 16)).astype(np.float32), names.tolist()), folder / "f.parquet")
    images = pq.read_table(Path(__file__).parents[1] / "sample_data/digits/items.parquet").column("image").to_pylist()
    write(pa.table({"id": names[:3000].tolist(), "image": (images * 3)[:3000]}), folder / "i.parquet", row_group_size=700)
    write(pa.table({"id": names[:30].tolist(), "label": ["ant", "bee", "cat"] * 10}), folder / "l.parquet")
    whole(["train", "--features", "f.parquet", "--labels", "l.parquet", "-o", "m"], folder)
    return folder


def whole(command: list[str], folder: Path) -> float:
    """Seconds of a run that nothing disturbs."""
    program.start()
    begun = time.monotonic()
    assert program.Running(command, folder).end()[0] == 0
    return time.monotonic() - begun


@pytest.mark.parametrize(
    "arguments",
    [
        ("embed", "--items", "i.parquet", "--backbone", "pixels", "--image-size", "8", "--shard-rows", "500"),
        ("select", "--strategy", "margin", "--budget", "100000", "--predictions", "p.parquet"),
        ("score", "--model", "m", "--features", "f.parquet"),
    ],
    ids=["embed", "select", "score"],
)
def test_killed_at_ten_moments(folder: Path, arguments: tuple[str, ...]) -> None:
    command = [*arguments, "--quiet", "--overwrite", "-o"]
    length = whole([*command, f"undisturbed-{arguments[0]}"], folder)
    undisturbed = (folder / f"undisturbed-{arguments[0]}").read_bytes()
    output = folder / f"{arguments[0]}.parquet"
    kind = {"embed": "features", "select": "queries", "score": "predictions"}[arguments[0]]
    draw = random.Random(arguments[0])
    for moment in range(10):
        output.unlink(missing_ok=True)
        if moment % 2:  # an old table of the same kind
            write(pa.table({"id": ["old"]}).replace_schema_metadata({"altool.kind": kind}), output)
        old = output.read_bytes() if moment % 2 else None
        process = program.Running([*command, output.name], folder)
        time.sleep(draw.uniform(0.1, 1) * length)
        process.kill()
        assert (output.read_bytes() if output.exists() else None) in (old, undisturbed)
    whole([*command, output.name], folder)
    assert output.read_bytes() == undisturbed
    assert not [path.name for path in folder.iterdir() if path.name.startswith(f".{output.name}")]  # what was left behind is gone


def test_import_labels_killed_at_ten_moments(folder: Path) -> None:
    (folder / "answers.csv").write_text("altool_id,label\n" + "".join(f"row-{row:06d},bee\n" for row in range(20_000)))
    command = ["import-labels", "answers.csv", "--quiet", "--labels"]
    length = whole([*command, "log-undisturbed"], folder)
    expected = [(path.name, path.read_bytes()) for path in (folder / "log-undisturbed").glob("*.parquet")]
    assert len(expected) == 1
    draw = random.Random(7)
    for _ in range(10):
        process = program.Running([*command, "log"], folder)
        time.sleep(draw.uniform(0.1, 1) * length)
        process.kill()
        assert [(path.name, path.read_bytes()) for path in (folder / "log").glob("*.parquet")] in ([], expected)
    whole([*command, "log"], folder)
    assert [(path.name, path.read_bytes()) for path in (folder / "log").glob("*.parquet")] == expected
