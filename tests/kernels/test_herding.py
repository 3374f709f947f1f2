"""Herding against loops in float64 over the definition."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from altool.engines.local import limited
from altool.kernels import herding

CONE = np.array([4.0, 3.0, 0.0, 0.0, 0.0, 0.0])


def vectors(count: int, width: int = 6, seed: int = 0) -> np.ndarray:
    """Rows in clumps, of different lengths, float32 (count, width)."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(5, width))[draw.integers(0, 5, count)] + 0.7 * draw.normal(size=(count, width))
    return (rows * draw.uniform(0.1, 10, (count, 1))).astype(np.float32)


def kernel(points: np.ndarray, others: np.ndarray, radius: float, name: str) -> np.ndarray:
    """k of all pairs of unit rows, float64, from their distances."""
    distances = np.array([[np.sqrt(max(0.0, 2 - 2 * float(one.astype(float) @ other))) for other in others] for one in points])
    return np.exp(-((distances / radius) ** 2)) if name == "gaussian" else (distances < radius).astype(float)


def brute(table: np.ndarray, weights: np.ndarray, covered: np.ndarray, count: int) -> tuple[list[int], list[float]]:
    """Plain greedy: `table` (E, C) is k(x, j)."""
    picks: list[int] = []
    gains: list[float] = []
    covered = covered.astype(float)
    for _ in range(min(count, table.shape[1])):
        gain = [weights @ np.maximum(column - covered, 0) if j not in picks else -1 for j, column in enumerate(table.T)]
        best = max(gain)
        if best <= 1e-5 * weights.max():
            break
        picks.append(next(j for j, value in enumerate(gain) if value >= best * (1 - 2e-6)))
        gains.append(best)
        covered = np.maximum(covered, table[:, picks[-1]])
    return picks, gains


def test_unit_rows() -> None:
    rows = np.array([[3, 4], [0, 0], [0, -2], [1, 1]], np.float32)
    assert herding.unit(rows) == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0, -1], [0.5**0.5, 0.5**0.5]]))
    assert herding.unit(rows, np.array([1.0, 1.0])) == pytest.approx(
        np.array([[2 / 13**0.5, 3 / 13**0.5], [-(0.5**0.5), -(0.5**0.5)], [-1 / 10**0.5, -3 / 10**0.5], [0, 0]])
    )
    assert herding.unit(rows.astype(np.float16)).dtype == np.float32
    assert herding.unit(rows[:0]).shape == (0, 2)


def test_a_row_of_any_length_has_a_direction() -> None:
    rows = np.array([[3e-30, 4e-30], [3e30, 4e30]], np.float32)
    assert herding.unit(rows) == pytest.approx(np.array([[0.6, 0.8]] * 2))


def test_rows_that_are_the_mean_but_for_rounding_have_no_direction() -> None:
    rows = np.repeat(np.array([[0.1, 0.7, -1.3]], np.float32), 1001, axis=0)
    assert not herding.unit(rows, rows.mean(axis=0, dtype=np.float64)).any()


@pytest.mark.parametrize(("count", "others"), [(5, 3), (2100, 40), (30, 4100)])
def test_nearest(count: int, others: int) -> None:
    points, rest = herding.unit(vectors(count)), herding.unit(vectors(others, seed=1))
    assert herding.nearest(points, rest) == pytest.approx((points.astype(float) @ rest.T.astype(float)).max(axis=1), abs=1e-6)


def test_nothing_is_near_nothing() -> None:
    found = herding.nearest(herding.unit(vectors(4)), np.empty((0, 6), np.float32))
    assert found.tolist() == [-np.inf] * 4
    assert herding.closeness(found.copy(), 0.5).tolist() == herding.closeness(found, 0.5, "top-hat").tolist() == [0] * 4


def test_closeness() -> None:
    cosines = np.array([1, 0, -1, 0.5], np.float32)
    assert herding.closeness(cosines.copy(), 1.0) == pytest.approx(np.exp([0, -2, -4, -1]))
    assert herding.closeness(cosines.copy(), 0.5) == pytest.approx(np.exp([0, -8, -16, -4]))
    assert herding.closeness(cosines.copy(), 1.4, "top-hat").tolist() == [1, 0, 0, 1]
    assert herding.closeness(cosines, 1.0, "top-hat").tolist() == [1, 0, 0, 0]  # a distance of 1 is not below it


@pytest.mark.parametrize("name", ["gaussian", "top-hat"])
@pytest.mark.parametrize("radius", [1.0, 0.6, 0.25])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_greedy_is_the_loop_of_the_definition(name: Any, radius: float, weighted: bool, started: bool, apart: bool) -> None:
    points = herding.unit(vectors(160))
    candidates = herding.unit(vectors(70, seed=1)) if apart else points[:120]
    draw = np.random.default_rng(2)
    weights = np.where(draw.random(160) < 0.2, 0, draw.random(160) ** 3).astype(np.float32) if weighted else None
    near = herding.nearest(points, herding.unit(vectors(4, seed=3))) if started else np.full(160, -np.inf, np.float32)
    covered = herding.closeness(near, radius, name)
    before = covered.copy()
    picks, gains = herding.greedy(candidates, points, weights, covered, radius, 50, name)
    expected = brute(kernel(points, candidates, radius, name), np.ones(160) if weights is None else weights.astype(float), covered, 50)
    large = len(expected[0])  # gains above 1e-5; float32 cannot tell much smaller ones from nothing
    assert picks[:large].tolist() == expected[0]
    assert gains[:large] == pytest.approx(np.array(expected[1]), rel=1e-4, abs=1e-5)
    assert gains[large:] == pytest.approx(0, abs=2e-5)
    assert all(one >= other - 1e-9 for one, other in pairwise(gains))
    assert np.array_equal(covered, before)


def test_by_hand() -> None:
    """Four points on a circle at 0, 60, 90 and 180 degrees: distances 1, sqrt(2), 2 from the first."""
    angles = np.radians([0, 60, 90, 180])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    picks, gains = herding.greedy(points, points, None, np.zeros(4, np.float32), 1.1, 4, "top-hat")
    assert picks.tolist() == [1, 3]  # 60 covers itself, 0 (at a distance of 1) and 90; then 180 is left
    assert gains.tolist() == [3, 1]


@pytest.mark.parametrize("name", ["gaussian", "top-hat"])
def test_copies_of_picks_are_never_picked(name: Any) -> None:
    rows = herding.unit(vectors(7, width=300))
    copies = np.tile(rows, (40, 1))
    picks, _ = herding.greedy(copies, copies, None, np.zeros(280, np.float32), 0.3, 100, name)
    assert len({position % 7 for position in picks.tolist()}) == len(picks) == (7 if name == "gaussian" else len(picks))
    assert max(picks) < 7, "of copies the first is picked"
    covered = herding.closeness(herding.nearest(copies, rows[:3]), 0.3, name)
    rest, _ = herding.greedy(copies, copies, None, covered, 0.3, 100, name)
    assert not {position % 7 for position in rest.tolist()} & {0, 1, 2}


def test_ties_go_to_the_smaller_position() -> None:
    corners = np.eye(300, dtype=np.float32)
    picks, gains = herding.greedy(corners, corners, None, np.zeros(300, np.float32), 0.05, 20)
    assert picks.tolist() == list(range(20))
    assert gains.tolist() == [1] * 20


def test_rows_of_length_0_are_far_from_all() -> None:
    rows = np.zeros((6, 3), np.float32)
    picks, gains = herding.greedy(rows, rows, None, np.zeros(6, np.float32), 1.0, 3)
    assert picks.tolist() == [0]  # at sqrt(2) from everything, itself included: then the others are no nearer
    assert gains == pytest.approx(6 * np.exp(-2))


def test_a_narrow_cone() -> None:
    rows = herding.unit((CONE + 0.3 * np.random.default_rng(5).normal(size=(150, 6))).astype(np.float32))
    picks, _ = herding.greedy(rows, rows, None, np.zeros(150, np.float32), 1.0, 30)
    assert picks.tolist() == brute(kernel(rows, rows, 1.0, "gaussian"), np.ones(150), np.zeros(150), 30)[0]


def test_nothing_to_choose_or_to_cover() -> None:
    rows = herding.unit(vectors(5))
    for candidates, points, weights in ((rows[:0], rows, None), (rows, rows[:0], None), (rows, rows, np.zeros(5, np.float32))):
        picks, gains = herding.greedy(candidates, points, weights, np.zeros(len(points), np.float32), 1.0, 3)
        assert (picks.dtype, gains.dtype) == (np.int64, np.float64)
        assert len(picks) == len(gains) == 0
    assert len(herding.greedy(rows, rows, None, np.ones(5, np.float32), 1.0, 3)[0]) == 0
    assert len(herding.greedy(rows, rows, None, np.zeros(5, np.float32), 1.0, 0)[0]) == 0


def test_the_same_bytes_on_any_number_of_threads() -> None:
    points = herding.unit(vectors(1700, width=40))
    found = []
    for threads in (1, 2, 3):
        with limited(threads):
            covered = herding.closeness(herding.nearest(points, points[:9]), 0.8)
            picks, gains = herding.greedy(points[200:], points, covered + 1, covered, 0.8, 200)
            found.append((covered.tobytes(), picks.tobytes(), gains.tobytes()))
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_a_long_run_is_the_loop_too() -> None:
    """More picks than groups of rows, past several times that gains are summed up afresh."""
    points = herding.unit(vectors(900, width=12, seed=4))
    weights = np.random.default_rng(6).random(900).astype(np.float32)
    picks, gains = herding.greedy(points, points, weights, np.zeros(900, np.float32), 0.5, 500)
    table, covered = kernel(points, points, 0.5, "gaussian"), np.zeros(900)
    for place, (position, gain) in enumerate(zip(picks, gains, strict=True)):
        rest = np.setdiff1d(np.arange(900), picks[:place])
        best = (weights[:, None] * np.maximum(table[:, rest] - covered[:, None], 0)).sum(axis=0)
        assert best[rest == position] == pytest.approx(best.max(), rel=1e-4), place
        assert gain == pytest.approx(best.max(), rel=1e-4)
        covered = np.maximum(covered, table[:, position])
    assert len(picks) == 500
