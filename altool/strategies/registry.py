"""What a strategy says of itself, and how it is found: `strategies/margin.py` is `--strategy margin`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from altool import options as options_
from altool.errors import UsageError
from altool.options import Option, Say, flag
from altool.registry import Registry
from altool.strategies.inputs import INPUTS

if TYPE_CHECKING:
    import numpy as np

    from altool.kernels.class_lists import Finding

SUBSET_FACTOR = Option(
    "subset_factor", int, 10, "Choose from a random sample of N × budget rows; 0: from the whole pool.", low=0, metavar="N"
)

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
class Account:
    """What a strategy tells of its choice: `lines` for people, the numbers that it rests on in words, and `facts`, numbers and texts, for
    --json."""

    lines: tuple[str, ...]
    basis: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Strategy:
    """One acquisition strategy.

    `function` is called with what `takes` and `optional` name, in that order (strategies/inputs.py), and the options by keyword. Rows are
    candidates in id order, or labeled rows (those with a person's or an automatic label, in id order). What `optional` names is None where
    its table is not given.

    Matrices may be mapped files or, with `--device`, torch tensors (kernels/blocks.py); they are not written to.

    shape "score": returns float64 (n,), higher is sooner; its queue is all candidates in order or, with the option SUBSET_FACTOR
    (which the function is not given), those of a random sample of so many times the rows asked for. A strategy that
    compares this round's predictions with the previous round's has `across`, (keep, compare): `keep`, called as `function` is, gives the
    one float64 number of each row that matters, and `compare(now, before)` the scores, where `before` is NaN for a row that the previous
    round did not score. `function` is then for the first round, and `base` the option that names its order.
    shape "pick": returns int64 (min(count, n),) distinct positions in the order of picking; with `marks` also {name: what it tells of each
    of them, an array}, and with `account` also an `Account`. Such a function is given `queue_size` where more rows than the batch
    are wanted: the batch first, then those that would follow. `reason`: which of the strategy's steps took it. `explored`: was it drawn
    as part of a random sample of the pool, rather than chosen by the model? `tier`, `suggested` and `confidence`: see
    strategies/clarifier.py.
    shape "ask": a generator (`Course`) that yields a `Question` and is sent the rows that were asked and their labels, int64: class
    numbers, SKIPPED, or PENDING (as good as skipped, for now). The rows are those of the question; when it looks back on a round whose
    labels came late, those that were asked in its place, or none (it had gone on by then). Sent None it returns its `Findings`, as it
    does at the end. `labels` are those from before the round, and all rows that had none by then are candidates to the round's end, so
    that with the same answers it always asks the same.

    `clustered(features, count, rng, options)` gives `clusters` int64 (n,) of the rows of a whole pool, for rounds of `count` rows.

    `remark` is what to tell the user of what the function is given, by name, and the options; "" for nothing.
    `steers`: it is target-aware wherever targets are given.

    `options` are declared here and nowhere else (altool/options.py); `rules` raises UsageError where they do not go together.

    A strategy with tiers marks each row with its `tier` (altool/metrics/tiers.py) and has `budgets`, the option with the rows of each tier.
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
    options: tuple[Option, ...] = ()
    rules: Callable[[Mapping[str, Any], Say], None] | None = None
    budgets: str = ""
    base: str = ""
    optional: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    across: tuple[Callable[..., np.ndarray], Callable[[np.ndarray, np.ndarray], np.ndarray]] | None = None
    resolve: Callable[[Mapping[str, Any], Say], Strategy] | None = None
    inner: Strategy | None = None
    clustered: Callable[..., np.ndarray] | None = None
    remark: Callable[[Mapping[str, Any]], str] | None = None
    account: bool = False
    steers: bool = False
    gradients: bool = False  # does it compare gradients of the loss? Those of a model that is certain are all 0

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it cannot do without."""
        tables = dict.fromkeys(INPUTS[name].table for name in self.takes)
        return tuple(table for table in tables if table and not (self.cold_start and table == "labels"))

    @property
    def rowwise(self) -> bool:
        """Does a row's score depend on one column of its predictions alone? Then the table is streamed through it."""
        return self.shape == "score" and len(self.takes) == 1 and INPUTS[self.takes[0]].table == "predictions"

    @property
    def wrapped(self) -> Strategy:
        """The strategy that wrappers wrap."""
        return self.inner or self

    @property
    def option_names(self) -> tuple[str, ...]:
        """The names of its options."""
        return tuple(option.name for option in self.options)

    @property
    def tiers(self) -> bool:
        """Does it choose rows of several tiers?"""
        return "tier" in self.marks

    def default(self, name: str) -> Any:
        """The declared default of an option; None for one that it does not have."""
        return next((option.default for option in self.options if option.name == name), None)

    def own(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the `given` options that its function takes."""
        return {name: given[name] for name in self.option_names if name in given}


SEVERAL = "Several strategies"
REGISTRY: Registry[Strategy] = Registry("altool.strategies", "STRATEGY", "--strategy", lambda: Strategy, others=("registry", "inputs"))
names = REGISTRY.names


def load(name: str, given: Mapping[str, Any] | None = None, say: Say = flag, option: str = "") -> Strategy:
    """The strategy of that name, as the options `given` make it; imports its module alone. Raises UsageError for an unknown name; a message
    calls it what `option` names."""
    strategy = REGISTRY.load(name, option)
    return strategy.resolve(given, say) if strategy.resolve and given is not None else strategy


def prepare(
    name: str, given: Mapping[str, Any], say: Say, who: str, option: str = "", others: Iterable[str] = ()
) -> tuple[Strategy, dict[str, Any]]:
    """The strategy of that name as the options make it, and the `given` options, checked; a message calls the strategy `who`, and
    `others` are names that might be meant beside its options.

    Raises UsageError for an unknown strategy, for options that it does not take, lacks or that do not go together, and for values that
    they cannot have.
    """
    strategy = load(name, option=option)
    if strategy.resolve:
        base = {key: value for key, value in given.items() if key in strategy.option_names}
        strategy = strategy.resolve(options_.check(strategy.options, base, say, who), say)
    checked = options_.check(strategy.options, given, say, who, others)
    for needed in strategy.options:
        if needed.required and needed.name not in given:
            raise UsageError(
                f"{who} needs {say(needed.name)}", f"give {needed.metavar}: {needed.help[:1].lower()}{needed.help[1:].rstrip('.')}"
            )
    if strategy.rules:
        strategy.rules(checked, say)
    return strategy, checked


def check_wrappers(strategy: Strategy, *, diversify: bool, partitions: int | None, who: str, say: Say) -> None:
    """Refuse wrappers that cannot work with the strategy, or would do nothing; a message calls it `who`. Raises UsageError."""
    if diversify and strategy.wrapped.shape == "pick":
        picks = f"{strategy.inner.name}, its inner strategy," if strategy.inner else who
        raise UsageError(f"{say('diversify')} re-orders strategies that sort; {picks} picks one row after another", "leave it out")
    if partitions is not None and strategy.shape != "pick":
        raise UsageError(f"{say('partitions')} has no effect with {who}", "leave it out: the whole pool is sorted in one pass")
    if partitions is not None and strategy.marks and not strategy.inner:
        raise UsageError(f"{say('partitions')} has no effect with {who}", "leave it out: the whole pool is taken at once")


def owned() -> list[tuple[str, tuple[Option, ...]]]:
    """The options of all strategies for the help: (heading, options), first those that several strategies have."""
    takers: dict[str, dict[str, Option]] = {}  # option: strategy: as it declares it
    for name, strategy in REGISTRY.every().items():
        for option in strategy.options:
            takers.setdefault(option.name, {})[name] = option
    panels: dict[str, list[Option]] = {SEVERAL: []}
    for declarations in takers.values():
        if len(declarations) == 1:
            ((name, option),) = declarations.items()
            panels.setdefault(name, []).append(option)
        else:
            panels[SEVERAL].append(_joined(declarations))
    return [(heading, tuple(options)) for heading, options in sorted(panels.items(), key=lambda entry: (entry[0] != SEVERAL, entry[0]))]


def _joined(declarations: Mapping[str, Option]) -> Option:
    """One option for those that several strategies declare: its help names them, and the defaults of the fewer ones."""
    shown = {name: option.default_text or ("required" if option.required else "") for name, option in declarations.items()}
    usual = max(shown.values(), key=list(shown.values()).count)
    others = [f"{name}: {text}" for name, text in shown.items() if text != usual]
    option = next(option for name, option in declarations.items() if shown[name] == usual)
    return replace(option, help=f"{option.help} ({', '.join(declarations)})", shown="; ".join([usual, *others]), required=False)
