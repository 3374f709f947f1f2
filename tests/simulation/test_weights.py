"""The weights of target-aware runs: estimates from the rows that `weights_from` names, and from no others."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold

from altool import seeds
from altool.metrics.gaps import Aims
from altool.simulation.from_model import Pool
from altool.simulation.replay import Seen, _out_of_fold, _weights, validated

ROWS, LABELED, FOLDS, SEED = 400, 90, 3, 5


class Nearest:
    """A model without training: the nearest class mean, at odds that depend on distance."""

    def __init__(self, rows: np.ndarray, labels: np.ndarray) -> None:
        self.means = np.stack([rows[labels == code].mean(axis=0) if (labels == code).any() else np.full(2, 99.0) for code in range(3)])

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        near = np.exp(-((rows[:, None] - self.means) ** 2).sum(axis=2)) + 1e-9
        return (near / near.sum(axis=1, keepdims=True)).astype(np.float32)


def fit(rows: np.ndarray, labels: np.ndarray) -> tuple[Any, bool]:
    return Nearest(rows, labels), True


@pytest.fixture(scope="module")
def seen() -> Seen:
    draw = np.random.default_rng(3)
    truth = draw.choice(3, size=ROWS, p=[0.55, 0.35, 0.1])
    rows = draw.normal(size=(ROWS, 2)) + 1.2 * np.stack([truth, truth == 1], axis=1)
    validation = validated(truth, 0.4, SEED)
    labeled = np.sort(draw.permutation(np.flatnonzero(~validation))[:LABELED])
    pool = Pool(rows, truth, rows[:1], truth[:1], ("a", "b", "c"))
    automatic = draw.random(LABELED) < 0.2
    return Seen(pool, labeled, truth[labeled], (draw.random(LABELED) < 0.4) & ~automatic, automatic, validation)


def expected(seen: Seen, which: str) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's F1 of each class, and the rows of it."""
    rows, truth = seen.pool.rows, seen.pool.truth
    if which == "holdout":
        true = truth[seen.validation]
        said = Nearest(rows[seen.labeled], seen.labels).probabilities(rows[seen.validation]).argmax(axis=1)
    else:
        said = np.empty(LABELED, np.int64)
        mine = rows[seen.labeled]
        state = seeds.integer(SEED, "train", "folds")
        for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=state).split(mine, seen.labels):
            said[test] = Nearest(mine[train], seen.labels[train]).probabilities(mine[test]).argmax(axis=1)
        mask = seen.explored if which == "explored" else ~seen.automatic
        true, said = seen.labels[mask], said[mask]
    return f1_score(true, said, labels=range(3), average=None, zero_division=0), np.bincount(true, minlength=3)


AIMS = Aims(("f1",) * 3, np.array([0.95, 0.9, 0.8]), np.array([1.0, 2.0, 1.0]), (0.9,) * 3)


def found(seen: Seen, weights_from: str) -> np.ndarray:
    run: Any = SimpleNamespace(weights_from=weights_from, mc_dropout=None)
    model: Any = fit(seen.pool.rows[seen.labeled], seen.labels)[0]
    return _weights(seen, run, AIMS, model, partial(_out_of_fold, seen, model, fit, FOLDS, SEED), SEED)


@pytest.mark.parametrize("which", ["holdout", "explored", "labeled"])
def test_a_sample_as_it_is(seen: Seen, which: str) -> None:
    value, _ = expected(seen, which)
    assert found(seen, which) == pytest.approx(np.maximum(AIMS.targets - value, 0) * AIMS.priorities)


def test_equal_weights_ask_for_no_estimate(seen: Seen) -> None:
    assert found(seen, "equal").tolist() == [1, 2, 1]


def test_validation_rows_are_a_share_of_every_class() -> None:
    truth = np.repeat([0, 1, 2], [100, 10, 2])
    mask = validated(truth, 0.2, 1)
    assert np.bincount(truth[mask]).tolist() == [20, 2, 1]
    assert not validated(truth, None, 1).any()
    assert (validated(truth, 0.2, 1) == mask).all()
    assert (validated(truth, 0.2, 2) != mask).any()
