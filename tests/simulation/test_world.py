"""A world per repeat: what is drawn anew, what stays, and that it depends on the seed and the repeat alone."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from altool.errors import InputError
from altool.simulation.from_model import Part, Pool
from altool.simulation.plan import make
from altool.simulation.replay import replay
from altool.simulation.world import Truth, World, draw, facts, load, store
from altool.tables import align

CLASSES = ("ant", "bee", "cat")
SIZES = (120, 60, 20)
CODES = np.random.default_rng(0).permutation(np.repeat(np.arange(3), SIZES))


def truth(held: int = 0) -> Truth:
    """200 rows, of which the last `held` are held out by the tables."""
    index = align.index([pa.array([f"row-{row:03d}" for row in range(200)])], "features")
    rows = np.arange(200)
    return Truth(index, rows[: 200 - held], CODES[: 200 - held], rows[200 - held :], CODES[200 - held :], CLASSES)


def sizes(world: World, rows: str = "rows") -> list[int]:
    return np.bincount(CODES[getattr(world, rows)], minlength=3).tolist()


def test_without_resample_all_repeats_have_one_world() -> None:
    first, second = (draw(truth(), {"imbalance": "4"}, 7, repeat, "labels") for repeat in (0, 1))
    assert first.rows.tolist() == second.rows.tolist()
    assert first.held is not None
    assert second.held is not None
    assert first.held.tolist() == second.held.tolist()
    assert sizes(first, "held") == [24, 12, 4]
    assert sizes(first) == [96, 24, 4]  # 1, 1/2 and 1/4 of 96, 48 and 16


def test_resample_draws_the_split_the_tail_and_the_pool() -> None:
    settings = {"imbalance": "4", "pool_share": 0.5, "resample": True}
    worlds = [draw(truth(), settings, 7, repeat, "labels") for repeat in range(20)]
    assert all(sizes(world, "held") == [24, 12, 4] for world in worlds)
    assert all(not set(world.rows) & set(world.held) for world in worlds if world.held is not None)
    assert len({tuple(world.held) for world in worlds if world.held is not None}) == 20
    tails = {tuple(sizes(world)) for world in worlds}
    whole = (96, 48, 16)
    shares = {(1, 2, 4), (1, 4, 2), (2, 1, 4), (2, 4, 1), (4, 1, 2), (4, 2, 1)}
    assert len(tails) > 3
    assert tails <= {tuple(round(size / 2 / share) for size, share in zip(whole, order, strict=True)) for order in shares}
    assert len({facts(truth(), world) for world in worlds}) == 20


def test_classes_that_are_named_stay_the_rare_ones() -> None:
    for settings in ({"imbalance": "cat=0.25"}, {"imbalance": "4", "rare_classes": "cat"}):
        worlds = [draw(truth(), {**settings, "resample": True}, 7, repeat, "labels") for repeat in range(4)]
        assert {tuple(sizes(world)) for world in worlds} == {(96, 48, 4)}
        assert len({tuple(world.rows) for world in worlds}) == 4


def test_rows_that_the_tables_hold_out_stay_held_out() -> None:
    world = draw(truth(held=40), {"pool_share": 0.5, "resample": True}, 7, 0, "labels")
    assert world.held is None
    assert len(world.rows) == sum(round(size / 2) for size in np.bincount(CODES[:160]).tolist())
    assert draw(truth(held=40), {}, 7, 0, "labels").rows.tolist() == list(range(160))


def test_nothing_to_measure_on() -> None:
    few = Truth(truth().index, np.arange(3), np.arange(3), np.arange(0), np.arange(0), CLASSES)
    with pytest.raises(InputError, match="labels: 3 rows to choose from and 0 to measure on"):
        draw(few, {}, 0, 0, "labels")


def test_a_part_is_an_array_whose_rows_are_not_copied() -> None:
    whole, positions = np.random.default_rng(1).normal(size=(9, 2)), np.array([1, 4, 5, 8])
    part = Part(whole, positions)
    assert (len(part), part.shape, part.dtype) == (4, (4, 2), whole.dtype)
    for places in (np.array([2, 0]), slice(1, 3), np.array([True, False, False, True]), 3):
        assert np.array_equal(part[places], whole[positions][places])
    assert np.array_equal(np.asarray(part), whole[positions])


ROWS = [{"strategy": "kmeans", "seed_strategy": "coreset"}]
ROWS += [
    {"strategy": name} for name in ("margin", "coreset", "auto", "uherding", "typiclust", "dropquery", "badge", "cluster-margin", "direct")
]


@pytest.mark.parametrize("row", ROWS)
def test_a_world_is_replayed_as_the_pool_of_its_rows_alone(row: dict[str, Any]) -> None:
    draws = np.random.default_rng(2)
    features = (np.eye(3, 4)[CODES] * 2 + draws.normal(size=(200, 4))).astype(np.float32)
    whole = Pool(features, CODES, features[:0], CODES[:0], CLASSES)
    world = draw(truth(), {"pool_share": 0.5, "resample": True}, 7, 3, "labels")
    assert world.held is not None
    alone = Pool(features[world.rows], CODES[world.rows], features[world.held], CODES[world.held], CLASSES)
    plan = make({"seed_size": 6, "rounds": 2, "budget": 5}, [row])
    found, expected = (replay(pool, plan, plan.runs[0], 3) for pool in (world.of(whole), alone))
    assert [part.positions.tolist() for part in found.asked] == [part.positions.tolist() for part in expected.asked]
    for mine, theirs in zip(found.rounds, expected.rounds, strict=True):
        assert mine.evaluation.overall["macro_f1"][0] == theirs.evaluation.overall["macro_f1"][0]


def test_the_whole_pool_of_each_repeat_is_measured(tmp_path: Path) -> None:
    settings = {"imbalance": "ir=0.9", "pool_share": 0.8, "resample": True, "measure": "pool"}
    pool = Pool(np.arange(200.0)[:, None], CODES, np.empty((0, 1)), np.empty(0, np.int64), CLASSES)
    used = np.arange(200)
    for repeat in range(3):
        world = draw(truth(), settings, 7, repeat, "labels")
        found = sizes(world)
        assert np.std(found) / np.mean(found) == pytest.approx(0.9, abs=0.02)
        own = pickle.loads(pickle.dumps(world)).among(used).of(pool)
        assert own.held_rows[:].tolist() == own.rows[:].tolist() == world.rows[:, None].tolist()
        assert own.held_truth.tolist() == CODES[world.rows].tolist()
    assert draw(truth(), {"measure": "pool"}, 7, 0, "labels").rows.tolist() == list(range(200))
    whole = Pool(pool.rows, CODES, pool.rows, CODES, CLASSES)
    store(tmp_path / "pool", [whole], pa.array(["a"] * 200), 1)
    assert sorted(path.name for path in (tmp_path / "pool" / "0").iterdir()) == ["rows.npy", "truth.npy"]
    found, _, _ = load(tmp_path / "pool", 0)
    assert found.held_rows is found.rows
    assert found.held_truth.tolist() == CODES.tolist()
