"""What every registered strategy promises (style.md, "Conformance tests"); a new strategy gets these for free."""

from __future__ import annotations

import random as python_random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from altool.kernels.top import top
from altool.strategies import registry

TESTS = Path(__file__).parents[1] / "strategies"
OPTIONS = {"query_classes": [0, 2]}
SCORING = [name for name in registry.names() if registry.load(name).shape == "score"]


def arrays(rows: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Every array that a strategy may take, for these probabilities (n, K)."""
    draw = np.random.default_rng(99)
    return {
        "probabilities": rows,
        "features": draw.normal(size=(len(rows), 8)).astype(np.float32),
        "ranks": draw.permutation(len(rows)).astype(np.float64) + 1,
        "count": len(rows),
        "rng": np.random.default_rng(seed),
    }


def call(name: str, given: dict[str, Any]) -> np.ndarray:
    strategy = registry.load(name)
    return strategy.function(**{key: given[key] for key in strategy.takes}, **{key: OPTIONS[key] for key in strategy.options})


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(3).dirichlet(np.ones(4), 60).astype(np.float32)


@pytest.mark.parametrize("name", registry.names())
def test_has_a_test_of_its_own(name: str) -> None:
    module = name.replace("-", "_")
    assert any(f" {module}" in path.read_text() or f"{module}." in path.read_text() for path in TESTS.glob("test_*.py"))


@pytest.mark.parametrize("name", registry.names())
def test_says_what_it_is(name: str) -> None:
    strategy = registry.load(name)
    assert strategy.name == name
    assert strategy.summary
    assert set(strategy.tables) <= {"predictions", "features", "queue"}


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
    moved = {key: value[shuffle] if isinstance(value, np.ndarray) else value for key, value in given.items()}
    assert np.array_equal(call(name, moved), call(name, given)[shuffle])


@pytest.mark.parametrize("name", [name for name in SCORING if registry.load(name).rowwise])
@pytest.mark.parametrize("size", [1, 7, 59])
def test_the_chunk_size_does_not_change_the_answer(name: str, size: int, rows: np.ndarray) -> None:
    parts = [call(name, arrays(rows[start : start + size])) for start in range(0, 60, size)]
    assert np.array_equal(np.concatenate(parts), call(name, arrays(rows)))


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
    if special == "duplicates" and registry.load(name).rowwise:
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
    before = np.random.get_state()[1].copy(), python_random.getstate()  # type: ignore[index,union-attr]
    call(name, arrays(rows))
    after = np.random.get_state()[1], python_random.getstate()  # type: ignore[index]
    assert np.array_equal(before[0], after[0])
    assert before[1] == after[1]
