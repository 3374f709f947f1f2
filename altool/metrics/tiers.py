"""The tiers of CLARIFIER (Beck et al. 2022): rows to be labeled, to be confirmed, and to be labeled by the model."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

TIERS = ("hard", "intermediate", "easy")
HARD, INTERMEDIATE, EASY = range(3)
AUTO = "auto"  # instead of budgets: by what was measured so far (metrics.cost.tiers)


def budgets(value: Any) -> tuple[int, int, int] | str:
    """The rows of the three tiers: `60,30,10`, or a list; or AUTO. Raises ValueError, which says what is expected."""
    if value == AUTO:
        return AUTO
    try:
        rows = [int(part) for part in value.split(",")] if isinstance(value, str) else [index(part) for part in value]
    except (TypeError, ValueError):
        rows = []
    if len(rows) != len(TIERS) or min(rows) < 0 or not 0 < sum(rows) < 2**31:  # ranks are int32
        raise ValueError("auto or HARD,INTERMEDIATE,EASY, three numbers of rows as 60,30,10")
    return rows[0], rows[1], rows[2]


def automatic(tier: np.ndarray, audit: int, rng: np.random.Generator) -> np.ndarray:
    """bool (n,): the rows of the `tier` (n,) easy, which nobody is asked about, but for a random `audit` of them at most: these go to
    people, to measure how many suggestions are right."""
    found = tier == EASY
    easy = np.flatnonzero(found)
    found[rng.choice(easy, min(audit, len(easy)), replace=False)] = False
    return found
