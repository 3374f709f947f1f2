"""How many labels a new project asks for, and what so many held-out rows tell."""

from __future__ import annotations

import numpy as np

from altool.metrics.intervals import wilson
from altool.metrics.proof import CONFIDENCE, Look, Shares, rows_to_prove
from altool.text import count

A_CLASS = 5  # labels of a round
BATCH = (20, 200)
BATCH_UNKNOWN = 50  # where the classes are unknown
BUDGET = f"about {A_CLASS} a class"
HELD_A_CLASS = 30
HELD = (50, 1000)
HELD_UNKNOWN = 200
HELD_OUT = f"about {HELD_A_CLASS} a class"


def budget(rows: int, classes: int | None) -> tuple[int, str]:
    """Labels of a round, and why: a few of each class, and never more than a tenth of the pool."""
    wanted, why = BATCH_UNKNOWN, "as the classes are unknown"
    if classes is not None:
        wanted = min(max(A_CLASS * classes, BATCH[0]), BATCH[1])
        why = f"about {count(max(1, round(wanted / classes)), 'label')} a class"
    most = max(1, rows // 10)
    return (most, "a tenth of the rows") if most < wanted else (wanted, why)


def held_out(rows: int, classes: int | None) -> int:
    """Rows to measure on: about as many as tell a class's share to a tenth, and never more than a fifth of the pool."""
    wanted = HELD_UNKNOWN if classes is None else min(max(HELD_A_CLASS * classes, HELD[0]), HELD[1])
    return min(wanted, rows // 5)


def told(rows: int, classes: int | None, target: float = 0.9, confidence: float = CONFIDENCE) -> str:
    """What so many held-out rows tell, in words: how well they measure a share, and how many would prove the target."""
    own = max(1, round(rows / classes)) if classes else rows
    low, high = wilson(np.array(target * own), np.array(own))
    text = f"about {count(own, 'row')} a class if the classes are equally frequent: " if classes else ""
    text += f"a share of {target:.2f} is known to ±{(high - low) / 2:.2f}"
    better = (1 + target) / 2
    goal = Shares(np.array([[better]]), np.array([[1.0]]), np.array([[target]]))
    needed = rows_to_prove(goal, 1, Look(1, True, confidence)) if 0 < target < 1 else None
    if needed is None:
        return text
    return f"{text}; proving {target:.2f} takes about {count(needed, 'row')} of a class whose true share is {better:.3g}"
