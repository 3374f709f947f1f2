"""What a strategy says of itself, and how it is found: `strategies/margin.py` is `--strategy margin`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from altool import strategies
from altool.errors import UsageError

TABLES = {"probabilities": "predictions", "features": "features", "ranks": "queue"}


@dataclass(frozen=True)
class Strategy:
    """One acquisition strategy.

    `function` is called with the arrays named in `takes`, in that order, and the options named in `options` by keyword:
    `probabilities` (n, K) float, `features` (n, D) float, `ranks` (n,) of an outside queue, `count` the number of candidates,
    `rng` a generator of its own; `query_classes` class numbers. Rows are candidates in id order.

    shape "score": returns float64 (n,), higher is sooner; its queue is all candidates in order.
    """

    name: str
    shape: Literal["score"]
    function: Callable[..., np.ndarray]
    takes: tuple[str, ...]
    summary: str
    paper: str
    source: Literal["explore", "exploit"] = "exploit"
    cold_start: bool = False
    options: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it cannot do without."""
        return tuple(TABLES[name] for name in self.takes if name in TABLES)

    @property
    def rowwise(self) -> bool:
        """Does a row's score depend on its probabilities alone? Then the table is streamed through it."""
        return self.shape == "score" and self.takes == ("probabilities",)


def names() -> list[str]:
    """All strategy names, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(strategies.__path__))
    return sorted(name.replace("_", "-") for name in modules if name != "registry")


def load(name: str) -> Strategy:
    """The strategy of that name; imports its module alone. Raises UsageError for an unknown name."""
    if name not in names():
        close = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {close[0]}?" if close else ""
        raise UsageError(f"--strategy: there is no {name!r}; there are {', '.join(names())}", hint)
    module = importlib.import_module(f"altool.strategies.{name.replace('-', '_')}")
    return module.STRATEGY
