"""What a strategy, and what wraps it, can be given: one catalogue for those who supply it.

`select` supplies it from tables (selection/from_tables.py), `simulate` from a model (simulation/from_model.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from altool.strategies.registry import Strategy


@dataclass(frozen=True)
class Vectors:
    """The candidates' vectors, which are read when they are asked for: who looks at a sample never holds those of the whole pool.

    `present` bool (n,) says which candidates have one. `fetch(places)` gives those of the candidates at these int64 places (k,), which
    increase and are all present, and those of the labeled rows that have one, in id order: float (k, D) and (m, D).
    """

    present: np.ndarray
    fetch: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

    def __len__(self) -> int:
        return len(self.present)

    def read(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read these vectors, and the labeled rows'."""
        return self.fetch(places)

    def part(self, places: np.ndarray) -> Vectors:
        """Of some of the candidates alone: their increasing int64 places."""
        return Vectors(self.present[places], lambda some: self.fetch(places[some]))


@dataclass(frozen=True)
class Input:
    """An array or value. `table` is the one that it comes from ("": none); `per` what it has one entry for."""

    name: str
    table: Literal["predictions", "features", "labels", "queue", "model", ""]
    per: Literal["candidate", "labeled row", "run"]
    meaning: str


INPUTS: Mapping[str, Input] = {
    entry.name: entry
    for entry in (
        Input("probabilities", "predictions", "candidate", "(n, K) float, rows sum to 1"),
        Input("features", "features", "candidate", "(n, D) float32 or float16"),
        Input("vectors", "features", "candidate", "Vectors (n), read when they are asked for"),
        Input("margin", "predictions", "candidate", "(n,) float64, the largest probability less the second; 1 of a single class"),
        Input("clusters", "", "candidate", "(n,) int64, the cluster of each in a clustering of the whole pool that is kept over rounds"),
        Input("mutual_information", "predictions", "candidate", "(n,) float32, of dropout samples (BALD)"),
        Input("predicted_loss", "predictions", "candidate", "(n,) float32, of a loss ranker"),
        Input("labeled_probability", "predictions", "candidate", "(n,) float32, of VAAL's discriminator"),
        Input("likeliest", "predictions", "candidate", "(n,) int32 class numbers"),
        Input("confidence", "predictions", "candidate", "(n,) float32, the probability of the likeliest class"),
        Input("ranks", "queue", "candidate", "(n,) float, of an outside queue"),
        Input("labeled_probabilities", "predictions", "labeled row", "(m, K) as probabilities"),
        Input("labeled_features", "features", "labeled row", "(m, D) as features"),
        Input(
            "labels",
            "labels",
            "labeled row",
            "(m,) int64: columns of the probabilities, then classes that only labels have",
        ),
        Input("automatic", "labels", "labeled row", "(m,) bool: was the label given without a person?"),
        Input("head", "model", "run", "weights (K, D) and bias (K,) of a linear model"),
        Input("classes", "predictions", "run", "K"),
        # What `wrappers.choose` makes or knows itself.
        Input("count", "", "run", "how many to choose (pick), or of how many (score), or the round's budget (ask)"),
        Input("rng", "", "run", "a random generator of its own"),
        Input("draw", "", "run", "draw(*scope): a random generator of its own for each scope (numbers and words)"),
        Input("candidates", "", "run", "n, how many candidates there are"),
        Input("parallel", "", "run", "how many rows are labeled at once"),
        Input("hard", "", "run", "hard(places, count): the inner strategy's choice of so many of the int64 places"),
        # What wrappers are given.
        Input("scores", "predictions", "candidate", "(n,) float64, of a strategy that was run over a stream or that compares rounds"),
        Input("likeliest_before", "predictions", "candidate", "(n,) int32, the previous round's; -1: not scored then"),
        Input("candidate_labels", "predictions", "run", "the classes that each candidate may be of (TAAL), wrappers.target_aware.Ragged"),
    )
}
PER_CANDIDATE = frozenset(entry.name for entry in INPUTS.values() if entry.per == "candidate")
MATRICES = ("probabilities", "features")  # with one row of many numbers per row, here and of the labeled rows


def wanted(strategy: Strategy, given: Mapping[str, Any], *, diversify: bool, suggest: bool, target_aware: bool) -> frozenset[str]:
    """The names of what a choice is to be given: what the strategy and the one inside it take, may be given or are wrapped by.

    `given` are the strategy's options. What it may be given is left out where it compares features alone.
    """
    names = {*strategy.takes, *strategy.wrapped.takes}
    if given.get("similarity") != "features" or strategy.inner:
        names |= {*strategy.optional, *strategy.wrapped.optional}
    if diversify or suggest or strategy.inner:
        names |= {"likeliest", "confidence"}
    if target_aware:
        names.add("candidate_labels")
    return frozenset(names)
