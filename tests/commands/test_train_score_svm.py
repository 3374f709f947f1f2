"""`altool train` and `altool score` with support vector machines, and simulations of them, from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, write
from sklearn.svm import SVC

from altool.errors import UsageError
from altool.models.registry import REGISTRY, prefix
from altool.simulation import plan

pytestmark = pytest.mark.slow

Altool = Callable[..., Any]
ROWS = 2000
TRAIN = ("train", "--features", "f.parquet", "--labels", "l.parquet")


@pytest.fixture(autouse=True)
def pool(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, ROWS)
    matrix = (draw.normal(size=(ROWS, 5)) + truth[:, None]).astype(np.float32)
    write(features(matrix), tmp_path / "f.parquet", row_group_size=300)
    ids = [f"row-{row:04d}" for row in range(ROWS)]
    write(pa.table({"id": ids[:40], "label": [CLASSES[code] for code in truth[:40]]}), tmp_path / "l.parquet")
    write(pa.table({"id": ids, "label": [CLASSES[code] for code in truth]}), tmp_path / "truth.parquet")
    return matrix, truth


def probabilities(path: Path) -> np.ndarray:
    return np.stack(pq.read_table(path).column("probabilities").to_numpy())


def test_svm(altool: Altool, tmp_path: Path, pool: tuple[np.ndarray, np.ndarray]) -> None:
    altool(*TRAIN, "--classifier", "svm", "--svm-kernel", "rbf", "--svm-c", 2, "-o", "model", "--folds", 3, "--oof", "oof.parquet")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.json", "weights.safetensors"]
    facts = json.loads((tmp_path / "model" / "model.json").read_text())
    assert facts["provenance"]["options"] | {"svm_kernel": "rbf", "svm_c": "2"} == facts["provenance"]["options"]
    assert probabilities(tmp_path / "oof.parquet").shape == (40, 3)
    score = ("score", "--model", "model", "--features", "f.parquet")
    altool(*score, "-o", "p.parquet")
    altool(*score, "-o", "p1.parquet", "--threads", 1)
    assert (tmp_path / "p.parquet").read_bytes() == (tmp_path / "p1.parquet").read_bytes()
    x = pool[0].astype(float)
    expected = SVC(C=2).fit(x[:40], pool[1][:40]).predict(x)
    assert np.array_equal(probabilities(tmp_path / "p.parquet").argmax(axis=1), expected)
    base = ("select", "--strategy", "base", "--budget", 6, "--features", "f.parquet", "-o", "q.parquet")
    assert "model model: it has no linear head" in altool(*base, "--model", "model", code=3).said
    assert (
        "--svm-c: expected auto or a number above 0, found 'x'"
        in altool(*TRAIN, "--classifier", "svm", "--svm-c", "x", "-o", "other", code=2).said
    )
    said = altool(*TRAIN, "--classifier", "svm", "--linear-svm-c", 1, "-o", "other", code=2).said
    assert "--linear-svm-c has no effect with --classifier svm" in said


def test_linear_svm_is_a_linear_head(altool: Altool, tmp_path: Path) -> None:
    altool(*TRAIN, "--classifier", "linear-svm", "--linear-svm-c", 0.1, "--balance", "prior", "-o", "model")
    altool("score", "--model", "model", "--features", "f.parquet", "-o", "p.parquet")
    assert probabilities(tmp_path / "p.parquet").sum(axis=1) == pytest.approx(1, abs=1e-6)
    altool("select", "--strategy", "base", "--budget", 6, "--features", "f.parquet", "--model", "model", "-o", "q.parquet")
    assert pq.read_table(tmp_path / "q.parquet").num_rows == 6
    said = altool(*TRAIN, "--classifier", "linear-svm", "--linear-svm-iterations", 1, "--linear-svm-c", 1e6, "-o", "short").said
    assert "raise --linear-svm-iterations" in said


def test_simulate(altool: Altool, tmp_path: Path) -> None:
    runs = ["svm", "linear-svm", "logistic"]
    plan_ = "svm_c = 1.0\nlinear-svm-c = 0.1\n"
    plan_ += "".join(f'[[run]]\nname = "{name}"\nstrategy = "margin"\nclassifier = "{name}"\nbalance = "prior"\n' for name in runs)
    (tmp_path / "plan.toml").write_text(plan_)
    tables = ("--features", "f.parquet", "--labels", "truth.parquet", "--holdout-share", 0.5)
    altool("simulate", *tables, "--plan", "plan.toml", "--seed-size", 1, "--rounds", 2, "--budget", 10, "-o", "out", "--jobs", 1)
    for name in runs:  # from one label of one class on
        history = pq.read_table(tmp_path / "out" / "runs" / f"{name}-000" / "history.parquet").to_pylist()
        accuracies = [row["value"] for row in history if row["class"] is None and row["metric"] == "accuracy"]
        assert accuracies[-1] > 0.6


@pytest.mark.parametrize("name", [name for name, record in REGISTRY.every().items() if record.learns == "labels"])
def test_every_classifier_can_be_planned(name: str) -> None:
    settings = {"classifier": name, "seed_size": 3, "rounds": 1, "budget": 2}
    assert plan.make({**settings, f"{prefix(name)}c": 1.0} if "svm" in name else settings, [{"strategy": "margin"}]).runs
    for strategy in ("base", "dropquery"):
        run = [{"strategy": strategy}]
        if REGISTRY.load(name).head:
            assert plan.make(settings, run).runs
        else:
            with pytest.raises(UsageError, match=f"no linear head, which {strategy} needs"):
                plan.make(settings, run)
