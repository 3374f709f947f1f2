"""Coverage of unit vectors by plain loops in Python's floats, and rows to try it on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from altool.strategies.inputs import Vectors


def rows(count: int, width: int = 5, seed: int = 0) -> np.ndarray:
    """Rows in clumps, some of them copies, float32 (count, width)."""
    draw = np.random.default_rng(seed)
    found = draw.normal(size=(4, width))[draw.integers(0, 4, count)] + 0.5 * draw.normal(size=(count, width)) + 2
    found[count // 2 : count // 2 + 3] = found[:1]
    return found.astype(np.float32)


def lazily(features: np.ndarray, labeled: np.ndarray, present: np.ndarray | None = None, reads: list[int] | None = None) -> Vectors:
    """Vectors in memory; `reads` takes down how many are read."""

    def fetch(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert (np.diff(places) > 0).all()
        assert present is None or present[places].all()
        if reads is not None:
            reads.append(len(places))
        return features[places], labeled

    return Vectors(np.ones(len(features), bool) if present is None else present, fetch)


def covering(features: np.ndarray, labeled: np.ndarray, count: int, radius: float, weights: Sequence[float] | None = None) -> list[int]:
    """docs/algorithms.md, "MaxHerding" and "UHerding", in Python's floats: the picks that raise the coverage."""
    mean = features.astype(float).mean(axis=0)
    points, known = ([unit(row.astype(float) - mean) for row in part] for part in (features, labeled))
    chosen: list[int] = []
    covered = [max((near(point, other, radius) for other in known), default=0.0) for point in points]
    table = [[near(point, other, radius) for other in points] for point in points]
    while len(chosen) < count:
        gains = [
            sum((weights[x] if weights is not None else 1) * max(table[x][j] - covered[x], 0) for x in range(len(points)))
            for j in range(len(points))
        ]
        best = max(gains)
        if best < 1e-5:
            break
        chosen.append(next(j for j, gain in enumerate(gains) if gain >= best * (1 - 2e-6)))
        covered = [max(now, table[x][chosen[-1]]) for x, now in enumerate(covered)]
    return chosen


def unit(row: np.ndarray) -> np.ndarray:
    length = np.sqrt((row * row).sum())
    return row / length if length > 1e-5 else 0 * row


def near(one: np.ndarray, other: np.ndarray, radius: float) -> float:
    distance = np.sqrt(max(0.0, 2 - 2 * float(one @ other)))
    return float(np.exp(-((distance / radius) ** 2)))
