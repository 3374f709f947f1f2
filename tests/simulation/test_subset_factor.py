"""A strategy that chooses from a random sample of the candidates, as those do whose papers have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from altool import seeds
from altool.simulation.from_model import Pool
from altool.simulation.plan import make
from altool.simulation.replay import replay

TRUTH = np.random.default_rng(0).integers(3, size=120)
ROWS = (np.eye(3, 5)[TRUTH] * 2 + np.random.default_rng(1).normal(size=(120, 5))).astype(np.float32)
POOL = Pool(ROWS[:80], TRUTH[:80], ROWS[80:], TRUTH[80:], ("ant", "bee", "cat"))
LENGTH = {"seed_size": 12, "rounds": 2, "budget": 6, "logistic_c": 1.0}
RUNS = (
    {"strategy": "margin", "diversify": True, "suggest": True},
    {"strategy": "coreset"},
    {"strategy": "alamp"},
    {"strategy": "galaxy"},
    {"strategy": "direct"},
    {"strategy": "clarifier", "clarifier_budgets": "3,2,1"},
    {"strategy": "entropy", "unique": 0.99},
)


@pytest.mark.parametrize("row", RUNS, ids=lambda row: row["strategy"])
def test_what_is_asked_is_of_the_sample(row: dict[str, Any]) -> None:
    """Each round draws as `vaal` does, by the name of the strategy."""
    plan = make({**LENGTH, "subset_factor": 2}, [row])
    first, *later = replay(POOL, plan, plan.runs[0], 0).asked
    asked = {*first.positions.tolist()}
    for part in later:
        candidates = np.array(sorted({*range(80)} - asked))
        draw = seeds.generator(seeds.integer(0, "simulate", 0), "select", part.number, row["strategy"], "subset")
        sample = {*candidates[draw.choice(len(candidates), 12, replace=False)].tolist()}
        assert len(part.positions) == 6
        assert {*part.positions.tolist()} <= sample
        asked |= {*part.positions.tolist()}


def test_of_margin_it_is_the_best_of_the_sample() -> None:
    runs = make(LENGTH, [{"strategy": "margin"}, {"name": "few", "strategy": "margin", "subset_factor": 2}])
    whole, few = (replay(POOL, runs, run, 0).asked[1] for run in runs.runs)
    seeded = {*replay(POOL, runs, runs.runs[0], 0).asked[0].positions.tolist()}
    candidates = np.array(sorted({*range(80)} - seeded))
    draw = seeds.generator(seeds.integer(0, "simulate", 0), "select", 1, "margin", "subset")
    sample = {*candidates[draw.choice(len(candidates), 12, replace=False)].tolist()}
    kept = [row for row in whole.positions.tolist() if row in sample]
    assert few.positions.tolist()[: len(kept)] == kept
    assert few.scores[: len(kept)].tolist() == [whole.scores[whole.positions.tolist().index(row)] for row in kept]


def test_a_strategy_that_has_the_option_keeps_it() -> None:
    (run,) = make({**LENGTH, "classifier": "mlp", "mlp_ranker": "ranking", "subset_factor": 3}, [{"strategy": "learning-loss"}]).runs
    assert (run.options, run.subset_factor) == ({"subset_factor": 3}, None)
    (run,) = make(LENGTH, [{"strategy": "margin", "subset_factor": 3, "then": {"strategy": "entropy", "after": 20}}]).runs
    assert (run.subset_factor, run.then.subset_factor if run.then else 0) == (3, None)
