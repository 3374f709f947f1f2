"""What `select` is told, and what it refuses before it reads anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from altool.engines import placement
from altool.errors import UsageError
from altool.metrics import steering
from altool.metrics.tiers import AUTO
from altool.options import Option, declared, flag, option, shared
from altool.shared import (
    CLASSES,
    COLUMNS,
    DEVICE,
    ENGINE,
    FEATURE_PREFIX,
    FEATURES,
    FORMAT,
    IDS,
    ITEMS,
    LABELS,
    LONG,
    OUTPUT,
    OVERWRITE,
    PREDICTIONS,
    PROB_COLUMNS,
    PROB_PREFIX,
    PROBABILITIES,
    RAY_ADDRESS,
    ROUND,
    RUN,
    SCALE,
    SCORE,
    SEED,
    STRICT,
    TABLES,
    TARGETS,
    THREADS,
    TIME_UNIT,
    TIME_ZONE,
    UNLABELED_VALUE,
    WORKERS,
)
from altool.strategies import registry
from altool.strategies.registry import SUBSET_FACTOR, Strategy
from altool.wrappers import shortlist as shortlists
from altool.wrappers.choose import PARALLEL, THRESHOLD

CHOOSING = "What to choose"  # the panels, in the order of the help
AIMS = "Targets"
ASKING = "Strategies that ask and wait"

UNIQUE = Option(help="Choose one of near copies: a cosine of T or more.", above=0, high=1, bare="0.98", metavar="T", panel=CHOOSING)
WEIGHTS_FROM = Option(
    panel=AIMS,
    metavar="ROWS",
    choices=steering.WEIGHTS_FROM,
    help="Which estimates weigh the classes; auto: shrunk ones.",
    shown=steering.AUTO,
)


def duration(value: Any) -> float:
    """Seconds, of which there may be no end. Raises ValueError, which says what is expected."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError("a number of at least 0")
    return float(value)


@dataclass(frozen=True)
class Options:
    strategy: str = option("How to choose; altool strategies lists them.", default="auto", metavar="NAME", panel=CHOOSING)
    budget: int | None = option("How many rows to choose.", low=1, high=2**31 - 1, metavar="N", panel=CHOOSING)
    budget_seconds: float | None = option("As many rows as people's time pays for.", convert=duration, metavar="S", panel=CHOOSING)
    output: str | None = shared(replace(OUTPUT, panel=CHOOSING))
    diversify: bool = option("Take one row per predicted class in each pass.", default=False, panel=CHOOSING)
    diversify_by: str | None = option(
        "The round whose predicted classes count.",
        choices=("previous", "current"),
        metavar="ROUND",
        shown="current; alamp: previous",
        panel=CHOOSING,
    )
    unique: float | None = shared(UNIQUE)
    shortlist: int | None = shared(replace(shortlists.SHORTLIST, panel=CHOOSING, help="Choose among the M best rows alone."))
    shortlist_by: str | None = shared(replace(shortlists.SHORTLIST_BY, panel=CHOOSING))
    suggest: bool = option("Add the model's label to every query.", default=False, panel=CHOOSING)
    suggest_wrong: float | None = option("Replace this share of suggestions, to time people.", above=0, high=1, metavar="P", panel=CHOOSING)
    relabel: int | None = option("Ask again about N labels that are most likely wrong.", low=1, high=2**31 - 1, metavar="N", panel=CHOOSING)
    partitions: int | None = option("Pick in P random parts of the pool, at once.", low=1, metavar="P", panel=CHOOSING)
    within_neighbours: int | None = option(
        "Choose among the K rows nearest to each labeled one.", low=1, high=2**31 - 2, metavar="K", panel=CHOOSING
    )
    source: str | None = option(
        "holdout: held out, never trained on.", choices=("holdout",), metavar="holdout", shown="as chosen", panel=CHOOSING
    )
    audit: int | None = option("Tiers: ask people about N random easy rows.", low=1, metavar="N", panel=CHOOSING)
    list_strategies: bool = option("Print every strategy and stop.", default=False, panel=CHOOSING)
    predictions: str | None = shared(PREDICTIONS)
    features: str | None = shared(FEATURES)
    labels: str | None = shared(LABELS)
    items: str | None = shared(ITEMS)
    queries: Sequence[str] | None = option("Earlier queries, or this round's; repeatable.", metavar="TABLE", panel=TABLES)
    previous: str | None = option("The previous round's predictions (alamp).", metavar="TABLE", panel=TABLES)
    queue: str | None = option("A ranked table, for --strategy queue.", metavar="TABLE", panel=TABLES)
    oof: str | None = option("Out-of-fold predictions of the labels (--relabel).", metavar="TABLE", panel=TABLES)
    model: str | None = option("A model with a linear head (base, dropquery).", metavar="DIR", panel=TABLES)
    clusters: str | None = option("Clusters, kept over rounds (cluster-margin).", metavar="PATH", panel=TABLES)
    within: str | None = option("Choose among these ids only.", metavar="TABLE", panel=TABLES)
    exclude: str | None = option("Never choose these ids.", metavar="TABLE", panel=TABLES)
    index: str | None = option("What altool index wrote.", metavar="INDEX", shown="beside the features", panel=TABLES)
    keep: str | None = option("Columns to carry on, or *; ids keep their name.", metavar="A,B,…", panel=TABLES)
    export: Sequence[str] | None = option("Also write what an annotation tool imports.", metavar="FORMAT=FILE", panel=TABLES)
    image_url: str | None = option("Address in front of a picture's path, else of its id.", metavar="PREFIX", panel=TABLES)
    target_aware: bool = option("Re-order the queue towards classes below target.", default=False, panel=AIMS)
    targets: str | None = shared(replace(TARGETS, panel=AIMS))
    metrics: str | None = option("Metrics of a report: classes below target.", metavar="TABLE", panel=AIMS)
    weights_from: str | None = shared(WEIGHTS_FROM)
    candidate_threshold: float | None = option(
        "Share of a row's largest probability that makes a class a candidate.", low=0, high=1, shown=str(THRESHOLD), panel=AIMS
    )
    queue_size: int | None = option("Rows that --target-aware chooses from.", low=1, metavar="N", shown="10 × budget", panel=AIMS)
    round: int | None = shared(replace(ROUND, panel=ASKING))
    parallel: int | None = option("Rows that are labeled at once.", low=1, metavar="B", shown=str(PARALLEL), panel=ASKING)
    wait: bool | None = option("Wait for all answers, or ask on (needs --queries).", shown="wait", panel=ASKING)
    oracle: str | None = option("Labels that answer at once, for backtests.", metavar="TABLE", panel=ASKING)
    columns: str | None = shared(COLUMNS)
    ids: str | None = shared(IDS)
    classes: str | None = shared(CLASSES)
    prob_prefix: str | None = shared(PROB_PREFIX)
    prob_columns: str | None = shared(PROB_COLUMNS)
    score: str | None = shared(SCORE)
    long: str | None = shared(LONG)
    probabilities: str | None = shared(PROBABILITIES)
    feature_prefix: str | None = shared(FEATURE_PREFIX)
    scale: str | None = shared(SCALE)
    time_zone: str | None = shared(TIME_ZONE)
    time_unit: str | None = shared(TIME_UNIT)
    unlabeled_value: Sequence[str] | None = shared(UNLABELED_VALUE)
    format: str | None = shared(FORMAT)
    seed: int = shared(SEED)
    device: str = shared(replace(DEVICE, default="cpu", help="Where rows are picked: as cpu, cuda or auto."))
    memory: str | None = option("As 4GiB; the rest lies in TMPDIR.", metavar="SIZE", shown="3/4 of free memory", panel=RUN)
    threads: int = shared(THREADS)
    engine: str = shared(ENGINE)
    ray_address: str | None = shared(replace(RAY_ADDRESS, help="The cluster's address."))
    workers: int | None = shared(replace(WORKERS, low=1, help="Ray's workers.", shown="one per CPU"))
    strict: bool = shared(STRICT)
    overwrite: bool = shared(OVERWRITE)
    own: Mapping[str, Any] = field(default_factory=dict)  # of the strategy


def prepare(options: Options) -> tuple[Options, Strategy, dict[str, Any]]:
    """What is told in full, the strategy and its options, checked with all that goes along with them. Raises UsageError for what cannot
    work or has no effect."""
    who = f"--strategy {options.strategy}"
    own = options.own
    if options.within_neighbours is not None and "query_classes" in own:  # whose neighbours: with any strategy
        taken = registry.load(options.strategy, own).option_names
        own = {name: value for name, value in own.items() if name != "query_classes" or name in taken}
    strategy, given = registry.prepare(options.strategy, own, flag, who)
    for table in strategy.tables:
        if not getattr(options, table):
            raise UsageError(f"{who} needs --{table}")
    if not (options.predictions or options.features or options.queue or options.items):
        raise UsageError("the pool is missing", "give --predictions, --features, --queue or --items")
    if strategy.steers and options.targets:
        options = replace(options, target_aware=True)
    registry.check_wrappers(strategy, diversify=options.diversify, partitions=options.partitions, who=who, say=flag)
    _check_tables(options, strategy, given, who)
    _check_budgets(options, strategy, given, who)
    _check_asking(options, strategy, who)
    _check_wrappers(options, strategy, who)
    _check_source(options, who)
    _check_size(options, strategy, who)
    return options, strategy, given


# What --relabel takes beside itself; all others choose among rows without a label.
RELABELING = (
    *("relabel", "output", "suggest", "oof", "predictions", "labels", "items", "within", "exclude", "export", "round", "format", "seed"),
    *("columns", "classes", "time_zone", "time_unit", "unlabeled_value", "threads", "strict", "overwrite"),
)


def check_relabel(options: Options) -> None:
    """Refuse what labels cannot be asked again without, or what has no effect on it. Raises UsageError."""
    given = [one.flag for one in declared(Options) if one.name not in RELABELING and getattr(options, one.name) not in (one.default, [])]
    for own in (*given, *map(flag, options.own)):
        raise UsageError(f"{own} has no effect with --relabel", "leave it out, or choose new rows with an altool select of its own")
    for name, hint in (("labels", "the label log"), ("oof", "what altool train --folds 5 --oof PREDICTIONS wrote")):
        if not getattr(options, name):
            raise UsageError(f"--relabel needs --{name}", f"give {hint}")
    if options.output is None:
        raise UsageError("missing --output", "for example -o again.parquet")


def _check_tables(options: Options, strategy: Strategy, given: Mapping[str, Any], who: str) -> None:
    """Refuse tables without effect. Raises UsageError."""
    if options.oof:
        raise UsageError("--oof has no effect without --relabel", "add --relabel N, or leave it out")
    if options.queue and "ranks" not in strategy.takes:
        raise UsageError(f"--queue has no effect with {who}", "use --strategy queue")
    if given.get("similarity") == "gradient" and not options.predictions:
        raise UsageError("--similarity gradient needs --predictions")
    if options.clusters and strategy.wrapped.clustered is None:
        raise UsageError(f"--clusters has no effect with {who}", "use it with --strategy cluster-margin")
    if options.model and "head" not in (*strategy.takes, *strategy.optional):
        raise UsageError(f"--model has no effect with {who}", "leave it out")
    if options.within_neighbours is not None and not (options.features and options.labels):
        raise UsageError("--within-neighbours needs --features and --labels", "neighbours are those of labeled rows, by their features")
    if options.index and options.within_neighbours is None:
        raise UsageError("--index has no effect without --within-neighbours", "add --within-neighbours K, or leave it out")
    if options.target_aware and not (options.targets and (options.predictions or strategy.steers)):
        raise UsageError("--target-aware needs --targets and --predictions", "and --metrics, once a report has written them")
    if options.weights_from in steering.SAMPLES and not options.metrics:
        raise UsageError(f"--weights-from {options.weights_from} needs --metrics", "give what altool report --metrics-output wrote")
    if not options.target_aware:
        for name in ("targets", "weights_from", "candidate_threshold", "queue_size"):
            if getattr(options, name) is not None:
                raise UsageError(f"{flag(name)} has no effect without --target-aware", "add --target-aware, or leave it out")
        by_class = "query_classes" in strategy.option_names or options.within_neighbours is not None
        if options.metrics and (not by_class or "query_classes" in options.own):
            raise UsageError("--metrics has no effect here", "use it with --target-aware, or with a measure that has no --query-classes")
    if options.previous and not (strategy.wrapped.across or options.diversify_by == "previous"):
        hint = "use it with a strategy that compares rounds, or with --diversify-by previous"
        raise UsageError(f"--previous has no effect with {who}", hint)


def _check_asking(options: Options, strategy: Strategy, who: str) -> None:
    """Refuse what does not go together in a round that asks. Raises UsageError."""
    if strategy.shape != "ask":
        for name in ("parallel", "wait", "oracle"):
            if getattr(options, name) is not None:
                raise UsageError(f"{flag(name)} has no effect with {who}", "leave it out: the strategy does not wait for answers")
        return
    if options.round is None and not options.oracle:
        raise UsageError(f"{who} needs --round", "its answers are the labels of that round")
    if options.queries and options.wait is not False:
        raise UsageError("--queries has no effect without --no-wait", "leave it out: a round that waits follows from its answers")
    if options.wait is False and options.oracle:
        raise UsageError("--no-wait has no effect with --oracle", "leave it out: an oracle answers at once")
    if options.target_aware or options.diversify:
        wrapper = "--target-aware" if options.target_aware else "--diversify"
        raise UsageError(f"{wrapper} re-orders a queue; {who} asks and decides what to ask next", f"leave {wrapper} out")
    if options.unique is not None:
        raise UsageError(f"--unique has no effect with {who}: what it asks follows from the answers", "leave --unique out")


def _check_wrappers(options: Options, strategy: Strategy, who: str) -> None:
    """Refuse wrappers without effect. Raises UsageError."""
    if options.queue_size is not None and strategy.wrapped.shape != "pick":
        raise UsageError(f"--queue-size has no effect with {who}", "leave it out: its queue is the whole pool")
    if strategy.shape != "pick" and options.device not in ("cpu", "auto"):
        raise UsageError(f"--device {options.device} has no effect with {who}", "leave it out: the strategy computes on the processor")
    if options.diversify_by is not None and not options.diversify:
        raise UsageError("--diversify-by has no effect without --diversify", "add --diversify, or leave it out")
    if options.diversify_by == "previous" and not options.previous:
        raise UsageError("--diversify-by previous needs --previous")
    if options.partitions is not None and options.budget is not None and options.partitions > options.budget and not strategy.inner:
        text = f"--partitions {options.partitions} is more than --budget {options.budget}: each partition needs at least one row"
        raise UsageError(text, "give fewer partitions")
    if options.unique is not None and not (options.features or options.items):
        raise UsageError("--unique needs --features or --items", "copies are told by their vectors, or by what the items hold")
    for name in ("diversify", "suggest"):
        if getattr(options, name) and not options.predictions:
            raise UsageError(f"--{name} needs --predictions")
    if options.suggest_wrong is not None:
        if strategy.tiers:
            raise UsageError(f"--suggest-wrong has no effect with {who}: its suggestions are the tiers'", "use --strategy random --suggest")
        if not options.suggest:
            raise UsageError("--suggest-wrong needs --suggest", "add it")


def sorts(strategy: Strategy, options: Options) -> bool:
    """Does the strategy choose the first rows of its queue, which is all candidates in the order of a number of each?"""
    whole = (options.target_aware, options.diversify, options.unique is not None, options.oracle)
    return strategy.rowwise and SUBSET_FACTOR.name not in strategy.option_names and not any(whole)


def placed(options: Options) -> placement.Placed:
    """Where the pool is streamed."""
    return placement.Placed(options.engine, options.ray_address, workers=options.workers)


def _check_size(options: Options, strategy: Strategy, who: str) -> None:
    """Refuse a shortlist and an engine without effect, or that cannot work. Raises UsageError."""
    shortlists.check(strategy, options.shortlist, options.shortlist_by, who, flag)
    if options.shortlist is not None:
        if not options.predictions:
            raise UsageError("--shortlist needs --predictions", "its rows are the best by their probabilities")
        if options.clusters:
            raise UsageError("--clusters has no effect with --shortlist: it is of the whole pool", "leave one of them out")
        if options.budget is not None:
            shortlists.check_budget(options.shortlist, options.budget, flag)
    placement.check(placed(options))
    if options.engine == placement.LOCAL and options.workers is not None:
        raise UsageError("--workers has no effect with --engine local", "use --threads, or give --engine ray")
    if options.engine != placement.LOCAL and options.shortlist is None and not sorts(strategy, options):
        hint = "leave it out, or give --shortlist" if strategy.shape == "pick" else "leave it out"
        raise UsageError(f"--engine {options.engine} has no effect here: the whole pool is needed at once", hint)


def _check_source(options: Options, who: str) -> None:
    """Held-out rows measure the model: refuse any but a random sample. Raises UsageError."""
    wrappers = [name for name in ("target_aware", "diversify", "unique", "within_neighbours") if getattr(options, name)]
    if options.source and (options.strategy != "random" or wrappers):
        what = flag(wrappers[0]) if wrappers and options.strategy == "random" else who
        raise UsageError(
            f"--source {options.source}: rows of {what} are no random sample, and what is measured on them is biased",
            "use --strategy random alone",
        )


def _check_budgets(options: Options, strategy: Strategy, given: Mapping[str, Any], who: str) -> None:
    """Refuse budgets that are missing, without effect, or two. Raises UsageError."""
    tiers = given.get(strategy.budgets)
    auto = tiers == AUTO
    if options.budget is None and options.budget_seconds is None and (tiers is None or auto):
        raise UsageError("missing --budget", "for example --budget 100 -o queries.parquet")
    if options.output is None:
        raise UsageError("missing --output", "for example -o queries.parquet")
    if options.budget_seconds is not None and (options.budget is not None or (tiers is not None and not auto)):
        other = "--budget" if options.budget is not None else flag(strategy.budgets)
        raise UsageError(f"{other} and --budget-seconds both set the number of rows", "give one of them")
    if tiers is not None and not auto and options.budget not in (None, sum(tiers)):
        shown = f"{flag(strategy.budgets)} {','.join(map(str, tiers))}"
        raise UsageError(f"--budget {options.budget} is not the sum of {shown}: {sum(tiers)}", "leave --budget out")
    if options.budget_seconds is not None and not options.labels:
        raise UsageError("--budget-seconds needs --labels", "their seconds are what an answer takes")
    if options.audit and not strategy.tiers:
        raise UsageError(f"--audit has no effect with {who}", "use it with a strategy that has tiers, as clarifier")
    if strategy.shape == "ask" and options.budget_seconds is not None:
        raise UsageError(f"--budget-seconds has no effect with {who}", "give every call of a round the same --budget")
    if strategy.shape != "ask" and options.queries and not (auto or options.budget_seconds is not None):
        hint = "use it with --clarifier-budgets auto, --budget-seconds or --no-wait"
        raise UsageError(f"--queries has no effect with {who}", hint)


def exports_of(options: Options) -> dict[str, str]:
    """{format: file} of `--export`. Raises UsageError."""
    exports: dict[str, str] = {}
    if not options.export:
        if options.image_url is not None:
            raise UsageError("--image-url has no effect without --export")
        return exports
    from altool.labels import registry as formats

    for text in options.export:
        name, equals, location = text.partition("=")
        if not equals or not location or name in exports:
            raise UsageError(f"--export: {text!r} is not FORMAT=FILE, or a format is named twice", "for example --export csv=todo.csv")
        formats.writer(name)  # an unknown format is refused before any work
        exports[name] = location
    if options.image_url is not None and not any(formats.writer(name).by_address for name in exports):
        raise UsageError(f"--image-url has no effect with --export {', '.join(exports)}", "leave it out; that tool takes no addresses")
    if not options.items:
        raise UsageError("--export needs --items: what people are to see")
    return exports
