"""Rows that kernels find hard, wherever they lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from altool.conformance.strategies import arrays

KINDS = ("ordinary", "copies", "one class", "far from the origin", "lengths from 1e-3 to 1e6", "float16")
KERNELS = ("badge", "coreset", "logdetmi", "logdetcg", "maxherding", "flqmi", "gccg")  # strategies of one kernel each


def special(kind: str, count: int) -> dict[str, Any]:
    """What a strategy is given of a pool of `count` such rows and 20 labeled ones."""
    draw = np.random.default_rng(1)
    rows, likely = draw.normal(size=(count, 16)).astype(np.float32), draw.dirichlet(np.ones(3), count).astype(np.float32)
    if kind == "copies":
        rows, likely = rows[np.arange(count) % 40], likely[np.arange(count) % 40]
    elif kind == "one class":
        likely = np.ones((count, 1), np.float32)
    elif kind == "far from the origin":
        rows += 1e4
    elif kind == "lengths from 1e-3 to 1e6":
        rows *= 10 ** draw.uniform(-3, 6, (count, 1)).astype(np.float32)
    elif kind == "float16":
        rows = rows.astype(np.float16)
    return arrays(likely, labeled=20) | {"features": rows, "labeled_features": rows[:20]}
