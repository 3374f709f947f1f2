"""In a round the model is fitted once, and no row is predicted twice: neither a candidate, nor a labeled nor a held-out one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from altool.models.registry import classifier
from altool.simulation import replay as module
from altool.simulation.from_model import Pool
from altool.simulation.plan import make
from altool.simulation.replay import Aims, replay

CLASSES = ("ant", "bee", "cat")
TRUTH = np.random.default_rng(0).integers(3, size=120)
ROWS = (np.eye(3, 5)[TRUTH] * 2 + np.random.default_rng(1).normal(size=(120, 5))).astype(np.float32)
POOL = Pool(ROWS[:80], TRUTH[:80], ROWS[80:], TRUTH[80:], CLASSES)
NUMBER = {row.tobytes(): number for number, row in enumerate(ROWS)}


class Counted:
    """A model that counts how often each row is predicted."""

    def __init__(self, model: Any, seen: Counter[int]) -> None:
        self._model = model
        self._seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def probabilities(self, rows: np.ndarray) -> Any:
        self._seen.update(NUMBER[row.tobytes()] for row in rows)
        return self._model.probabilities(rows)

    def predict(self, rows: np.ndarray) -> Any:
        self._seen.update(NUMBER[row.tobytes()] for row in rows)
        return self._model.predict(rows)


@pytest.mark.parametrize(
    "row",
    [
        {"strategy": "margin", "diversify": True, "suggest": True},
        {"strategy": "badge", "suggest": True},
        {"strategy": "alamp", "diversify": True},
        {"strategy": "galaxy"},
        {"strategy": "clarifier", "clarifier_budgets": "3,2,2"},
        {"strategy": "entropy", "target_aware": True},
        {"strategy": "flcmi"},
        {"strategy": "random"},
        {"strategy": "coreset"},
    ],
    ids=lambda row: row["strategy"],
)
def test_no_row_is_predicted_twice(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make({"seed_size": 12, "rounds": 3, "budget": 7}, [row])
    own, models = classifier("logistic"), []

    def fit(rows: np.ndarray, labels: np.ndarray, **options: Any) -> Any:
        model, converged = own.fit(rows, labels, **options)
        models.append(Counter[int]())
        return Counted(model, models[-1]), converged

    monkeypatch.setattr(module, "classifier", lambda name: replace(own, fit=fit))
    aims = Aims(("f1",) * 3, np.full(3, 0.9), np.ones(3), (0.9,) * 3)
    replay(POOL, plan, plan.runs[0], 0, aims=aims)
    assert max(count for seen in models for count in seen.values()) == 1
    of_rounds = [seen for seen in models if len(set(range(80, 120)) & set(seen)) == 40]  # the others are those of folds
    assert len(of_rounds) == 4
    assert len(models) == 4 if not row.get("target_aware") else 4 + 3 * 5
