"""Runs whose candidates are the neighbours of labeled rows alone (SEALS), and the same choice by `select` with an index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import CLASSES, features, known_truth, write
from extra import library

from altool import seeds
from altool.commands import index, score, select, simulate, train
from altool.console import Console
from altool.errors import UsageError
from altool.selection.options import Options
from altool.simulation.from_model import Pool
from altool.simulation.plan import make
from altool.simulation.replay import replay

TRUTH = np.random.default_rng(0).choice(3, p=[0.6, 0.25, 0.15], size=160)
ROWS = (np.eye(3, 5)[TRUTH] * 2 + np.random.default_rng(1).normal(size=(160, 5))).astype(np.float32)
POOL = Pool(ROWS[:120], TRUTH[:120], ROWS[120:], TRUTH[120:], CLASSES)
LENGTH = {"seed_size": 12, "rounds": 3, "budget": 5, "logistic_c": 1.0}


def near(labeled: list[int], number: int, classes: list[int]) -> set[int]:
    """By all cosines."""
    unit = ROWS[:120] / np.linalg.norm(ROWS[:120], axis=1, keepdims=True)
    found: set[int] = set()
    for place in (place for place in labeled if TRUTH[place] in classes):
        cosines = unit @ unit[place]
        cosines[place] = -2
        found |= set(np.argsort(-cosines)[:number].tolist())
    return found - {*labeled}


@pytest.mark.parametrize(
    "row",
    [
        {"strategy": "margin", "diversify": True, "suggest": True},
        {"strategy": "coreset"},
        {"strategy": "alamp"},
        {"strategy": "galaxy"},
        {"strategy": "flqmi", "query_classes": "bee,cat"},
        {"strategy": "badge", "shortlist": 8, "subset_factor": 2},
        {"strategy": "entropy", "unique": 0.999},
        {"strategy": "random", "query_classes": ["bee", "cat"]},
    ],
    ids=lambda row: row["strategy"],
)
def test_what_is_asked_is_near_a_labeled_row(row: dict[str, Any]) -> None:
    named = "query_classes" in row
    plan = make({**LENGTH, "within_neighbours": 6}, [row])
    first, *later = replay(POOL, plan, plan.runs[0], 0).asked
    asked = first.positions.tolist()
    assert first.explored.all()
    for part in later:
        counts = np.bincount(TRUTH[asked], minlength=3)
        classes = [1, 2] if named else [code for code in range(3) if code != counts.argmax() and counts[code]]
        assert len(part.positions) == 5
        assert {*part.positions.tolist()} <= near(asked, 6, classes)
        assert not part.explored.any()  # no random sample of the pool
        asked += part.positions.tolist()


def test_of_many_neighbours_all_rows_are_candidates() -> None:
    plan = make(LENGTH, [{"strategy": "margin"}, {"name": "all", "strategy": "margin", "within_neighbours": 119}])
    whole, all_ = (replay(POOL, plan, run, 0).asked for run in plan.runs)
    assert [part.positions.tolist() for part in whole] == [part.positions.tolist() for part in all_]


def test_without_a_label_all_rows_are_candidates_and_without_a_candidate_it_ends() -> None:
    rows = [{"strategy": "coreset"}, {"name": "near", "strategy": "coreset", "within_neighbours": 3}]
    plan = make({**LENGTH, "seed_size": 0}, rows)
    whole, few = (replay(POOL, plan, run, 0).asked for run in plan.runs)
    assert whole[0].positions.tolist() == few[0].positions.tolist()
    plan = make({**LENGTH, "rounds": 50}, [{"strategy": "margin", "within_neighbours": 1, "query_classes": "cat"}])
    history = replay(POOL, plan, plan.runs[0], 0)
    assert len(history.rounds) < 51
    assert len(history.rounds) == len(history.asked)


def test_what_a_run_may_say() -> None:
    plan = make(LENGTH, [{"strategy": "margin", "within_neighbours": 9, "query_classes": "bee"}, {"strategy": "entropy"}])
    assert plan.facts(plan.runs[0])["within_neighbours"] == 9
    assert list(plan.facts(plan.runs[0])["query_classes"]) in (["bee"], list("bee"))
    assert not {"within_neighbours", "query_classes"} & plan.facts(plan.runs[1]).keys()
    row = {"strategy": "margin", "within_neighbours": 9, "query_classes": "bee", "then": {"strategy": "coreset", "after": 20}}
    run = make(LENGTH, [row]).runs[0]
    assert run.then is not None
    assert (run.then.within_neighbours, run.then.query_classes) == (9, "bee")
    with pytest.raises(UsageError, match="query_classes has no effect with margin"):
        make(LENGTH, [{"strategy": "margin", "query_classes": "bee"}])
    with pytest.raises(UsageError, match="within_neighbours has no effect with classifier fasttext, which reads text"):
        make(LENGTH, [{"strategy": "margin", "within_neighbours": 9, "classifier": "fasttext"}])


def test_select_asks_the_same_by_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library("usearch")
    monkeypatch.chdir(tmp_path)
    truth = known_truth(tmp_path, 160, 0.7)
    names = ("margin", "coreset", "flqmi", "random", "alamp", "badge", "cluster-margin", "typiclust", "uherding", "auto")
    settings = {"seed_size": 12, "rounds": 1, "budget": 7, "jobs": 1, "plan": "plan.toml", "output": "out"}
    (tmp_path / "plan.toml").write_text("within_neighbours = 9\n" + "".join(f'[[run]]\nstrategy = "{name}"\n' for name in names))
    quiet = Console(quiet=True)
    simulate.run(simulate.Options(**settings, features="f.parquet", labels="truth.parquet"), quiet)  # type: ignore[arg-type]

    def asked(name: str, number: int) -> list[str]:
        rows = pq.read_table(f"out/runs/{name}-000/picks.parquet").to_pylist()
        return [row["id"] for row in rows if row["round"] == number]

    drawn = asked("random", 0)
    labels = {"id": drawn, "label": [CLASSES[truth[int(id_[-4:])]] for id_ in drawn], "source": ["seed"] * 12, "round": [0] * 12}
    write(pa.table(labels), tmp_path / "l.parquet")
    table = pq.read_table("f.parquet")
    kept = [row for row in range(160) if row % 4]  # what is held out is in no pool of a simulation
    write(
        features(np.array(table.column("features").to_pylist(), np.float32)[kept], [f"row-{row:04d}" for row in kept]),
        tmp_path / "g.parquet",
    )
    train.run(train.Options(features="g.parquet", labels="l.parquet", output="model"), quiet)
    score.run(score.Options(model="model", features="g.parquet", output="p.parquet"), quiet)
    index.run(index.Options(features="g.parquet"), quiet)
    for name in names:
        given = {"predictions": "p.parquet", "features": "g.parquet", "labels": "l.parquet", "budget": 7, "within_neighbours": 9}
        given["seed"] = seeds.integer(0, "simulate", 0)
        select.run(Options(strategy=name, output=f"{name}.parquet", **given), quiet)  # type: ignore[arg-type]
        assert pq.read_table(f"{name}.parquet").column("id").to_pylist() == asked(name, 1), name
