"""Which global random generators a call moves, for the suites that check that none is."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np


def moved(call: Callable[[], Any]) -> list[str]:
    """The global generators, of Python, numpy and torch, that the call draws from or seeds."""
    call()  # importing a library may move them, once
    random.random()  # noqa: S311 (a call that seeds them must not find them as the first one left them)
    np.random.random()
    if "torch" in sys.modules:
        sys.modules["torch"].rand(1)
    before = _states()
    call()
    after = _states()
    return [name for name, state in before.items() if state != after[name]]


def _states() -> dict[str, Any]:
    states: dict[str, Any] = {"Python": random.getstate(), "numpy": [np.asarray(part).tolist() for part in np.random.get_state()]}
    if "torch" in sys.modules:
        states["torch"] = sys.modules["torch"].get_rng_state().tolist()
    return states
