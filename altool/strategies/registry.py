"""What a strategy says of itself, and how it is found: `strategies/margin.py` is `--strategy margin`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from altool import strategies
from altool.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from altool.kernels.class_lists import Finding

TABLES = {
    "probabilities": "predictions",
    "mutual_information": "predictions",
    "predicted_loss": "predictions",
    "labeled_probability": "predictions",
    "features": "features",
    "ranks": "queue",
    "labels": "labels",
    "head": "model",
    "likeliest": "predictions",
}
CHOICES = {  # option -> its values
    "similarity": ("features", "gradient"),
    "kernel": ("shifted", "cosine"),
    "alamp_base": ("margin", "entropy", "least-confidence"),
    "clarifier_measure": ("logdetmi", "flqmi", "flvmi", "gcmi", "com"),
    "clarifier_easy": ("balanced", "global"),
}

# What is known of a row instead of a class number; strategies mark with the last what they did not ask about.
SKIPPED, PENDING, UNASKED = -1, -2, -3


@dataclass(frozen=True)
class Question:
    """A batch of candidates to be labeled, at most `--parallel`.

    `rows` int64 (n,), distinct and never asked before; `classes` int32 (n,) the class in whose list each was found, -1 for none;
    `search` bool (n,): asked to find where a class ends, or spent next to it. `course`: the class and search of all its rows, where a
    strategy takes class after class: in its place no other rows can have been asked. Such a question may be without rows.
    """

    rows: np.ndarray
    classes: np.ndarray
    search: np.ndarray
    course: tuple[int, bool] | None = None


Findings: TypeAlias = "Callable[[], list[Finding]]"  # of every class with a list; made on demand, as it takes as long as a round
Course: TypeAlias = "Generator[Question, tuple[np.ndarray, np.ndarray] | None, Findings]"


@dataclass(frozen=True)
class Strategy:
    """One acquisition strategy.

    `function` is called with the arrays named in `takes` and `optional`, in that order, and the options named in `options` by keyword.
    Rows are candidates in id order, or labeled rows (those with a person's or an automatic label, in id order):

    - `probabilities` (n, K) float, `features` (n, D) float32 or float16, `mutual_information`, `predicted_loss` and
      `labeled_probability` (n,) float32, `ranks` (n,) of an outside queue; an array of `optional` is None where its table is not given;
    - `labeled_probabilities` (m, K), `labeled_features` (m, D) and `labels` (m,) int64 class numbers of the labeled rows: columns of the
      probabilities, then the classes that only the labels know;
    - `head`: weights (K, D) and bias (K,) of a linear model;
    - `automatic` (m,) boolean: was the label given without a person?
    - `likeliest` (n,) int32 and `confidence` (n,) float32, the predicted class and its probability, and `classes`, K;
    - `count`: how many to choose ("pick"), or of how many ("score"), or the round's budget ("ask"); `rng`: a generator of its own;
    - `draw(*scope)`: a generator of its own for each scope (numbers and words); `parallel`: how many rows are labeled at once.

    Matrices may be mapped files or, with `--device`, torch tensors (kernels/blocks.py); they are not written to.

    shape "score": returns float64 (n,), higher is sooner; its queue is all candidates in order or, with `subset_factor` (overruled by the
    option of that name, which the function is not given), those of a random sample of so many times the rows asked for. A strategy that
    compares this round's predictions with the previous round's has `across`, (keep, compare): `keep`, called as `function` is, gives the
    one float64 number of each row that matters, and `compare(now, before)` the scores, where `before` is NaN for a row that the previous
    round did not score. `function` is then for the first round.
    shape "pick": returns int64 (min(count, n),) distinct positions in the order of picking; with `marks` also {name: what it tells of each
    of them, an array}. `explored`: was it drawn as part of a random sample of the pool, rather than chosen by the model? `tier`,
    `suggested` and `confidence`: see strategies/clarifier.py.
    shape "ask": a generator (`Course`) that yields a `Question` and is sent the rows that were asked and their labels, int64: class
    numbers, SKIPPED, or PENDING (as good as skipped, for now). The rows are those of the question; when it looks back on a round whose
    labels came late, those that were asked in its place, or none (it had gone on by then). Sent None it returns its `Findings`, as it
    does at the end. `labels` are those from before the round, and all rows that had none by then are candidates to the round's end, so
    that with the same answers it always asks the same.

    A strategy that is built around another one, which an option names, has `resolve`, which makes the whole from the options: `inner` is
    that other one, `takes` and `options` are those of both. Its function is given `hard(places, count)`, the inner one's choice of so many
    of the int64 `places`; what wraps strategies wraps the inner one.
    """

    name: str
    shape: Literal["score", "pick", "ask"]
    function: Callable[..., Any]
    takes: tuple[str, ...]
    summary: str
    paper: str
    source: Literal["explore", "exploit"] = "exploit"
    cold_start: bool = False
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()  # options that it cannot do without
    optional: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    across: tuple[Callable[..., np.ndarray], Callable[[np.ndarray, np.ndarray], np.ndarray]] | None = None
    resolve: Callable[[Mapping[str, Any]], Strategy] | None = None
    inner: Strategy | None = None
    subset_factor: int = 0
    gradients: bool = False  # does it compare gradients of the loss? Those of a model that is certain are all 0

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it cannot do without."""
        return tuple(dict.fromkeys(TABLES[name] for name in self.takes if name in TABLES and not (self.cold_start and name == "labels")))

    @property
    def rowwise(self) -> bool:
        """Does a row's score depend on one column of its predictions alone? Then the table is streamed through it."""
        return self.shape == "score" and len(self.takes) == 1 and TABLES.get(self.takes[0]) == "predictions"

    @property
    def wrapped(self) -> Strategy:
        """The strategy that wrappers wrap."""
        return self.inner or self

    def own(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the `given` options that its function takes."""
        return {name: given[name] for name in self.options if name in given}


def names() -> list[str]:
    """All strategy names, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(strategies.__path__))
    return sorted(name.replace("_", "-") for name in modules if name != "registry")


def load(name: str, given: Mapping[str, Any] | None = None) -> Strategy:
    """The strategy of that name, as the options `given` make it; imports its module alone. Raises UsageError for an unknown name."""
    if name not in names():
        close = difflib.get_close_matches(name, names(), 1)
        hint = f"did you mean {close[0]}?" if close else ""
        raise UsageError(f"--strategy: there is no {name!r}; there are {', '.join(names())}", hint)
    module = importlib.import_module(f"altool.strategies.{name.replace('-', '_')}")
    found: Strategy = module.STRATEGY
    return found.resolve(given) if found.resolve and given is not None else found


def check(
    strategy: Strategy,
    given: Mapping[str, Any],
    *,
    diversify: bool,
    partitions: int | None,
    who: str,
    flag: Callable[[str], str],
) -> None:
    """Refuse options and wrappers that cannot work with the strategy, or would do nothing. Raises UsageError.

    `given` are the options meant for strategies; a message calls the strategy `who` and an option `flag(name)`.
    """
    for name, value in given.items():
        if name not in strategy.options:
            raise UsageError(f"{who} knows no {flag(name)}", f"it knows {', '.join(map(flag, strategy.options)) or 'none'}")
        if value not in CHOICES.get(name, (value,)):
            raise UsageError(f"{flag(name)}: there is no {value!r}", f"give {' or '.join(CHOICES[name])}")
    for name in strategy.required:
        if name not in given:
            raise UsageError(f"{who} needs {flag(name)}")
    if diversify and strategy.wrapped.shape == "pick":
        picks = f"{strategy.inner.name} (--clarifier-hard)" if strategy.inner else who
        raise UsageError(f"{flag('diversify')} wraps strategies that sort; {picks} picks one row after another")
    if partitions is not None and strategy.shape != "pick":
        raise UsageError(f"{flag('partitions')} means nothing to {who}", "it sorts the whole pool in one pass")
    if partitions is not None and "explored" in strategy.marks:
        raise UsageError(f"{flag('partitions')} means nothing to {who}", "it takes the whole pool at once anyway")
