"""base against plain loops over rows and classes."""

import math

import numpy as np
import pytest
from extra import torch

from altool.errors import InputError
from altool.strategies import base


def loops(features: np.ndarray, weights: np.ndarray, bias: np.ndarray, count: int) -> list[int]:
    """docs/algorithms.md, "BASE", in Python's floats."""
    rows, classes = len(features), len(bias)
    logits = [
        [math.fsum(float(w) * float(h) for w, h in zip(weights[c], row, strict=True)) + float(bias[c]) for c in range(classes)]
        for row in features
    ]
    count = min(count, rows)

    def distance(row: int, other: int) -> float:
        own = max(range(classes), key=lambda c: (logits[row][c], -c))
        gap = math.dist(weights[own].astype(float), weights[other].astype(float))
        return (logits[row][own] - logits[row][other]) / gap if gap else math.inf

    taken: set[int] = set()
    lists = []
    for c in range(classes):
        scored = []
        for row in range(rows):
            own = max(range(classes), key=lambda c: (logits[row][c], -c))
            score = min(distance(row, other) for other in range(classes) if other != own) if own == c else distance(row, c)
            scored.append((score, row))
        best = [row for _, row in sorted(scored) if row not in taken][: count // classes + (c < count % classes)]
        taken.update(best)
        lists.append(best)
    return [rows[turn] for turn in range(count) for rows in lists if turn < len(rows)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_equals_plain_loops(seed: int) -> None:
    """Small whole numbers, so that distances tie and every sum is exact; every third head has classes of the same weights."""
    rng = np.random.default_rng(seed)
    rows, classes, width = int(rng.integers(1, 40)), int(rng.integers(2, 6)), int(rng.integers(1, 5))
    whole = seed % 2
    features = (rng.integers(-3, 4, (rows, width)) if whole else rng.normal(size=(rows, width))).astype(np.float32)
    weights = (rng.integers(-2, 3, (classes, width)) if whole else rng.normal(size=(classes, width))).astype(np.float32)
    bias = (rng.integers(-1, 2, classes) if whole else rng.normal(size=classes)).astype(np.float32)
    if seed % 3 == 0:
        weights[rng.integers(classes)] = weights[0]
        features = features[rng.integers(0, rows, rows)]
    count = int(rng.integers(0, rows + 3))
    found = base.pick(features, (weights, bias), count)
    assert found.dtype == np.int64
    assert found.tolist() == loops(features, weights, bias, count)


@pytest.mark.parametrize("waiting", [1, 50])
def test_lists_that_are_kept_short_on_the_way(waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks, the lists brought up to date after nearly every one: the same rows as in one piece."""
    rng = np.random.default_rng(3)
    features = rng.integers(-4, 5, (700, 3)).astype(np.float16)
    head = rng.integers(-2, 3, (5, 3)).astype(np.float32), rng.integers(-1, 2, 5).astype(np.float32)
    whole = base.pick(features, head, 60)
    assert whole.tolist() == loops(features, *head, 60)
    assert base.pick(torch.from_numpy(features), head, 60).tolist() == whole.tolist()
    monkeypatch.setattr(base, "DISTANCES", waiting)
    assert base.pick(features, head, 60).tolist() == whole.tolist()


def test_by_hand() -> None:
    """Two classes, boundary at 0: class 0 gets the three nearest rows, whichever side they are on, and class 1 the others."""
    head = np.array([[-1], [1]], np.float32), np.zeros(2, np.float32)
    line = np.array([5, -0.5, 0.25, -3, 1], np.float32)[:, None]
    assert base.pick(line, head, 5).tolist() == [2, 3, 1, 0, 4]
    assert base.pick(line, head, 1).tolist() == [2]


def test_all_weights_the_same() -> None:
    head = np.ones((3, 2), np.float32), np.array([0, 1, 2], np.float32)
    assert base.pick(np.ones((4, 2), np.float32), head, 4).tolist() == [0, 2, 3, 1]


def test_one_class_is_refused() -> None:
    with pytest.raises(InputError, match="two classes"):
        base.pick(np.ones((4, 2), np.float32), (np.ones((1, 2), np.float32), np.ones(1, np.float32)), 2)
