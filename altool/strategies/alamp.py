"""alamp (Aggarwal, Popescu and Hudelot 2021): rows of which the previous round's model was sure, and this round's is not."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from altool.errors import InputError
from altool.options import Option
from altool.strategies import entropy, least_confidence, margin
from altool.strategies.registry import Strategy

ROWS = 1024  # worked on at once, so that the float64 copy stays in a core's cache
BASES: dict[str, ModuleType] = {"margin": margin, "entropy": entropy, "least-confidence": least_confidence}


def score(probabilities: np.ndarray, *, alamp_base: str = "margin") -> np.ndarray:
    """The first round's scores, float64 (n,): those of the base, as there is nothing to compare `probabilities` (n, K) with."""
    found: np.ndarray = BASES[alamp_base].score(probabilities)
    return found


def certainty(probabilities: np.ndarray, *, alamp_base: str = "margin") -> np.ndarray:
    """How sure the model is of each row of `probabilities` (n, K), float64 (n,): 1 if one class has it all, 0 if no class stands out.

    Rows are made to sum to 1 in float64 first. margin: p1 - p2. The others grow with uncertainty, so it is 1 - the value over its largest
    possible one: entropy 1 - H / ln K, least confidence 1 - (1 - p1) K / (K - 1). Raises InputError for one class.
    """
    classes = probabilities.shape[1]
    if classes < 2:
        raise InputError("predictions: alamp needs two classes, and there is one", "use random, or name every class in --classes")
    most = {"margin": 1.0, "entropy": np.log(classes), "least-confidence": 1 - 1 / classes}[alamp_base]
    found = np.empty(len(probabilities))
    for start in range(0, len(found), ROWS):
        rows = probabilities[start : start + ROWS].astype(np.float64)
        rows /= rows.sum(axis=1, keepdims=True)
        value = BASES[alamp_base].score(rows) / most  # of margin already minus the certainty
        found[start : start + ROWS] = -value if alamp_base == "margin" else 1 - value
    return np.clip(found, 0, 1)


def shift(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(before - now) / (before + now), equation 3, float64 (n,) from -1 to 1: the largest relative loss of certainty first.

    Both are of `certainty`; 0 / 0 is 0. Rows that the previous round never scored (`before` is NaN) come behind all others, in the order
    of the base: -2 - now.
    """
    total = before + now
    found = np.divide(before - now, total, out=np.zeros(len(now)), where=total != 0)
    return np.where(np.isnan(before), -2 - now, found)


STRATEGY = Strategy(
    name="alamp",
    shape="score",
    function=score,
    across=(certainty, shift),
    takes=("probabilities",),
    base="alamp_base",
    options=(Option("alamp_base", default="margin", choices=tuple(BASES), metavar="NAME", help="margin, entropy or least-confidence."),),
    summary="the largest fall of certainty since the previous round's predictions",
    paper="Aggarwal, Popescu and Hudelot 2021",
)
