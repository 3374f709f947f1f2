"""What `simulate` is told, on the command line or in a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from altool.models.recipes import RECIPE
from altool.options import Option, declared, option, shared
from altool.selection.options import UNIQUE, WEIGHTS_FROM
from altool.selection.options import Options as OfSelect
from altool.shared import (
    ALLOW_OUTSIDE,
    AT_PRECISION,
    BALANCE,
    CLASSES,
    CLASSIFIER,
    COLUMNS,
    DEVICE,
    ENGINE,
    FEATURE_PREFIX,
    FEATURES,
    GPUS_PER_WORKER,
    IDS,
    ITEMS,
    MC_DROPOUT,
    OVERWRITE,
    RAY_ADDRESS,
    RUN,
    SCALE,
    SEED,
    STRICT,
    TABLES,
    TARGETS,
    TIME_UNIT,
    TIME_ZONE,
    UNLABELED_VALUE,
)
from altool.strategies.registry import SUBSET_FACTOR
from altool.wrappers.shortlist import SHORTLIST, SHORTLIST_BY

RUNS = "What is tried"
LENGTH = "How long, and how often"
POOL = "The pool"
ANNOTATORS = "The annotators"


def noise(value: Any) -> float | str:
    """A share of wrong answers, or the path of a table of them. Raises ValueError, which says what is expected."""
    if isinstance(value, str) and value and "\0" not in value:
        try:
            value = float(value)
        except ValueError:
            return str(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("a number from 0 to 1 or the path of a table")
    return float(value)


def seconds(value: Any) -> tuple[float, float, float]:
    """`2,6,5` or a list: seconds of a verified, a corrected and an answer from scratch. Raises ValueError, which says what is expected."""
    try:
        numbers = tuple(float(part) for part in (value.split(",") if isinstance(value, str) else value))
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or not all(0 <= number < float("inf") for number in numbers):
        raise ValueError("VERIFIED,CORRECTED,SCRATCH, three numbers of seconds as 2,6,5")
    return numbers[0], numbers[1], numbers[2]


def imbalance(value: Any) -> str:
    """A ratio, or shares of classes. Raises ValueError, which says what is expected."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value != value or value == "":
        raise ValueError("a ratio as 10, ir=0.75, or shares as A=0.1,B=0.5")
    return str(value)


def budgets(value: Any) -> tuple[int, ...]:
    """`40`, `5,10,20` or a list: the rows of each round; the last goes on. Raises ValueError, which says what is expected."""
    parts = value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else [value]
    try:
        numbers = tuple(int(part) if isinstance(part, str) else part for part in parts)
    except ValueError:
        numbers = ()
    if not numbers or not all(isinstance(part, int) and not isinstance(part, bool) and 1 <= part < 2**31 for part in numbers):
        raise ValueError(f"a whole number from 1 to {2**31 - 1}, or one for each round as 5,10,20")
    return numbers


@dataclass(frozen=True)
class Options:
    output: str = option(
        "A folder with one folder per run; give it again to go on.", metavar="DIR", flags=("-o", "--output"), required=True, panel=RUNS
    )
    plan: str | None = option("TOML: these options as keys, and a [[run]] per run.", metavar="FILE", panel=RUNS)
    small: bool = option("The plan's small form: its section [small] over the rest.", default=False, panel=RUNS)
    strategy: Sequence[str] | None = option("What to try; repeatable.", metavar="NAME", panel=RUNS)
    classifier: str | None = shared(replace(CLASSIFIER, panel=RUNS, default=None, shown="logistic"))
    balance: str | None = shared(replace(BALANCE, panel=RUNS, default=None, shown="none"))
    recipe: str | None = shared(replace(RECIPE, panel=RUNS))
    warm_start: bool | None = option("Train each round's network from that of the round before.", panel=RUNS)
    diversify: bool | None = option("As in select.", panel=RUNS)
    suggest: bool | None = option("As in select; suggestions save --seconds.", panel=RUNS)
    unique: float | None = shared(replace(UNIQUE, panel=RUNS))
    target_aware: str | None = option(
        "Runs with TAAL, without it, or both; needs --targets.", choices=("both", "on", "off"), metavar="WHICH", panel=RUNS
    )
    queue: str | None = option("A ranked table, for strategy queue; {repeat} is its repeat.", metavar="TABLE", panel=RUNS)
    start_predictions: str | None = option("Predictions that choose until a model is trained.", metavar="TABLE", panel=RUNS)
    weights_from: str | None = shared(replace(WEIGHTS_FROM, panel=RUNS))
    features: str | None = shared(FEATURES)
    items: str | None = shared(ITEMS)
    labels: str | None = option("The truth: a label for every row of the pool.", metavar="TABLE", panel=TABLES)
    targets: str | None = shared(TARGETS)
    holdout_labels: str | None = option("Rows to measure on.", metavar="TABLE", panel=TABLES)
    seed_size: int | None = option("Labels before round 1; 0: begin without a model.", low=0, high=2**31 - 1, metavar="N", panel=LENGTH)
    seed_strategy: str | None = option(
        "What chooses the seed set: random, balanced or a strategy.", shown="random", metavar="NAME", panel=LENGTH
    )
    rounds: int | None = option("Rounds after the seed set.", low=1, high=2**31 - 1, shown="as many as budgets", metavar="N", panel=LENGTH)
    budget: str | tuple[int, ...] | None = option(
        "Rows to ask for in each round, or one number per round.", convert=budgets, metavar="N,…", panel=LENGTH
    )
    repeats: int | None = option("How often every run is replayed.", low=1, high=2**31 - 1, shown="1", metavar="N", panel=LENGTH)
    decided: bool | None = option("Measure recall at thresholds found out of fold, too.", panel=LENGTH)
    folds: int | None = option("Folds of --decided, and of what target-aware runs see.", low=2, shown="5", metavar="K", panel=LENGTH)
    at_precision: float | None = shared(replace(AT_PRECISION, default=None, shown="0.9", panel=LENGTH))
    holdout_share: float | None = option(
        "Share of each class held out, if no row is.", low=0.001, high=0.999, shown="0.2", metavar="P", panel=POOL
    )
    validation_share: float | None = option(
        "Share of each class that is never asked for, for estimates.", low=0.001, high=0.999, metavar="P", panel=POOL
    )
    measure: str | None = option(
        "Measure on held-out rows, or on the whole pool.", choices=("holdout", "pool"), shown="holdout", metavar="ROWS", panel=POOL
    )
    imbalance: str | None = option(
        "A long tail 1:R, or of a given s.d./mean, or a share per class.", convert=imbalance, metavar="R|ir=V|A=SHARE,…", panel=POOL
    )
    rare_classes: str | None = option("With --imbalance R: these keep 1/R of their rows.", metavar="A,B", panel=POOL)
    pool_share: float | None = option(
        "Share of each class's rows in the pool, at random.", low=0.001, high=1, shown="1", metavar="P", panel=POOL
    )
    resample: bool | None = option("Draw pool, held-out rows and rare classes anew in each repeat.", panel=POOL)
    merge_classes: Sequence[str] | None = option("Take classes for one; NEW=*: all others; repeatable.", metavar="NEW=A,B", panel=POOL)
    label_noise: str | float | None = option(
        "Share of wrong answers, or a table class, answer, share.", convert=noise, metavar="P|TABLE", panel=ANNOTATORS
    )
    skip: float | None = option("Share of rows that an annotator skips.", low=0, high=0.999, metavar="P", panel=ANNOTATORS)
    annotators: int | None = option("People who answer each row; the majority counts.", low=1, shown="1", metavar="N", panel=ANNOTATORS)
    seconds: str | tuple[float, float, float] | None = option(
        "Seconds to verify or correct a suggestion, or to label from scratch.", convert=seconds, metavar="V,C,S", panel=ANNOTATORS
    )
    columns: str | None = shared(COLUMNS)
    ids: str | None = shared(IDS)
    classes: str | None = shared(CLASSES)
    feature_prefix: str | None = shared(FEATURE_PREFIX)
    scale: str | None = shared(SCALE)
    time_zone: str | None = shared(TIME_ZONE)
    time_unit: str | None = shared(TIME_UNIT)
    unlabeled_value: Sequence[str] | None = shared(UNLABELED_VALUE)
    allow_outside: bool = shared(ALLOW_OUTSIDE)
    seed: int | None = shared(replace(SEED, default=None, shown="0"))
    device: str = shared(DEVICE)
    engine: str = shared(ENGINE)
    ray_address: str | None = shared(RAY_ADDRESS)
    gpus_per_worker: float | None = shared(GPUS_PER_WORKER)
    jobs: int = option("Runs at once, each in a process; 0 is one per core, on a GPU one.", default=0, low=0, metavar="N", panel=RUN)
    strict: bool = shared(STRICT)
    overwrite: bool = shared(OVERWRITE)


@cache
def of_plans() -> Mapping[str, Option]:
    """What a plan may say for all of its runs, by key."""
    not_settings = (
        "output",
        "plan",
        "small",
        "strategy",
        "allow_outside",
        "device",
        "engine",
        "ray_address",
        "gpus_per_worker",
        "jobs",
        "strict",
        "overwrite",
    )
    return {own.name: own for own in declared(Options) if own.name not in not_settings} | dict(of_runs())


@cache
def of_runs() -> Mapping[str, Option]:
    """What a [[run]] may say beside the options of its strategy and its classifier, by key: as `select`, `train` and `score` have it."""
    ours = (
        *("queue", "start_predictions", "seed_strategy", "classifier", "balance", "recipe", "warm_start"),
        *("label_noise", "skip", "annotators", "seconds"),
    )
    theirs = (
        *("diversify", "diversify_by", "unique", "suggest", "partitions", "parallel", "audit", "within_neighbours"),
        *("weights_from", "candidate_threshold", "queue_size"),  # of target-aware runs
    )
    found = {own.name: own for own in declared(Options) if own.name in ours}
    found |= {own.name: own for own in declared(OfSelect) if own.name in theirs}
    found["target_aware"] = Option("target_aware", bool, False, "Re-order the queue towards classes below target.")
    found["subset_factor"] = replace(SUBSET_FACTOR, default=None)
    found |= {own.name: own for own in (SHORTLIST, SHORTLIST_BY)}
    found["mc_dropout"] = replace(MC_DROPOUT, name="mc_dropout", kind=int)
    return found


def settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are given, of those that a plan may have."""
    return {name: value for name, value in given.items() if value not in (None, ()) and name in of_plans()}
