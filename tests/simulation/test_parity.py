"""A round of `simulate` asks what `select` asks, given the same labels and the same model: of every strategy that both support."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, known_truth, write

from altool import seeds
from altool.commands import score, select, simulate, train
from altool.console import Console
from altool.selection.options import Options
from altool.strategies import registry
from altool.strategies.inputs import INPUTS

pytestmark = pytest.mark.slow

ROWS, BUDGET, SEEDS = 120, 9, 12
DEEP = {"mutual_information", "predicted_loss", "labeled_probability"}  # see tests/commands/test_simulate_deep.py
NAMES = [name for name in registry.names() if not DEEP & set(registry.load(name).takes)]
OWN: dict[str, dict[str, Any]] = {
    "clarifier": {"clarifier_budgets": "4,3,2"},
    "e3g": {"total_budget": SEEDS + BUDGET},
    "most-likely-positive": {"query_classes": "bee"},
}
UNIQUE, COSINE = ("margin", "cluster-margin", "kmeans", "random"), 0.7  # rows of three clusters in five dimensions
SHORT, SHORTLIST = ("badge", "coreset", "cluster-margin", "auto"), 25


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One simulated round of every strategy, and what the commands need to do the same."""
    folder = tmp_path_factory.mktemp("parity")
    truth = known_truth(folder, ROWS, 0.7)
    ids = [f"row-{row:04d}" for row in range(ROWS)]
    write(pa.table({"id": ids, "rank": pa.array(range(ROWS, 0, -1), pa.int32())}), folder / "ranked.parquet")
    before = Path.cwd()
    os.chdir(folder)
    runs = ""
    for name in NAMES:
        own = {**OWN.get(name, {}), **({"queue": "ranked.parquet"} if name == "queue" else {}), "name": name}
        runs += f'[[run]]\nstrategy = "{name}"\n' + "".join(f"{key} = {value!r}\n" for key, value in own.items())
    runs += "".join(f'[[run]]\nstrategy = "{name}"\nname = "{name} unique"\nunique = {COSINE}\n' for name in UNIQUE)
    runs += "".join(f'[[run]]\nstrategy = "{name}"\nname = "{name} short"\nshortlist = {SHORTLIST}\n' for name in SHORT)
    (folder / "plan.toml").write_text(runs)
    quiet = Console(quiet=True)
    settings = {"seed_size": SEEDS, "rounds": 1, "budget": BUDGET, "jobs": 1, "plan": "plan.toml", "output": "out"}
    simulate.run(simulate.Options(**settings, features="f.parquet", labels="truth.parquet"), quiet)  # type: ignore[arg-type]
    drawn = asked("random", 0)
    held = ids[::4]
    labels = {"id": [*drawn, *held], "label": [CLASSES[truth[int(id_[-4:])]] for id_ in (*drawn, *held)]}
    labels |= {"source": ["seed"] * len(drawn) + ["holdout"] * len(held), "round": [0] * (len(drawn) + len(held))}
    write(pa.table(labels), folder / "l.parquet")
    train.run(train.Options(features="f.parquet", labels="l.parquet", output="model"), quiet)
    score.run(score.Options(model="model", features="f.parquet", output="p.parquet"), quiet)
    yield folder
    os.chdir(before)


def asked(name: str, number: int) -> list[str]:
    """The ids that a run asked for in a round, in order."""
    rows = pq.read_table(f"out/runs/{name}-000/picks.parquet").to_pylist()
    return [row["id"] for row in rows if row["round"] == number]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_rows_in_the_same_order(world: Path, name: str) -> None:
    strategy = registry.load(name)
    given: dict[str, Any] = {"predictions": "p.parquet", "labels": "l.parquet", "budget": None if strategy.budgets else BUDGET}
    if any(INPUTS[array].table == "features" for array in (*strategy.takes, *strategy.optional)):
        given["features"] = "f.parquet"
    if "ranks" in strategy.takes:
        given["queue"] = "ranked.parquet"
    if "head" in (*strategy.takes, *strategy.optional):
        given["model"] = "model"
    if strategy.shape == "ask":
        given |= {"oracle": "truth.parquet", "round": 1}
    own = OWN.get(name, {})
    options = Options(strategy=name, output=f"{name}.parquet", seed=seeds.integer(0, "simulate", 0), own=own, **given)
    select.run(options, Console(quiet=True))
    assert pq.read_table(f"{name}.parquet").column("id").to_pylist() == asked(name, 1)


@pytest.mark.parametrize("name", UNIQUE)
def test_the_same_rows_without_near_copies(world: Path, name: str) -> None:
    given = {"predictions": "p.parquet", "labels": "l.parquet", "features": "f.parquet", "budget": BUDGET}
    options = Options(strategy=name, output=f"{name}-unique.parquet", seed=seeds.integer(0, "simulate", 0), unique=COSINE, **given)
    select.run(options, Console(quiet=True))
    found = asked(f"{name}-unique", 1)
    assert pq.read_table(f"{name}-unique.parquet").column("id").to_pylist() == found
    rows = pq.read_table("f.parquet")
    vectors = dict(zip(rows.column("id").to_pylist(), np.stack(rows.column("features").to_pylist()), strict=True))
    own = np.stack([vectors[id_] for id_ in found])
    others = np.stack([vectors[id_] for id_ in (*found, *asked(f"{name}-unique", 0))])
    cosines = (own @ others.T) / np.linalg.norm(own, axis=1)[:, None] / np.linalg.norm(others, axis=1)
    np.fill_diagonal(cosines, 0)
    assert cosines.max() < COSINE
    assert found != asked(name, 1)


@pytest.mark.parametrize("name", SHORT)
def test_the_same_rows_of_a_shortlist(world: Path, name: str) -> None:
    given = {"predictions": "p.parquet", "labels": "l.parquet", "features": "f.parquet", "budget": BUDGET, "shortlist": SHORTLIST}
    options = Options(strategy=name, output=f"{name}-short.parquet", seed=seeds.integer(0, "simulate", 0), **given)
    select.run(options, Console(quiet=True))
    found = asked(f"{name}-short", 1)
    assert pq.read_table(f"{name}-short.parquet").column("id").to_pylist() == found
    assert len(found) == BUDGET
    assert (found == asked(name, 1)) == (name == "cluster-margin")  # which looks at the smallest margins alone, as it is
