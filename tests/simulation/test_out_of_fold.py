"""The out-of-fold fits of a target-aware round take what the round's own fit chose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from altool.models import penalty
from altool.simulation.from_model import Pool
from altool.simulation.plan import Plan, Run
from altool.simulation.replay import Aims, replay


@pytest.mark.parametrize("given", [{}, {"c": 0.1}])
def test_c_is_chosen_once_a_round(monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]) -> None:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, 200)
    rows = (draw.normal(size=(200, 4)) + truth[:, None]).astype(np.float32)
    calls: list[int] = []

    def choose(x: np.ndarray, *others: Any) -> Any:
        calls.append(len(x))
        return original(x, *others)

    original = penalty.choose
    monkeypatch.setattr(penalty, "choose", choose)
    run = Run("r", "margin", target_aware=True, fit=given)
    aims = Aims(("f1",) * 3, np.full(3, 0.9), np.ones(3), (0.9,) * 3)
    history = replay(
        Pool(rows[:150], truth[:150], rows[150:], truth[150:], ("a", "b", "c")), Plan((run,), 30, 2, (15,), 1, 0), run, 0, aims=aims
    )
    assert len(history.rounds) == 3
    assert calls == ([] if given else [30, 45, 60])
