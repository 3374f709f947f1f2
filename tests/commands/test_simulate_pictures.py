"""`altool simulate` with networks on images: what the commands do, whatever the jobs, and whatever lies beside it in the plan."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, known_truth, write
from extra import library

from altool import seeds

Image = library("PIL.Image")
library("torchvision")

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 96
SMALL = "mobilenet_v3_small"
PLAN = f"""
items = "i.parquet"
labels = "truth.parquet"
seed-size = 12
rounds = 1
budget = 6
classifier = "{SMALL}"
{SMALL}_weights = "none"
{SMALL}_image_size = 16
{SMALL}_epochs = 1
{SMALL}_augment = "flip,crop"
vaal-epochs = 1
vaal-latent = 4
vaal-width = 4
"""
NET = ("--classifier", SMALL, "--weights", "none", "--image-size", 16, "--epochs", 1, "--augment", "flip,crop", "--threads", 1)
VAAL = ("--vaal-epochs", 1, "--vaal-latent", 4, "--vaal-width", 4)
RUNS = {  # its keys, and the options of train and score that they stand for
    "bald": ("mc-dropout = 2", (), ("--mc-dropout", 2)),
    "ta-vaal": ("", ("--vaal", "ta-vaal", *VAAL), ()),
}


def images(folder: Path, truth: np.ndarray) -> list[bytes]:
    """Writes i.parquet: pictures of 24 x 20 pixels with a stripe where their class says. Returns them."""
    draw, found = np.random.default_rng(1), []
    for code in truth:
        pixels = draw.integers(0, 90, (20, 24, 3)).astype(np.uint8)
        pixels[6 * code : 6 * code + 7] += 120
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        found.append(stream.getvalue())
    write(pa.table({"id": [f"row-{row:04d}" for row in range(len(truth))], "image": found}), folder / "i.parquet")
    return found


@pytest.fixture
def truth(tmp_path: Path) -> np.ndarray:
    found = known_truth(tmp_path, ROWS, 2.0)
    images(tmp_path, found)
    return found


def plan(folder: Path, *runs: str) -> None:
    (folder / "plan.toml").write_text(PLAN + "".join(f"\n[[run]]\n{run}\n" for run in runs))


def tree(folder: Path) -> dict[str, bytes]:
    """All files but those of the times, which no two runs share."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "times.parquet")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_round_is_what_the_commands_do(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    plan(tmp_path, *(f'strategy = "{name}"\n{keys}' for name, (keys, _, _) in RUNS.items()))
    altool("simulate", "--plan", "plan.toml", "-o", "out", "--jobs", 1)
    seed = seeds.integer(0, "simulate", 0)
    held = [f"row-{row:04d}" for row in range(0, ROWS, 4)]
    for name, (_, train, score) in RUNS.items():
        folder = tmp_path / "out" / "runs" / f"{name}-000"
        asked = pq.read_table(folder / "picks.parquet").to_pylist()
        given = [row["id"] for row in asked if row["round"] == 0]
        log = {"id": [*given, *held], "label": [CLASSES[truth[int(id_[-4:])]] for id_ in (*given, *held)]}
        log |= {"source": ["seed"] * len(given) + ["holdout"] * len(held), "round": [0] * (len(given) + len(held))}
        write(pa.table(log), tmp_path / "l.parquet")
        altool("train", "--items", "i.parquet", "--labels", "l.parquet", *NET, "--seed", seed, *train, "-o", "m", "--overwrite")
        altool("score", "--model", "m", "--items", "i.parquet", "--seed", seed, *score, "-o", "p.parquet", "--overwrite")
        select = ("select", "--strategy", name, "--budget", 6, "--seed", seed, "--labels", "l.parquet", "--predictions", "p.parquet")
        altool(*select, "-o", "q.parquet", "--overwrite")
        assert pq.read_table(tmp_path / "q.parquet").column("id").to_pylist() == [row["id"] for row in asked if row["round"] == 1], name
        altool("report", "--predictions", "p.parquet", "--labels", "l.parquet", "--metrics-output", "m.parquet", "--quiet", "--overwrite")
        measured = {(row["class"], row["metric"]): row["value"] for row in pq.read_table(tmp_path / "m.parquet").to_pylist()}
        rows = pq.read_table(folder / "history.parquet").to_pylist()
        assert {(row["class"], row["metric"]): row["value"] for row in rows if row["round"] == 0} == pytest.approx(measured), name


WHOLE = (
    f'name = "warm"\nstrategy = "coreset"\nwarm_start = true\n{SMALL}_epochs = 9',
    f'strategy = "learning-loss"\n{SMALL}_augment = "none"\n{SMALL}_ranker = "loss"\n{SMALL}_stop_accuracy = 0.1\nunique = 1.0',
    'name = "features"\nstrategy = "margin"\nclassifier = "linear-svm"',
)
SIMULATE = ("simulate", "--plan", "plan.toml", "--features", "f.parquet", "--rounds", 2)


def test_jobs_and_kills_do_not_matter(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    plan(tmp_path, *WHOLE)
    altool(*SIMULATE, "-o", "whole", "--jobs", 1)
    assert len(list((tmp_path / "whole" / "runs").iterdir())) == len(WHOLE)
    command = [sys.executable, "-m", "altool", *map(str, SIMULATE), "-o", "killed", "--jobs", "2"]
    begun, kept = time.monotonic(), tmp_path / "killed" / "runs"
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while not list(kept.glob(".warm-000.partial/rounds-*")) and process.poll() is None and time.monotonic() - begun < 60:
            time.sleep(0.05)
        time.sleep(random.Random(2).uniform(0, 0.5))
        os.killpg(process.pid, signal.SIGKILL)
    assert list(kept.glob(".warm-000.partial/rounds-*"))
    altool(*SIMULATE, "-o", "killed", "--jobs", 1)
    assert tree(tmp_path / "killed") == tree(tmp_path / "whole")


def test_what_cannot_be_read_is_refused(altool: Altool, tmp_path: Path, truth: np.ndarray) -> None:
    plan(tmp_path, *WHOLE)
    rows = pq.read_table(tmp_path / "i.parquet")
    broken = rows.set_column(1, "image", pa.array([b"no image" if row == 5 else value for row, value in enumerate(rows[1].to_pylist())]))
    write(broken, tmp_path / "i.parquet")
    said = altool(*SIMULATE, "-o", "out", code=3).said
    assert "i.parquet, column 'image': 1 labeled row cannot be used (row-0005: not an image of a known format)" in " ".join(said.split())
    write(rows.slice(8), tmp_path / "i.parquet")
    said = altool(*SIMULATE, "-o", "out", code=3).said
    assert "i.parquet: 8 labeled rows not in it" in " ".join(said.split())
    assert not (tmp_path / "out").exists()
