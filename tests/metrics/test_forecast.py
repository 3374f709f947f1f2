"""Forecasts of what each class needs, against a plain reference and against power laws that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from altool.metrics import forecast as module
from altool.metrics.forecast import LABELS, LEVEL, REACHED, STATES, UNKNOWN, Forecasts, forecast


def found(labels: list[int], values: object, target: object, *, rows: object = 1_000, own: object = 100) -> Forecasts:
    y = np.atleast_2d(np.array(values, np.float64))
    return forecast(
        np.array(labels, np.int64),
        y,
        np.broadcast_to(np.array(rows, np.int64), y.shape),
        np.broadcast_to(np.array(own, np.int64), y.shape),
        np.broadcast_to(np.array(target, np.float64), len(y)),
    )


def law(labels: list[int], a: float, b: float, c: float) -> list[float]:
    return [a - b * n**-c for n in labels]


# Values of a thousand rows are uncertain, so that the intervals have a width without noise, too.
@pytest.mark.parametrize(
    ("a", "b", "c", "target", "needed"),
    [
        (0.9, 3, 0.5, 0.8, 900 - 400),  # 3 / sqrt(n) = 0.1
        (0.95, 40, 1.0, 0.9, 800 - 400),  # 40 / n = 0.05
        (1.0, 2, 0.4, 0.9, 20**2.5 - 400),  # n^0.4 = 20
    ],
)
def test_a_power_law_without_noise_is_recovered(a: float, b: float, c: float, target: float, needed: float) -> None:
    labels = [50, 75, 100, 150, 200, 300, 400]
    result = found(labels, law(labels, a, b, c), target)
    middle, low, high = result.labels[0]
    assert result.state == (LABELS,)
    assert low <= needed <= high
    assert middle == pytest.approx(needed, rel=0.25)
    np.testing.assert_array_equal(result.together, result.labels[0])
    assert np.isnan(result.level).all()


def test_a_power_law_that_levels_off_below_its_target_is_recovered() -> None:
    labels = [50, 75, 100, 150, 200, 300, 400]
    result = found(labels, law(labels, 0.8, 50, 1.2), 0.9)
    middle, low, high = result.level[0]
    assert result.state == (LEVEL,)
    assert middle == pytest.approx(0.8, abs=0.02)
    assert low <= middle <= high < 0.9
    assert np.isnan(result.labels).all()
    assert np.isnan(result.together).all()


def test_rounds_that_span_too_little_do_not_say_that_a_class_levels_off() -> None:
    labels = [100, 150, 200, 300, 499]
    assert found(labels, [0.7] * 5, 0.95).state == (UNKNOWN,)
    assert found([*labels[:-1], 500], [0.7] * 5, 0.95).state == (LEVEL,)


def test_a_flat_curve_levels_off_where_it_is() -> None:
    result = found([50, 100, 200, 400, 800], [0.7] * 5, 0.9)
    assert result.state == (LEVEL,)
    assert result.level[0, 1] >= 0.69
    assert result.level[0, 2] <= 0.75


def test_a_falling_curve_is_never_forecast_to_rise_to_its_target() -> None:
    result = found([50, 100, 200, 400, 800], [0.9, 0.85, 0.8, 0.75, 0.7], 0.95)
    assert result.state[0] in (LEVEL, UNKNOWN)


def test_what_is_reached_needs_no_labels() -> None:
    result = found([100], [[0.9], [0.8]], 0.9)
    assert result.state == (REACHED, UNKNOWN)
    np.testing.assert_array_equal(result.labels, [[0, 0, 0], [np.nan] * 3])


@pytest.mark.parametrize("labels", [[100], [100, 100, 100, 100], [50, 100, 200, 200], [0, 50, 100, 200], [200, 300, 400, 100]])
def test_fewer_than_four_different_rounds_cannot_tell(labels: list[int]) -> None:
    assert found(labels, [0.1 * place for place in range(len(labels))], 0.9).state == (UNKNOWN,)


def test_rounds_before_the_class_has_two_labels_or_without_measured_rows_do_not_count() -> None:
    labels = [50, 100, 200, 400]
    values = law(labels, 0.9, 3, 0.5)
    assert found(labels, values, 0.8).state == (LABELS,)
    assert found(labels, values, 0.8, own=[1, 2, 2, 2]).state == (UNKNOWN,)
    assert found(labels, values, 0.8, rows=[0, 900, 900, 900]).state == (UNKNOWN,)
    assert found(labels, values, 0.5, rows=[900, 900, 900, 0]).state == (UNKNOWN,)  # the value of now stands for nothing


def test_of_equally_many_labels_the_last_round_counts() -> None:
    labels = [50, 100, 200, 400]
    values = law(labels, 0.9, 3, 0.5)
    twice = found([50, 100, 100, 200, 400], [values[0], 0.0, *values[1:]], 0.8)
    np.testing.assert_array_equal(twice.labels, found(labels, values, 0.8).labels)


def test_a_class_that_says_little_takes_from_the_others() -> None:
    labels = [50, 75, 100, 150, 200, 300]
    poor = [0.44, 0.60, 0.57, 0.68, 0.66, 0.74]  # about 0.9 - 3 / sqrt(n), of few rows
    rich = [[value + 0.002 * place for value in law(labels, 0.9, 3, 0.5)] for place in range(30)]
    alone = found(labels, poor, 0.82, rows=40)
    pooled = found(labels, [poor, *rich], 0.82, rows=[[40]] + [[1_000]] * 30)
    assert alone.state == (UNKNOWN,)
    assert pooled.state[0] == LABELS
    assert pooled.labels[0, 1] <= (3 / 0.08) ** 2 - 300 <= pooled.labels[0, 2]


def test_together_takes_as_long_as_the_slowest() -> None:
    labels = [50, 75, 100, 150, 200, 300, 400]
    result = found(labels, [law(labels, 0.9, 3, 0.5), law(labels, 0.95, 4, 0.5), law(labels, 0.9, 3, 0.5)], [0.8, 0.8, 0.95])
    assert result.state[:2] == (LABELS, LABELS)
    assert result.state[2] != LABELS
    assert (result.together >= result.labels[:2].max(axis=0)).all()
    assert result.together[0] <= result.labels[:2, 2].max()


def reference(labels: list[int], values: list[list[float]], rows: list[list[int]], target: float) -> list[list[float]]:
    """The probability that each class has reached the target at each count of LIMIT^(place / BINS) times the labels: cell by cell."""
    n, now = np.array(labels, float), labels[-1]
    cells = [(s, t, c) for s in module.SCALES for t in module.SHARES for c in module.SPEEDS]
    start = {s: 1 / len(module.SCALES) for s in module.SCALES}
    weight = {t: t**2 + 1e-3 for t in module.SHARES}
    shape = {(t, c): weight[t] / sum(weight.values()) / len(module.SPEEDS) for t in module.SHARES for c in module.SPEEDS}
    logs, lines = [], []
    for y, m in zip(np.array(values), np.array(rows), strict=True):
        share = (m * y + 1) / (m + 2)
        variance = (share * (1 - share) / (m + 2) + 0.01**2) * now / n
        logs.append({})
        lines.append({})
        for s, t, c in cells:
            deviation = np.sqrt(s * variance)
            at_zero, at_one = t * (1 - (n / now) ** -c), np.ones(len(n))  # f of u = 0 and of u = 1
            x, z = (at_one - at_zero) / deviation, (y - at_zero) / deviation
            u = (x @ z) / (x @ x)
            # The integral of the normal likelihood over u, without what all cells have in common.
            logs[-1][s, t, c] = -((z - u * x) ** 2).sum() / 2 - np.log(deviation).sum() - np.log(x @ x) / 2
            lines[-1][s, t, c] = u, 1 / np.sqrt(x @ x), deviation[-1]
    scales, shapes = dict(start), dict(shape)
    for step in range(module.STEPS + 1):
        posteriors = []
        for own in logs:
            top = max(own.values())
            raw = {cell: math.exp(own[cell] - top) * scales[cell[0]] * shapes[cell[1:]] for cell in cells}
            posteriors.append({cell: raw[cell] / sum(raw.values()) for cell in cells})
        if step < module.STEPS:
            for s in scales:
                scales[s] = (20 * start[s] + sum(p for own in posteriors for cell, p in own.items() if cell[0] == s)) / (20 + len(values))
            for one in shapes:
                shapes[one] = (20 * shape[one] + sum(p for own in posteriors for cell, p in own.items() if cell[1:] == one)) / (
                    20 + len(values)
                )
    curves = []
    for posterior, line in zip(posteriors, lines, strict=True):
        curve = np.zeros(module.BINS + 1)
        for (s, t, c), p in posterior.items():
            u, error, noise = line[s, t, c]
            for q in module.QUANTILES:
                here = min(max(u + error * q, 0), 1)
                for e in module.QUANTILES:
                    grid = here + t * (1 - here) * (1 - module.LIMIT ** (-c * np.arange(module.BINS + 1) / module.BINS))
                    curve += p / 25 * (grid >= target - noise * e)
        curves.append(curve.tolist())
    return curves


def test_the_probabilities_are_those_of_a_reference_cell_by_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, values_ in (("SHARES", np.linspace(0, 1, 6)), ("SPEEDS", np.geomspace(0.1, 1.6, 5)), ("SCALES", np.geomspace(0.1, 25.6, 5))):
        monkeypatch.setattr(module, name, values_)
    labels, target = [40, 60, 90, 140], 0.8
    values, rows = [[0.3, 0.55, 0.5, 0.66], [0.5, 0.5, 0.7, 0.72]], [[30] * 4, [200] * 4]
    fit = module._Fit.of(np.array(labels, float), np.array(values), np.array(rows), np.ones((2, 4), bool))
    for code, curve in enumerate(reference(labels, values, rows, target)):
        np.testing.assert_allclose(fit.reached(code, target), curve, atol=2e-3)  # a cell on the edge of a bin may fall into the next


@st.composite
def projects(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rounds, classes = draw(st.integers(1, 7)), draw(st.integers(1, 4))
    labels = np.array(draw(st.lists(st.integers(0, 2000), min_size=rounds, max_size=rounds)), np.int64)

    def cells(number: st.SearchStrategy[float]) -> np.ndarray:
        return np.array(draw(st.lists(number, min_size=classes * rounds, max_size=classes * rounds))).reshape(classes, rounds)

    values = cells(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)))
    return np.sort(labels), values, cells(st.integers(0, 300)).astype(np.int64), cells(st.integers(0, 30)).astype(np.int64)


@given(projects(), st.floats(0, 1), st.floats(0, 1))
def test_whatever_the_rounds_are(project: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], one: float, other: float) -> None:
    labels, values, rows, own = project
    low, high = (forecast(labels, values, rows, own, np.full(len(values), target)) for target in sorted((one, other)))
    for result in (low, high):
        for state, more, level in zip(result.state, result.labels, result.level, strict=True):
            assert state in STATES
            assert np.isfinite(more).all() == (state in (REACHED, LABELS))
            assert np.isfinite(level).all() == (state == LEVEL)
            if state == LABELS:
                assert 0 <= more[1] <= more[0] <= more[2] <= (module.LIMIT - 1) * labels[-1] * (1 + 1e-9)
            if state == LEVEL:
                assert 0 <= level[1] <= level[0] <= level[2] <= 1
    # A higher target takes no fewer labels, and is not reached where a lower one is not.
    both = np.isfinite(low.labels) & np.isfinite(high.labels)
    assert (low.labels[both] <= high.labels[both]).all()
    assert not [pair for pair in zip(low.state, high.state, strict=True) if pair in ((LEVEL, LABELS), (LEVEL, REACHED), (UNKNOWN, LABELS))]
    # Ten times the labels in all rounds: ten times as many are needed.
    scaled = forecast(labels * 10, values, rows, own, np.full(len(values), max(one, other)))
    assert scaled.state == high.state
    np.testing.assert_allclose(scaled.labels, high.labels * 10)
