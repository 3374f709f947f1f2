"""Farthest-first against the float64 loop, on small pools, on ties and on data made to mislead float32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import reference_eager
from extra import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from altool.engines.local import limited
from altool.kernels import farthest_first as module
from altool.kernels.blocks import host
from altool.kernels.farthest_first import farthest_first
from altool.kernels.gradients import ceiling, contenders, squares

NONE = np.empty((0, 3), np.float32)


def single(matrix: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrix, np.float32)


def expected(features: np.ndarray, labeled: np.ndarray, count: int, first: int | None = None) -> np.ndarray:
    return reference_eager.farthest_first(features, labeled, count, first, precise=True)


def make(draw: np.random.Generator, kind: str, rows: int, width: int) -> np.ndarray:
    normal = draw.standard_normal((rows, width))
    grid = draw.integers(-1, 2, (rows, width)).astype(float)
    return single(
        {
            "normal": normal,
            "grid": grid,
            "repeated": normal[draw.integers(0, 1 + rows // 4, rows)],
            "far": 3000 + normal,
            "near-duplicates": 100 * grid + 1e-4 * normal,
            "tails": draw.standard_t(1, (rows, width)),
            "one-hot": np.eye(width)[draw.integers(0, width, rows)],
            "sphere": normal / np.linalg.norm(normal, axis=1, keepdims=True),
            "flat": draw.standard_normal((rows, 2)) @ draw.standard_normal((2, width)),
            "one point": np.repeat(normal[:1], rows, axis=0),
            "origin": 0 * normal,
            "huge": 1e25 * normal,
            "tiny": 1e-25 * normal,
        }[kind]
    )


KINDS = [
    "normal",
    "grid",
    "repeated",
    "far",
    "near-duplicates",
    "tails",
    "one-hot",
    "sphere",
    "flat",
    "one point",
    "origin",
    "huge",
    "tiny",
]


@pytest.fixture(params=["as it is", "small"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with pools and blocks so small that a few rows need many of them."""
    if request.param == "small":
        for name, value in {"POOL": 5, "CENTRES": 3, "SKETCH": 4}.items():
            monkeypatch.setattr(module, name, value)


@pytest.mark.slow
@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # huge overflows, which must do no harm
def test_equals_the_float64_loop_on_small_pools(kind: str) -> None:
    draw = np.random.default_rng(len(kind))
    for _ in range(25):
        rows, labeled, width = int(draw.integers(1, 40)), int(draw.integers(0, 8)), int(draw.integers(1, 6))
        both = make(draw, kind, rows + labeled, width)
        features, known = both[labeled:], both[:labeled]
        first = int(draw.integers(rows)) if labeled == 0 or draw.random() < 0.3 else None
        count = int(draw.integers(0, rows + 3))
        assert farthest_first(features, known, count, first).tolist() == expected(features, known, count, first).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "huge"])
@pytest.mark.parametrize("labeled", [0, 300])
def test_equals_the_float64_loop_on_larger_ones(kind: str, labeled: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL", 200)
    both = make(np.random.default_rng(5), kind, 2500 + labeled, 24)
    features, known = both[labeled:], both[:labeled]
    first = None if labeled else 11
    assert farthest_first(features, known, 150, first).tolist() == expected(features, known, 150, first).tolist()


def test_known_picks() -> None:
    line = single(np.array([[0], [1], [5], [9], [10]]))
    assert farthest_first(line, line[:1], 5).tolist() == [4, 2, 1, 3, 0]  # 1 and 9 tie; 0 is labeled already, at distance 0
    assert farthest_first(line, line[:0], 3, 2).tolist() == [2, 0, 4]  # 0 and 10 tie
    assert farthest_first(line, line[:1], 2, 1).tolist() == [1, 4]


def test_distance_zero_comes_last_and_by_position() -> None:
    features = single(np.repeat(np.random.default_rng(0).standard_normal((3, 7)) + 1e4, 4, axis=0))
    chosen = farthest_first(features, features[:1], 12).tolist()
    assert sorted(chosen[:2]) == [4, 8]
    assert chosen[2:] == [0, 1, 2, 3, 5, 6, 7, 9, 10, 11]


def test_needs_a_centre() -> None:
    with pytest.raises(ValueError, match="neither"):
        farthest_first(np.zeros((4, 3), np.float32), NONE, 2)
    assert farthest_first(np.zeros((4, 3), np.float32), NONE, 0).tolist() == []
    assert farthest_first(NONE, NONE, 3).tolist() == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["tensor", "file", "float16", "columns"])
@pytest.mark.parametrize("threads", [1, 3])
def test_places_types_and_threads(place: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POOL", 300)
    both = make(np.random.default_rng(2), "normal", 5100, 16).astype(np.float16).astype(np.float32)

    def mapped(matrix: np.ndarray) -> np.ndarray:
        np.save(tmp_path / "matrix.npy", matrix)
        return np.load(tmp_path / "matrix.npy", mmap_mode="r")

    put: Callable[[np.ndarray], np.ndarray] = {
        "tensor": torch.from_numpy,
        "file": mapped,
        "float16": lambda matrix: matrix.astype(np.float16),
        "columns": np.asfortranarray,
    }[place]
    with limited(threads):
        chosen = farthest_first(put(both[100:]), put(both[:100]) if place != "file" else both[:100], 80)
    assert chosen.tolist() == expected(both[100:], both[:100], 80).tolist()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 12), st.integers(1, 40), st.sampled_from([1e-3, 1, 1e3]), st.booleans())
def test_the_nearest_is_always_a_contender(seed: int, rows: int, centres: int, width: int, offset: float, tensors: bool) -> None:
    draw = np.random.default_rng(seed)
    x, c = single(draw.standard_normal((rows, width)) + offset), single(draw.standard_normal((centres, width)) + offset)
    c[:: max(1, centres // 2)] = x[0]
    exact = np.square(x[:, None].astype(np.float64) - c[None]).sum(axis=2)
    value = exact.min(axis=1) * draw.choice([0.5, 1, 2], rows)
    left, right = (torch.from_numpy(part) if tensors else part for part in (x, c))
    found = set(zip(*(index.tolist() for index in contenders(value, squares(left), squares(right), right @ left.T, width)), strict=True))
    for row in np.flatnonzero(exact.min(axis=1) <= value):
        assert (row, exact[row].argmin()) in found
    top = host(ceiling(squares(left), squares(right), right @ left.T, width))
    assert (top >= exact.min(axis=1)).all()
    assert (top <= exact.min(axis=1) * 1.001 + 1e-4 * np.square(x).sum(axis=1) + 1e-20).all()
