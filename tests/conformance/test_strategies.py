"""What every strategy promises (altool/conformance/strategies.py); a new strategy gets these for free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from extra import torch
from pretend import pretending

from altool.conformance import strategies
from altool.conformance.strategies import CHECKS, arrays, pick, probabilities
from altool.options import Option
from altool.strategies import margin, registry
from altool.strategies.registry import Strategy

TESTS = Path(__file__).parents[1] / "strategies"
PICKING = [name for name in registry.names() if registry.load(name).shape == "pick"]


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_what_strategies_promise(name: str, check: str) -> None:
    CHECKS[check](registry.load(name))


@pytest.mark.parametrize("name", registry.names())
def test_it_is_named_as_its_file_and_has_a_test_file(name: str) -> None:
    assert registry.load(name).name == name
    assert (TESTS / f"test_{name.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("name", PICKING)
def test_on_another_device_it_picks_the_same(name: str) -> None:
    matrices, given = {"features", "probabilities", "labeled_features", "labeled_probabilities"}, arrays(probabilities())
    before = torch.get_rng_state()
    with pretending() as away:
        tensors = {key: away(value) if key in matrices else value for key, value in given.items()}
        picks = pick(registry.load(name), tensors)
    assert np.array_equal(picks, pick(registry.load(name), given))
    assert torch.equal(before, torch.get_rng_state())


def scores(change: Callable[[np.ndarray], np.ndarray], **facts: Any) -> Strategy:
    """A copy of margin whose scores are changed."""
    return replace(margin.STRATEGY, function=lambda rows: change(margin.score(rows)), **facts)


DRAWN = np.random.default_rng(0)
FIRST = replace(margin.STRATEGY, shape="pick", takes=("probabilities", "count"))
FAULTS = {
    "says_what_it_is": replace(margin.STRATEGY, takes=("embeddings",)),
    "declares_its_options": replace(margin.STRATEGY, options=(Option("sharpness", float, 2.0, "How sharp.", low=0),)),
    "gives_one_finite_float64_per_candidate": scores(lambda found: found.astype(np.float32)),
    "repeats_with_the_same_seed": scores(lambda found: found + DRAWN.random(len(found))),
    "leaves_its_inputs_alone": replace(margin.STRATEGY, function=lambda rows: np.add(rows, 0, out=rows)[:, 0].astype(np.float64)),
    "follows_the_candidates": scores(lambda found: found + np.arange(len(found))),
    "scores_each_row_alone": scores(lambda found: found - found.mean()),
    "leaves_global_random_state_alone": scores(lambda found: found + 0 * np.random.random(len(found))),
    "picks_distinct_positions": replace(FIRST, function=lambda rows, count: np.zeros(min(count, len(rows)), np.int64)),
    "works_without_labels_or_says_so": replace(
        margin.STRATEGY, shape="pick", takes=("labels", "count"), function=lambda labels, count: np.arange(min(count, len(labels)))
    ),
}


@pytest.mark.parametrize("check", FAULTS)
def test_a_deliberate_fault_is_found(check: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=r"margin|read-only"):
        CHECKS[check](FAULTS[check])


def test_every_check_is_in_the_list() -> None:
    assert all(getattr(strategies, name) is check for name, check in CHECKS.items())


@pytest.mark.parametrize(
    ("option", "function", "says"),
    [
        (Option("budget", int, 2, "How many."), lambda rows, *, budget=2: rows, "altool select has options of the same name"),
        (
            Option("bait_lambda", str, "x", "How."),
            lambda rows, *, bait_lambda="x": rows,
            "it is str here, and float as an option of bait",
        ),
    ],
)
def test_an_option_that_means_two_things_is_found(option: Option, function: Callable[..., Any], says: str) -> None:
    strategy = replace(margin.STRATEGY, options=(option,), function=function)
    with pytest.raises(AssertionError, match=says):
        CHECKS["declares_its_options"](strategy)


def test_a_generator_that_is_seeded_is_one_that_is_used() -> None:
    def seeded(found: np.ndarray) -> np.ndarray:
        np.random.seed(1)
        return found

    with pytest.raises(AssertionError, match="numpy"):
        CHECKS["leaves_global_random_state_alone"](scores(seeded))
