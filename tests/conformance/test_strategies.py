"""What every registered strategy promises (CONTRIBUTING.md, "Conformance"); a new strategy gets these for free."""

from __future__ import annotations

import random as python_random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from altool import seeds
from altool.engines.local import limited
from altool.engines.scratch import Scratch
from altool.errors import InputError
from altool.kernels.top import top
from altool.strategies import registry
from altool.strategies.registry import PENDING
from altool.wrappers.ask import replay
from altool.wrappers.choose import Request, choose

TESTS = Path(__file__).parents[1] / "strategies"
OPTIONS = {"query_classes": [0, 2], "private_classes": [1], "clarifier_budgets": (0, 0, 0)}
SCORING = [name for name in registry.names() if registry.load(name).shape == "score"]
NEED_LABELS = {"flqmi", "flvmi", "gcmi", "com", "logdetmi", "flcmi", "logdetcmi", "clarifier"}  # mutual information with labeled rows
MAY_STAY_SHORT = {"clarifier"}  # rows that two classes want, and classes that nobody is predicted to be in
PICKING = [name for name in registry.names() if registry.load(name).shape == "pick"]
SUBSET = {name: {"subset_factor": 0} for name in SCORING if "subset_factor" in registry.load(name).option_names}
ASKING = [name for name in registry.names() if registry.load(name).shape == "ask"]


def arrays(rows: np.ndarray, seed: int = 0, labeled: int = 12) -> dict[str, Any]:
    """Every array that a strategy may take, for these probabilities (n, K)."""
    draw = np.random.default_rng(99)
    classes = rows.shape[1]
    return {
        "probabilities": rows,
        "mutual_information": draw.random(len(rows), np.float32),
        "predicted_loss": np.random.default_rng(97).normal(size=len(rows)).astype(np.float32),
        "labeled_probability": np.random.default_rng(98).random(len(rows), np.float32),
        "features": draw.normal(size=(len(rows), 8)).astype(np.float32),
        "labeled_probabilities": draw.dirichlet(np.ones(classes), labeled).astype(np.float32),
        "labeled_features": draw.normal(size=(labeled, 8)).astype(np.float32),
        "labels": np.arange(labeled) % classes,
        "automatic": np.arange(labeled) % 3 == 1,
        "likeliest": rows.argmax(axis=1).astype(np.int32),
        "confidence": rows.max(axis=1),
        "classes": classes,
        "hard": lambda places, count: places[:count],
        "head": (draw.normal(size=(classes, 8)).astype(np.float32), draw.normal(size=classes).astype(np.float32)),
        "ranks": draw.permutation(len(rows)).astype(np.float64) + 1,
        "count": len(rows),
        "rng": np.random.default_rng(seed),
        "draw": partial(seeds.generator, seed),
        "parallel": 7,
    }


def call(name: str, given: dict[str, Any]) -> np.ndarray:
    strategy = registry.load(name)
    options: dict[str, Any] = {key: OPTIONS[key] for key in strategy.option_names if key in OPTIONS}
    if "clarifier_budgets" in options:
        third = given["count"] // 3
        options["clarifier_budgets"] = (given["count"] - 2 * third, third, third)
    found = strategy.function(*(given[key] for key in (*strategy.takes, *strategy.optional)), **options)
    if strategy.shape == "ask":  # of an oracle that agrees with the model
        return replay(found, given["probabilities"].argmax(axis=1)).asked.rows
    return found[0] if strategy.marks else found


def pick(name: str, given: dict[str, Any], count: int = 10) -> np.ndarray:
    return call(name, {**given, "count": count, "rng": np.random.default_rng(4)})


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(3).dirichlet(np.ones(4), 60).astype(np.float32)


@pytest.mark.parametrize("name", registry.names())
def test_has_a_test_of_its_own(name: str) -> None:
    assert (TESTS / f"test_{name.replace('-', '_')}.py").exists()


@pytest.mark.parametrize("name", registry.names())
def test_says_what_it_is(name: str) -> None:
    strategy = registry.load(name)
    assert strategy.name == name
    assert strategy.summary
    assert set(strategy.tables) <= {"predictions", "features", "labels", "model", "queue"}
    assert set(strategy.option_names) == {option.name for option in strategy.options}


@pytest.mark.parametrize("name", SCORING)
def test_one_finite_float64_per_candidate(name: str, rows: np.ndarray) -> None:
    scores = call(name, arrays(rows))
    assert scores.dtype == np.float64
    assert scores.shape == (60,)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("name", SCORING)
def test_the_same_seed_gives_the_same_answer(name: str, rows: np.ndarray) -> None:
    assert np.array_equal(call(name, arrays(rows, 5)), call(name, arrays(rows, 5)))


@pytest.mark.parametrize("name", SCORING)
def test_inputs_are_left_alone(name: str, rows: np.ndarray) -> None:
    given = arrays(rows)
    before = {key: value.copy() for key, value in given.items() if isinstance(value, np.ndarray)}
    for key in before:
        given[key].setflags(write=False)
    call(name, given)
    assert all(np.array_equal(given[key], value) for key, value in before.items())


@pytest.mark.parametrize("name", [name for name in SCORING if "rng" not in registry.load(name).takes])
def test_permuting_the_candidates_permutes_the_answer(name: str, rows: np.ndarray) -> None:
    given = arrays(rows)
    shuffle = np.random.default_rng(8).permutation(60)
    moved = {key: value[shuffle] if isinstance(value, np.ndarray) and len(value) == 60 else value for key, value in given.items()}
    assert np.array_equal(call(name, moved), call(name, given)[shuffle])


@pytest.mark.parametrize("name", [name for name in SCORING if registry.load(name).rowwise])
@pytest.mark.parametrize("size", [1, 7, 59])
def test_the_chunk_size_does_not_change_the_answer(name: str, size: int, rows: np.ndarray) -> None:
    given = arrays(rows)
    column = registry.load(name).takes[0]
    parts = [call(name, {**given, column: given[column][start : start + size]}) for start in range(0, 60, size)]
    assert np.array_equal(np.concatenate(parts), call(name, given))


@pytest.mark.parametrize("name", SCORING)
@pytest.mark.parametrize("special", ["duplicates", "one-hot", "one row", "zeros"])
def test_special_rows_stay_finite(name: str, special: str, rows: np.ndarray) -> None:
    given = {
        "duplicates": np.repeat(rows[:2], 30, axis=0),
        "one-hot": np.eye(4, dtype=np.float32)[np.arange(60) % 4],
        "one row": rows[:1],
        "zeros": np.concatenate([rows[:, :2] / rows[:, :2].sum(1, keepdims=True), np.zeros((60, 2), np.float32)], axis=1),
    }[special]
    scores = call(name, arrays(given))
    assert np.isfinite(scores).all()
    if special == "duplicates" and registry.load(name).takes == ("probabilities",):
        assert len(np.unique(scores)) <= 2


@pytest.mark.parametrize("name", SCORING)
def test_all_rows_can_be_chosen_once_each(name: str, rows: np.ndarray) -> None:
    scores = call(name, arrays(rows))
    for count in (60, 61, 1000):
        chosen = top(scores, count)
        assert chosen.dtype == np.int64
        assert sorted(chosen.tolist()) == list(range(60))
        assert (np.diff(scores[chosen]) <= 0).all()


@pytest.mark.parametrize("name", registry.names())
def test_global_random_state_is_untouched(name: str, rows: np.ndarray) -> None:
    before = np.random.get_state()[1].copy(), python_random.getstate(), torch.get_rng_state()  # type: ignore[index,union-attr]
    call(name, arrays(rows))
    after = np.random.get_state()[1], python_random.getstate(), torch.get_rng_state()  # type: ignore[index]
    assert np.array_equal(before[0], after[0])
    assert before[1] == after[1]
    assert torch.equal(before[2], after[2])


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKING + ASKING)
@pytest.mark.parametrize("count", [0, 1, 10, 60, 61])
def test_picks_are_distinct_positions(name: str, count: int, rows: np.ndarray) -> None:
    chosen = pick(name, arrays(rows), count)
    assert chosen.dtype == np.int64
    assert chosen.shape == (min(count, 60),) or (name in MAY_STAY_SHORT and 0 < len(chosen) < count)
    assert len(set(chosen.tolist())) == len(chosen)
    assert all(0 <= position < 60 for position in chosen)


@pytest.mark.parametrize("name", PICKING + ASKING)
def test_picks_repeat_and_leave_their_inputs_alone(name: str, rows: np.ndarray) -> None:
    given = arrays(rows)
    held = [value for value in [*given.values(), *given["head"]] if isinstance(value, np.ndarray)]
    before = [value.copy() for value in held]
    for value in held:
        value.setflags(write=False)
    chosen = pick(name, given)
    assert np.array_equal(chosen, pick(name, given))
    assert all(np.array_equal(*pair) for pair in zip(held, before, strict=True))


@pytest.mark.parametrize("name", [name for name in PICKING if "rng" not in registry.load(name).takes])
def test_permuting_the_candidates_permutes_the_picks(name: str, rows: np.ndarray) -> None:
    given = arrays(rows)
    shuffle = np.random.default_rng(8).permutation(60)
    moved = {**given, **{key: given[key][shuffle] for key in ("features", "probabilities", "likeliest", "confidence")}}
    assert np.array_equal(shuffle[pick(name, moved)], pick(name, given))


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKING)
@pytest.mark.parametrize("threads", [1, 3])
def test_threads_files_and_tensors_give_the_same_picks(name: str, threads: int, rows: np.ndarray) -> None:
    given = arrays(rows)
    expected = pick(name, given)
    places = {"features", "probabilities", "labeled_features", "labeled_probabilities"}
    for place in (in_a_file, torch.from_numpy):
        with limited(threads):
            assert np.array_equal(pick(name, {key: place(value) if key in places else value for key, value in given.items()}), expected)


def in_a_file(matrix: np.ndarray) -> np.ndarray:
    array = Scratch(0).empty(matrix.shape, matrix.dtype)
    array[:] = matrix
    return array


@pytest.mark.slow
@pytest.mark.parametrize("name", PICKING)
@pytest.mark.parametrize("special", ["duplicates", "one point", "origin", "one-hot", "one row", "float16", "zeros"])
def test_special_pools_are_picked_out(name: str, special: str, rows: np.ndarray) -> None:
    given = arrays(rows)
    features = given["features"]
    change: dict[str, dict[str, Any]] = {
        "duplicates": {"features": np.repeat(features[:6], 10, axis=0), "probabilities": np.repeat(rows[:6], 10, axis=0)},
        "one point": {"features": np.repeat(features[:1], 60, axis=0), "probabilities": np.repeat(rows[:1], 60, axis=0)},
        "origin": {"features": np.zeros_like(features)},
        "one-hot": {"probabilities": np.eye(4, dtype=np.float32)[np.arange(60) % 4]},
        "one row": {"features": features[:1], "probabilities": rows[:1], "count": 1},
        "float16": {"features": features.astype(np.float16), "labeled_features": given["labeled_features"].astype(np.float16)},
        "zeros": {"probabilities": np.eye(4, dtype=np.float32)[np.zeros(60, int)]},
    }
    given |= change[special]
    size = len(given["features"])
    for count in (min(10, size), size):
        chosen = pick(name, given, count).tolist()
        assert len(set(chosen)) == len(chosen)
        assert len(chosen) == count or (name in MAY_STAY_SHORT and 0 < len(chosen) < count)


@pytest.mark.parametrize("name", PICKING + ASKING)
def test_without_labeled_rows_it_works_or_says_so(name: str, rows: np.ndarray) -> None:
    given = arrays(rows, labeled=0)
    if name in NEED_LABELS:
        with pytest.raises(InputError, match="label"):
            pick(name, given)
    else:
        assert len(set(pick(name, given).tolist())) == 10


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("special", ["duplicates", "one-hot", "one row", "float16", "zeros", "file"])
def test_special_pools_are_asked_out(name: str, special: str, rows: np.ndarray) -> None:
    given = arrays(rows)
    probabilities = {
        "duplicates": np.repeat(rows[:6], 10, axis=0),
        "one-hot": np.eye(4, dtype=np.float32)[np.arange(60) % 4],
        "one row": rows[:1],
        "float16": rows.astype(np.float16),
        "zeros": np.eye(4, dtype=np.float32)[np.zeros(60, int)],
        "file": in_a_file(rows),
    }[special]
    given |= {"probabilities": probabilities, "labeled_probabilities": given["labeled_probabilities"].astype(probabilities.dtype)}
    size = len(probabilities)
    for count in (min(10, size), size):
        assert len(set(pick(name, given, count).tolist())) == count


@pytest.mark.parametrize("name", [name for name in SCORING if "rng" not in registry.load(name).takes])
def test_rows_tie_by_the_score_that_is_written(name: str, rows: np.ndarray) -> None:
    """Copies that differ by less than float32 tells, in float64 predictions, go by place."""
    near = np.repeat(rows[:12].astype(np.float64), 5, axis=0) + np.tile(
        [[3e-12, -1e-12, -1e-12, -1e-12], [0] * 4, [0, 0, 2e-12, -2e-12]], (20, 1)
    )
    given = arrays(near)
    scores = call(name, given).astype(np.float32)
    options = {"query_classes": OPTIONS["query_classes"]} if "query_classes" in registry.load(name).option_names else {}
    request = Request(registry.load(name), 25, partial(seeds.generator, 0), {**options, **SUBSET.get(name, {})})
    assert choose(request, 60, given).places.tolist() == sorted(range(60), key=lambda row: (-scores[row], row))[:25]


@pytest.mark.parametrize("name", [name for name in registry.names() if name != "clarifier"])
def test_a_pool_that_looks_all_the_same_is_not_asked_in_id_order(name: str) -> None:
    given = arrays(np.eye(4, dtype=np.float32)[np.zeros(60, int)])
    constant = ("mutual_information", "predicted_loss", "labeled_probability", "ranks")
    given |= {key: np.full(60, 0.5, np.float32) for key in constant} | {
        "answers": np.full(60, PENDING),
        "features": np.ones((60, 8), np.float32),
    }
    options = {key: OPTIONS[key] for key in registry.load(name).option_names if key in ("query_classes", "private_classes")}
    found = []
    for seed in (1, 1, 2):
        request = Request(registry.load(name), 15, partial(seeds.generator, seed), {**options, **SUBSET.get(name, {})}, parallel=15)
        found.append(choose(request, 60, given).places.tolist())
    assert found[0] == found[1] != found[2]
    assert all(len(set(places)) == len(places) and max(places) >= 30 for places in found)
