"""`altool simulate` with strategies that ask the model for more than probabilities."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, known_truth, write
from scipy.stats import spearmanr

from altool import seeds
from altool.metrics.adversary import MEASURES

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 160
PLAN = """
features = "f.parquet"
labels = "truth.parquet"
seed-size = 16
rounds = 1
budget = 8
classifier = "mlp"
mlp-epochs = 4
mlp-hidden = "16,8"
vaal-epochs = 2
vaal-latent = 4
"""
RUNS = {  # its keys, and the options of train and score that they stand for
    "learning-loss": ('mlp-ranker = "loss"', ("--ranker", "loss"), ()),
    "bald": ("mlp-dropout = 0.5\nmc-dropout = 3", ("--dropout", 0.5), ("--mc-dropout", 3)),
    "vaal": ("", ("--vaal", "vaal", "--vaal-epochs", 2, "--vaal-latent", 4), ()),
    "ta-vaal": ("", ("--vaal", "ta-vaal", "--vaal-epochs", 2, "--vaal-latent", 4), ()),
}


@pytest.fixture
def truth(tmp_path: Path) -> list[str]:
    return [CLASSES[code] for code in known_truth(tmp_path, ROWS)]


def test_a_round_is_what_the_commands_do(altool: Altool, tmp_path: Path, truth: list[str]) -> None:
    runs = "".join(f'[[run]]\nstrategy = "{name}"\n{keys}\n' for name, (keys, _, _) in RUNS.items())
    (tmp_path / "plan.toml").write_text(PLAN + runs)
    altool("simulate", "--plan", "plan.toml", "-o", "out", "--jobs", 1)
    seed = seeds.integer(0, "simulate", 0)
    held = [f"row-{row:04d}" for row in range(0, ROWS, 4)]
    for name, (_, train, score) in RUNS.items():
        folder = tmp_path / "out" / "runs" / f"{name}-000"
        asked = pq.read_table(folder / "picks.parquet").to_pylist()
        given = [row["id"] for row in asked if row["round"] == 0]
        log = {"id": [*given, *held], "label": [truth[int(id_[-4:])] for id_ in (*given, *held)]}
        log |= {"source": ["seed"] * len(given) + ["holdout"] * len(held), "round": [0] * (len(given) + len(held))}
        write(pa.table(log), tmp_path / "l.parquet")
        fit = ("--classifier", "mlp", "--epochs", 4, "--mlp-hidden", "16,8", "--seed", seed, *train)
        altool("train", "--features", "f.parquet", "--labels", "l.parquet", *fit, "-o", "model", "--overwrite")
        altool("score", "--model", "model", "--features", "f.parquet", "--seed", seed, *score, "-o", "p.parquet", "--overwrite")
        select = ("select", "--strategy", name, "--budget", 8, "--seed", seed, "--labels", "l.parquet", "--predictions", "p.parquet")
        altool(*select, "-o", "q.parquet", "--overwrite")
        assert pq.read_table(tmp_path / "q.parquet").column("id").to_pylist() == [row["id"] for row in asked if row["round"] == 1], name
        report = ("report", "--predictions", "p.parquet", "--labels", "l.parquet", "--metrics-output", "m.parquet", "--quiet")
        altool(*report, "--overwrite")
        measured = {(row["class"], row["metric"]): row["value"] for row in pq.read_table(tmp_path / "m.parquet").to_pylist()}
        rows = pq.read_table(folder / "history.parquet").to_pylist()
        found = {(row["class"], row["metric"]): row["value"] for row in rows if row["round"] == 0}
        learned = {metric: found.pop((None, metric)) for metric in MEASURES if (None, metric) in found}
        assert found == pytest.approx(measured), name
        if "vaal" in name:
            scored = {row["id"]: row for row in pq.read_table(tmp_path / "p.parquet").to_pylist()}
            candidates = [scored[id_] for id_ in scored if id_ not in given and id_ not in held]
            probability = np.array([row["labeled_probability"] for row in candidates])
            losses = [-np.log(row["probabilities"][CLASSES.index(truth[int(row["id"][-4:])])]) for row in candidates]
            assert learned["labeled_probability_median"] == pytest.approx(np.median(probability))
            assert learned["loss_correlation"] == pytest.approx(spearmanr(-probability, losses).statistic)
            curve = json.loads((tmp_path / "model" / "model.json").read_text())["vaal"]
            assert learned["discriminator_loss"] == pytest.approx(curve["discriminator_loss"][-1], rel=1e-5)
        assert len(learned) == {"vaal": 6, "ta-vaal": 8}.get(name, 0)
    said = altool("compare", "out").text
    assert "what the discriminator told at the last choice" in said
