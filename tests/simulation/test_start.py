"""How a simulated run begins and goes on: seed sets, no seed set at all, growing budgets, a strategy that takes over from another."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from altool.errors import UsageError
from altool.metrics.tiers import TIERS
from altool.simulation import plan as plans
from altool.simulation.from_model import Pool
from altool.simulation.pool import balanced
from altool.simulation.replay import History, replay

CLASSES = ("ant", "bee", "cat")
COLD = ("coreset", "e3g", "kmeans", "random")


def pool(rows: int = 90) -> Pool:
    draw = np.random.default_rng(0)
    truth = draw.choice(3, size=rows, p=[0.7, 0.2, 0.1])
    features = (np.eye(3, 4)[truth] * 3 + draw.normal(size=(rows, 4))).astype(np.float32)
    return Pool(features[::2], truth[::2], features[1::2], truth[1::2], CLASSES)


def plan(*rows: dict[str, Any], **settings: Any) -> plans.Plan:
    return plans.make({"seed_size": 6, "rounds": 2, "budget": 4, **settings}, rows)


def history(row: dict[str, Any], repeat: int = 0, **settings: Any) -> History:
    made = plan(row, **settings)
    return replay(pool(), made, made.runs[0], repeat)


def asked(found: History) -> list[list[int]]:
    return [part.positions.tolist() for part in found.asked]


@pytest.mark.parametrize("name", COLD)
def test_a_run_begins_without_a_model(name: str) -> None:
    found = history({"strategy": name}, seed_size=0)
    assert [part.number for part in found.asked] == [1, 2]
    assert [(entry.number, int(entry.labels.sum()), int(entry.answers.sum())) for entry in found.rounds] == [(1, 4, 4), (2, 8, 8)]
    assert {part.strategy for part in found.asked} == {name}


def test_a_cold_coreset_is_the_farthest_row_from_those_before() -> None:
    rows = pool().rows
    found = asked(history({"strategy": "coreset"}, seed_size=0, rounds=1, budget=5))[0]
    for place in range(1, 5):
        nearest = np.linalg.norm(rows[:, None] - rows[found[:place]][None], axis=2).min(axis=1)
        assert found[place] == nearest.argmax()


def test_what_wraps_a_strategy_waits_for_the_first_model() -> None:
    row = {"strategy": "random", "diversify": True, "suggest": True}
    found = history(row, seed_size=0)
    assert (found.asked[0].suggested == -1).all()
    assert (found.asked[1].suggested >= 0).all()


@pytest.mark.parametrize("name", COLD)
def test_a_strategy_chooses_the_seed_set(name: str) -> None:
    found = history({"strategy": "margin", "seed_strategy": name})
    if name != "random":  # which has a generator of its own, so that the seed set is the same as ever
        cold = history({"strategy": name, "seed_strategy": name}).asked
        assert found.asked[0].positions.tolist() == cold[0].positions.tolist()
        assert found.asked[0].explored.tolist() == cold[0].explored.tolist() == [name == "kmeans"] * 6 or name == "e3g"
    assert (found.asked[0].strategy, found.asked[1].strategy) == (name, "margin")
    assert found.rounds[0].answers.sum() == 0  # the seed set is free


def test_a_seed_set_is_random_by_default_and_the_same_for_all_runs() -> None:
    first = asked(history({"strategy": "random"}))[0]
    assert asked(history({"strategy": "margin"}))[0] == first == asked(history({"strategy": "margin", "seed_strategy": "random"}))[0]
    assert asked(history({"strategy": "random"}, repeat=1))[0] != first


@pytest.mark.parametrize("count", [1, 3, 7, 20, 45, 60])
def test_balanced(count: int) -> None:
    """A slow reference: class after class gives a row that it has left."""
    truth = pool().truth
    chosen = balanced(truth, count, np.random.default_rng(1))
    assert len(set(chosen.tolist())) == len(chosen) == min(count, len(truth))
    sizes, left = np.bincount(truth), np.bincount(truth)
    for _ in range(int(sizes.max())):
        now = np.minimum(sizes, sizes - left + 1)
        if now.sum() > count:
            break
        left = sizes - now
    found = np.bincount(truth[chosen], minlength=3)
    assert (found >= sizes - left).all()
    assert (found <= sizes - left + 1).all()
    assert not np.array_equal(chosen, balanced(truth, count, np.random.default_rng(2)))


def test_a_balanced_seed_set() -> None:
    found = history({"strategy": "margin", "seed_strategy": "balanced"})
    assert found.rounds[0].labels.tolist() == [2, 2, 2]
    assert not found.asked[0].explored.any()  # no random sample of the pool


@pytest.mark.parametrize(("budget", "rounds", "sizes"), [("2,3,5", None, [2, 3, 5]), ([2, 3], 4, [2, 3, 3, 3]), (4, 2, [4, 4])])
def test_growing_budgets(budget: Any, rounds: int | None, sizes: list[int]) -> None:
    found = history({"strategy": "margin"}, budget=budget, rounds=rounds)
    assert [len(part.positions) for part in found.asked] == [6, *sizes]
    assert plan({"strategy": "margin"}, budget=budget, rounds=rounds).total == 6 + sum(sizes)


def test_another_strategy_takes_over() -> None:
    then = {"strategy": "margin", "after": 10, "diversify": True}
    found = history({"strategy": "coreset", "then": then}, rounds=3)
    alone = history({"strategy": "coreset"}, rounds=3)
    assert [part.strategy for part in found.asked] == ["random", "coreset", "margin", "margin"]
    assert asked(found)[:2] == asked(alone)[:2]
    later = history({"strategy": "random", "then": {**then, "after": 1}}, rounds=1)
    assert asked(later)[1] == asked(history({"strategy": "margin", "diversify": True}, rounds=1))[1]


def test_three_strategies_after_one_another() -> None:
    row = {"strategy": "random", "then": {"strategy": "kmeans", "after": 4, "then": {"strategy": "margin", "after": 8}}}
    found = history(row, seed_size=0, rounds=3)
    assert [part.strategy for part in found.asked] == ["random", "kmeans", "margin"]
    assert plan(row).runs[0].name == "random then kmeans then margin"


def test_what_takes_over_does_not_compare_with_the_numbers_of_another() -> None:
    """alamp by entropy compares with no margins: its first round is entropy's, as after any other strategy."""
    then = {"strategy": "alamp", "alamp_base": "entropy", "after": 10}
    found = asked(history({"strategy": "alamp", "alamp_base": "margin", "then": then}, rounds=2))
    plain = asked(history({"strategy": "alamp", "alamp_base": "margin", "then": {"strategy": "entropy", "after": 10}}, rounds=2))
    assert found == plain


def test_an_audit_is_that_of_the_strategy_in_charge() -> None:
    then = {"strategy": "clarifier", "clarifier_budgets": "2,2,6", "audit": 2, "after": 10}
    part = history({"strategy": "margin", "then": then}, rounds=2).asked[2]
    easy = part.tier == list(TIERS).index("easy")
    assert easy.sum() > 2
    assert (easy & ~part.automatic).sum() == 2


def test_what_takes_over_is_part_of_the_settings() -> None:
    row = {"strategy": "coreset", "then": {"strategy": "margin", "after": 10}}
    made, other = plan(row), plan({**row, "then": {"strategy": "entropy", "after": 10}})
    assert made.facts(made.runs[0]) != other.facts(other.runs[0])
    assert made.facts(made.runs[0])["then"]["strategy"] == "margin"
    assert (made.runs[0].then or made.runs[0]).classifier == "logistic"


def test_a_list_of_an_option_of_the_classifier_is_a_run_for_each() -> None:
    made = plan({"strategy": "margin", "logistic_c": [0.03, 1], "balance": ["none", "prior"]}, {"strategy": "random"})
    names = [f"margin, logistic_c {c}, balance {balance}" for c in ("0.03", "1") for balance in ("none", "prior")]
    assert [run.name for run in made.runs] == [*names, "random"]
    assert [run.fit for run in made.runs] == [{"c": 0.03}, {"c": 0.03}, {"c": 1.0}, {"c": 1.0}, {}]
    common = plan({"strategy": "margin", "name": "m"}, {"strategy": "random", "classifier": "linear-svm"}, logistic_c=[1, 2])
    assert [run.name for run in common.runs] == ["m, logistic_c 1", "m, logistic_c 2", "random"]
    assert len(plan({"strategy": "margin", "classifier": "mlp", "mlp_hidden": ["8", "4,4"]}).runs) == 2


@pytest.mark.parametrize(
    ("row", "settings", "said"),
    [
        ({"strategy": "margin"}, {"seed_size": 0}, 'run "margin", strategy: margin cannot choose without a model, which a seed set of 0'),
        ({"strategy": "direct"}, {"seed_size": 0}, 'run "direct", strategy: direct cannot choose without a model'),
        ({"strategy": "coreset", "seed_strategy": "kmeans"}, {"seed_size": 0}, "seed_strategy has no effect with a seed set of 0 rows"),
        ({"strategy": "margin", "seed_strategy": "margin"}, {}, 'run "margin", seed_strategy: margin cannot choose without a model'),
        ({"strategy": "margin", "seed_strategy": "queue"}, {}, 'run "margin", seed_strategy: queue cannot choose without a model'),
        ({"strategy": "margin", "seed_strategy": "oak"}, {}, "run \"margin\", seed_strategy: 'oak' is unknown"),
        (
            {"strategy": "margin", "seed_strategy": "kmeans", "classifier": "fasttext"},
            {},
            "seed_strategy: kmeans needs features, and classifier fasttext reads text",
        ),
        ({"strategy": "margin"}, {"budget": [2, 3, 4], "rounds": 2}, "plan, budget: found budgets for 3 rounds, expected at most 2"),
        ({"strategy": "margin"}, {"rounds": None}, "missing --rounds"),
        ({"strategy": "margin", "then": 5}, {}, 'run "margin", then: expected a table with strategy and after, found 5'),
        ({"strategy": "margin", "then": {"strategy": "entropy"}}, {}, 'run "margin", then needs after'),
        (
            {"strategy": "margin", "then": {"strategy": "entropy", "after": "x"}},
            {},
            "run \"margin\", then.after: expected a whole number from 1 to 2147483647, found 'x'",
        ),
        (
            {"strategy": "margin", "then": {"strategy": "entropy", "after": 5, "classifier": "mlp"}},
            {},
            'run "margin", then.classifier has no effect',
        ),
        ({"strategy": "margin", "then": {"strategy": "oak", "after": 5}}, {}, "run \"margin\", then.strategy: 'oak' is unknown"),
        ({"strategy": "margin", "then": {"strategy": "queue", "after": 5}}, {}, "then.strategy: queue has no effect here"),
        (
            {"strategy": "random", "then": {"strategy": "margin", "after": 5, "then": {"strategy": "entropy", "after": 5}}},
            {},
            "then.then.after: expected more than 5, found 5",
        ),
        ({"strategy": "margin", "logistic_c": [1, "x"]}, {}, "run \"margin\", logistic_c: expected auto or a number above 0, found 'x'"),
        ({"strategy": "margin", "logistic_c": [1, 1]}, {}, "two runs are called 'margin-logistic-c-1'"),
    ],
)
def test_what_cannot_be_is_refused(row: dict[str, Any], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        plan(row, **settings)
