"""What a strategy says of itself, and how it is found: `strategies/margin.py` is `--strategy margin`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from altool import strategies
from altool.errors import UsageError

TABLES = {
    "probabilities": "predictions",
    "mutual_information": "predictions",
    "features": "features",
    "ranks": "queue",
    "labels": "labels",
    "head": "model",
}


@dataclass(frozen=True)
class Strategy:
    """One acquisition strategy.

    `function` is called with the arrays named in `takes` and `optional`, in that order, and the options named in `options` by keyword.
    Rows are candidates in id order, or labeled rows (those with a person's or an automatic label, in id order):

    - `probabilities` (n, K) float, `features` (n, D) float32 or float16, `mutual_information` (n,) float32, `ranks` (n,) of an outside
      queue; an array of `optional` is None where its table is not given;
    - `labeled_probabilities` (m, K), `labeled_features` (m, D) and `labels` (m,) int64 class numbers of the labeled rows: columns of the
      probabilities, then the classes that only the labels know;
    - `head`: weights (K, D) and bias (K,) of a linear model;
    - `count`: how many to choose ("pick"), or of how many ("score"); `rng`: a generator of its own.

    Matrices may be mapped files or, with `--device`, torch tensors (kernels/blocks.py); they are not written to.

    shape "score": returns float64 (n,), higher is sooner; its queue is all candidates in order.
    shape "pick": returns int64 (min(count, n),) distinct positions in the order of picking; with `marks` also boolean for each whether
    it was explored (a random sample of the pool) rather than chosen by the model.
    """

    name: str
    shape: Literal["score", "pick"]
    function: Callable[..., Any]
    takes: tuple[str, ...]
    summary: str
    paper: str
    source: Literal["explore", "exploit"] = "exploit"
    cold_start: bool = False
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()  # options that it cannot do without
    optional: tuple[str, ...] = ()
    marks: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it cannot do without."""
        return tuple(dict.fromkeys(TABLES[name] for name in self.takes if name in TABLES))

    @property
    def rowwise(self) -> bool:
        """Does a row's score depend on one column of its predictions alone? Then the table is streamed through it."""
        return self.shape == "score" and self.takes in (("probabilities",), ("mutual_information",))


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
