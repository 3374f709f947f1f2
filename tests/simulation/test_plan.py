"""Plans that cannot be."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest

from altool.errors import UsageError
from altool.simulation import plan


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"mlp_epochs": "x"}, 'run "ta-vaal", mlp_epochs: expected a whole number of at least 1, found'),
        ({"mlp_minibatch": 2.5}, "mlp_minibatch: expected a whole number of at least 1, found 2.5"),
        ({"mlp_rate": "big"}, "mlp_rate: expected a number from 1e-12 to 1e+06, found 'big'"),
        ({"mlp_stop_accuracy": True}, "mlp_stop_accuracy: expected a number from 0 to 1, found true"),
        ({"mlp_compile": "no"}, "mlp_compile: expected true or false, found 'no'"),
        ({"vaal_epochs": 0}, "vaal_epochs: expected a whole number of at least 1, found 0"),
        ({"vaal_latent": 2.5}, "vaal_latent: expected a whole number"),
        ({"vaal_width": "x"}, "vaal_width: expected a whole number of at least 1, found 'x'"),
        ({"vaal_rate": math.nan}, "vaal_rate: expected a number of at least 1e-09, found nan"),
        ({"vaal_rate": math.inf}, "vaal_rate: expected a number of at least 1e-09, found inf"),
        ({"mlp_dropout": 0.5, "mc_dropout": 1}, "mc_dropout: expected a whole number of at least 2, found 1"),
        ({"mlp_dropout": 0.5, "mc_dropout": True}, "mc_dropout: expected a whole number of at least 2, found true"),
    ],
)
def test_numbers_of_learned_strategies_that_cannot_be(own: dict[str, Any], said: str) -> None:
    """A plan's are not told apart by the command line, as those of `train` are."""
    with pytest.raises(UsageError, match=re.escape(said)):
        plan.make({"seed_size": 5, "rounds": 1, "budget": 5}, [{"strategy": "ta-vaal", "classifier": "mlp", **own}])


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"diversify": 1}, 'run "r", diversify: expected true or false, found 1'),
        ({"parallel": "x"}, "run \"r\", parallel: expected a whole number of at least 1, found 'x'"),
        ({"skip": "often"}, "run \"r\", skip: expected a number from 0 to 0.999, found 'often'"),
        ({"queue_size": 2.5}, 'run "r", queue_size: expected a whole number of at least 1, found 2.5'),
        ({"logistic_c": "x"}, "run \"r\", logistic_c: expected auto or a number above 0, found 'x'"),
        (
            {"strategy": "clarifier", "clarifier_budgets": [1.7, 2, 3]},
            "three numbers of rows as 60,30,10, found [1.7, 2, 3]",
        ),
        (
            {"strategy": "learning-loss", "classifier": "mlp", "mlp_ranker": "loss", "subset_factor": "x"},
            "subset_factor: expected a whole",
        ),
        ({"strategy": "e3g", "e3g_clusters": True}, 'run "r", e3g_clusters: expected a whole number of at least 1, found true'),
    ],
)
def test_values_of_another_type(own: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        plan.make({"seed_size": 5, "rounds": 1, "budget": 5}, [{"name": "r", "strategy": "margin", **own}])


@pytest.mark.parametrize(
    "own",
    [{"skip": 0}, {"logistic_c": 2, "candidate_threshold": 1}, {"classifier": "svm", "svm_c": "auto"}, {"classifier": "svm", "svm_c": 1}],
)
def test_whole_numbers_are_numbers(own: dict[str, Any]) -> None:
    plan.make({"seed_size": 5, "rounds": 1, "budget": 5}, [{"strategy": "margin", **own}])


@pytest.mark.parametrize("name", ["seed", "at_precision", "folds"])
def test_shared_values_of_another_type(name: str) -> None:
    with pytest.raises(UsageError, match=f"plan, {name}: expected a .*number.*, found 'x'"):
        plan.make({"seed_size": 5, "rounds": 1, "budget": 5, name: "x"}, [{"strategy": "margin"}])


def test_a_run_without_near_copies() -> None:
    length = {"seed_size": 5, "rounds": 1, "budget": 5}
    found = plan.make({**length, "unique": 0.98}, [{"strategy": "margin"}, {"strategy": "entropy", "unique": 0.9}])
    assert [(run.name, run.unique) for run in found.runs] == [("margin + unique", 0.98), ("entropy + unique", 0.9)]
    assert "unique" not in found.facts(plan.make(length, [{"strategy": "margin"}]).runs[0])  # runs of before are still there
    then = {"strategy": "entropy", "after": 8}
    (both,) = plan.make(length, [{"strategy": "margin", "unique": 0.98, "then": then}]).runs
    assert both.then is not None
    assert both.then.unique == 0.98
    with pytest.raises(UsageError, match='run "direct", unique has no effect with direct: what it asks follows from the answers'):
        plan.make(length, [{"strategy": "direct", "unique": 0.98}])
