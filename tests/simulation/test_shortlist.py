"""Runs whose strategy chooses among the best rows of a score strategy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from altool import seeds
from altool.errors import UsageError
from altool.models.registry import classifier
from altool.simulation.from_model import Pool
from altool.simulation.plan import make
from altool.simulation.replay import replay

TRUTH = np.random.default_rng(0).integers(3, size=120)
ROWS = (np.eye(3, 5)[TRUTH] + np.random.default_rng(1).normal(size=(120, 5))).astype(np.float32)
POOL = Pool(ROWS[:80], TRUTH[:80], ROWS[80:], TRUTH[80:], ("ant", "bee", "cat"))
LENGTH = {"seed_size": 12, "rounds": 3, "budget": 6, "logistic_c": 1.0}
SEED = seeds.integer(0, "simulate", 0)


def margins(labeled: list[int]) -> np.ndarray:
    """Of the whole pool, by the model of these rows."""
    rows = np.sort(labeled)
    model, _ = classifier("logistic").fit(ROWS[rows], TRUTH[rows], count=3, balance="none", seed=SEED, c=1.0)
    likely = np.sort(model.probabilities(ROWS[:80]).astype(np.float64), axis=1)
    return likely[:, -1] - likely[:, -2]


@pytest.mark.parametrize(
    "row",
    [
        {"strategy": "badge"},
        {"strategy": "coreset", "suggest": True},
        {"strategy": "cluster-margin", "unique": 0.999},
        {"strategy": "auto"},
        {"strategy": "badge", "subset_factor": 5},
    ],
    ids=lambda row: "-".join(row),
)
def test_what_is_asked_is_of_the_shortlist(row: dict[str, Any]) -> None:
    plan = make({**LENGTH, "shortlist": 10}, [row])
    first, *later = replay(POOL, plan, plan.runs[0], 0).asked
    asked = first.positions.tolist()
    for part in later:
        candidates = np.array(sorted({*range(80)} - {*asked}))
        if "subset_factor" in row:
            draw = seeds.generator(SEED, "select", part.number, row["strategy"], "subset")
            candidates = np.sort(draw.choice(candidates, 30, replace=False))
        margin = margins(asked)
        best = candidates[np.argsort(margin[candidates], kind="stable")[:10]]
        assert len(part.positions) == 6
        assert {*part.positions.tolist()} <= {*best.tolist()}
        asked += part.positions.tolist()


def test_a_shortlist_of_the_budget_is_the_margin_strategy_and_a_whole_one_none() -> None:
    rows: list[dict[str, Any]] = [
        {"strategy": "margin"},
        {"strategy": "badge"},
        {"name": "least", "strategy": "badge", "shortlist": 6},
        {"name": "all", "strategy": "badge", "shortlist": 80, "shortlist_by": "entropy"},
    ]
    plan = make(LENGTH, rows)
    margin, badge, least, whole = (replay(POOL, plan, run, 0).asked for run in plan.runs)
    assert {*least[1].positions.tolist()} == {*margin[1].positions.tolist()}
    assert [part.positions.tolist() for part in whole] == [part.positions.tolist() for part in badge]


def test_without_a_model_the_whole_pool_is_chosen_from() -> None:
    plan = make({**LENGTH, "seed_size": 0}, [{"strategy": "coreset"}, {"name": "short", "strategy": "coreset", "shortlist": 10}])
    whole, short = (replay(POOL, plan, run, 0).asked for run in plan.runs)
    assert whole[0].positions.tolist() == short[0].positions.tolist()
    assert whole[1].positions.tolist() != short[1].positions.tolist()


def test_what_a_run_may_say() -> None:
    plan = make(LENGTH, [{"strategy": "badge", "shortlist": 30}, {"name": "b", "strategy": "badge"}])
    assert plan.facts(plan.runs[0])["shortlist"] == 30
    assert not {"shortlist", "shortlist_by"} & set(plan.facts(plan.runs[1]))  # runs of before are still there
    then = {"strategy": "margin", "after": 20}
    (run,) = make(LENGTH, [{"strategy": "badge", "shortlist": 30, "then": then}]).runs
    assert [part.shortlist for part in run.parts] == [30, None]
    for own, said in (
        ({"strategy": "badge", "shortlist": 5}, 'run "r", shortlist: expected at least the 6 rows of the budget, found 5'),
        ({"strategy": "margin", "shortlist": 30}, 'run "r", shortlist has no effect with margin'),
        ({"strategy": "badge", "shortlist_by": "entropy"}, 'run "r", shortlist_by has no effect without a shortlist'),
        ({"strategy": "badge", "shortlist": 30, "shortlist_by": "alamp"}, 'run "r", shortlist_by: expected margin, entropy or'),
    ):
        with pytest.raises(UsageError, match=said):
            make(LENGTH, [{"name": "r", **own}])
