"""simulate --start-predictions: what predictions from elsewhere choose, until a model is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from altool.errors import InputError, UsageError
from altool.metrics.gaps import Aims
from altool.simulation import plan as plans
from altool.simulation.from_model import Pool
from altool.simulation.replay import History, replay
from altool.simulation.start import read
from altool.simulation.world import Truth
from altool.tables.arrays import read_index
from altool.tables.read import Reader

CLASSES = ("ant", "bee", "cat")
DRAW = np.random.default_rng(0)
TRUTH = DRAW.choice(3, size=60, p=[0.8, 0.15, 0.05])
ROWS = (np.eye(3, 4)[TRUTH] * 3 + DRAW.normal(size=(60, 4))).astype(np.float32)
START = DRAW.dirichlet(np.ones(3), 60).astype(np.float32)
POOL = Pool(ROWS, TRUTH, ROWS, TRUTH, CLASSES)


def history(row: dict[str, Any], start: np.ndarray | None = START, aims: Aims | None = None, **settings: Any) -> History:
    made = plans.make({"seed_size": 0, "rounds": 2, "budget": 4, **settings}, [{"start_predictions": "p.parquet", **row}])
    return replay(POOL, made, made.runs[0], 0, start=start, aims=aims)


def test_they_choose_until_a_model_is_trained() -> None:
    found = history({"strategy": "margin", "suggest": True})
    two = np.sort(START, axis=1)[:, -2:]
    first = np.argsort(two[:, 1] - two[:, 0])[:4]
    assert found.asked[0].positions.tolist() == first.tolist()
    assert found.asked[0].suggested.tolist() == START[first].argmax(axis=1).tolist()
    assert [part.number for part in found.asked] == [1, 2]
    assert [int(entry.labels.sum()) for entry in found.rounds] == [4, 8]  # nothing is measured without a label
    other = history({"strategy": "margin"}, start=START[::-1].copy())
    assert other.asked[0].positions.tolist() != first.tolist()


def test_the_likeliest_rows_of_a_rare_class_are_found_in_the_first_round() -> None:
    """As zero-shot predictions of a good model find them."""
    good = (0.7 * np.eye(3)[TRUTH] + 0.3 * START).astype(np.float32)
    found = history({"strategy": "most-likely-positive", "query_classes": "cat"}, start=good, rounds=1, budget=2)
    assert found.asked[0].answers.tolist() == [2, 2]


def test_a_target_aware_run_takes_every_class_to_be_at_0() -> None:
    for code in (0, 2):
        aims = Aims(("recall",) * 3, 0.9 * np.eye(3)[code], np.ones(3), (0.9,) * 3)
        found = history({"strategy": "margin", "target_aware": True}, aims=aims, rounds=1, budget=12)
        assert np.bincount(found.asked[0].target_class, minlength=3).argmax() == code


def test_a_strategy_of_features_is_given_them() -> None:
    assert len(history({"strategy": "coreset"}).asked) == 2
    assert len(history({"strategy": "badge"}).asked) == 2


@pytest.mark.parametrize(
    ("row", "settings", "message"),
    [
        ({"strategy": "margin"}, {"seed_size": 6}, 'run "margin", start_predictions has no effect with a seed set of 6 rows'),
        ({"strategy": "learning-loss", "classifier": "mlp"}, {}, "learning-loss needs a loss ranker"),
        ({"strategy": "direct"}, {}, 'run "direct", strategy: direct needs more than predictions'),
    ],
)
def test_what_they_cannot_choose_by_is_refused(row: dict[str, Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        history(row, **settings)


def test_a_strategy_that_needs_a_model_may_begin_with_them_alone() -> None:
    with pytest.raises(UsageError, match="margin cannot choose without a model") as caught:
        plans.make({"seed_size": 0, "rounds": 1, "budget": 4}, [{"strategy": "margin"}])
    assert "--start-predictions" in caught.value.hint


def table(path: Path, ids: list[str], names: list[str], rows: list[list[float]]) -> None:
    column = pa.array(rows, pa.list_(pa.float32(), len(names)))
    made = pa.table({"id": ids, "probabilities": column})
    pq.write_table(made.replace_schema_metadata({"altool.classes": str(names).replace("'", '"')}), path)


def test_they_are_matched_by_id_and_class(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a", "b", "c", "d"]}), tmp_path / "ids.parquet")
    index = read_index(Reader().open(str(tmp_path / "ids.parquet"), "ids"))
    none = np.arange(0)
    truth = Truth(index, np.array([0, 2, 3]), np.array([0, 1, 0]), none, none, ("cow", "insect", "cat"), {"ant": "insect", "bee": "insect"})
    rows = [[0.25, 0.25, 0.5], [0.75, 0.125, 0.125], [0.0, 0.5, 0.5]]
    table(tmp_path / "p.parquet", ["d", "c", "a"], ["cat", "bee", "ant"], rows)
    found, _ = read(Reader().open(str(tmp_path / "p.parquet"), "predictions"), truth)
    assert found[[0, 2, 3]].tolist() == [[0, 1, 0], [0, 0.25, 0.75], [0, 0.75, 0.25]]
    table(tmp_path / "few.parquet", ["d", "c"], ["cat", "bee", "ant"], rows[:2])
    with pytest.raises(InputError, match=r"1 row of the truth without a prediction .ids a"):
        read(Reader().open(str(tmp_path / "few.parquet"), "predictions"), truth)
    table(tmp_path / "other.parquet", ["a", "c", "d"], ["cat", "dog", "ant"], rows)
    with pytest.raises(InputError, match=r"1 class of no row of the truth .dog"):
        read(Reader().open(str(tmp_path / "other.parquet"), "predictions"), truth)


def test_the_command_takes_them(altool: Callable[..., Any], tmp_path: Path) -> None:
    ids = [f"{row:02d}" for row in range(60)]
    pq.write_table(pa.table({"id": ids, "features": pa.array(list(ROWS), pa.list_(pa.float32(), 4))}), tmp_path / "f.parquet")
    pq.write_table(pa.table({"id": ids, "label": [CLASSES[code] for code in TRUTH]}), tmp_path / "truth.parquet")
    table(tmp_path / "p.parquet", ids, list(CLASSES), START.tolist())
    (tmp_path / "plan.toml").write_text('start_predictions = "p.parquet"\n[[run]]\nstrategy = "margin"\n')
    common = ("--features", "f.parquet", "--labels", "truth.parquet", "--seed-size", "0", "--rounds", "1", "--budget", "3", "--jobs", "1")
    altool("simulate", *common, "--strategy", "margin", "--start-predictions", "p.parquet", "-o", "out")
    altool("simulate", *common, "--plan", "plan.toml", "-o", "planned")
    picks = [pq.read_table(tmp_path / name / "runs" / "margin-000" / "picks.parquet") for name in ("out", "planned")]
    assert picks[0].equals(picks[1])
    two = np.sort(START, axis=1)[:, -2:]
    chosen = [int(name) for name in picks[0]["id"].to_pylist()]
    assert set(chosen) <= set(np.argsort(two[:, 1] - two[:, 0])[:20].tolist())  # the smallest margins, but for the rows held out
    changed = START.copy()
    changed[0] = [0.2, 0.3, 0.5]
    table(tmp_path / "p.parquet", ids, list(CLASSES), changed.tolist())
    assert "other settings, data or version" in altool("simulate", *common, "--plan", "plan.toml", "-o", "planned", code=3).said
