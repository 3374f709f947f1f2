"""What `select` is told, and what it refuses before it reads anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from altool.errors import UsageError
from altool.strategies import clarifier, registry
from altool.strategies.registry import Strategy


@dataclass(frozen=True)
class Options:
    strategy: str | None = None
    budget: int | None = None
    budget_seconds: float | None = None
    output: str | None = None
    predictions: str | None = None
    features: str | None = None
    items: str | None = None
    labels: str | None = None
    targets: str | None = None
    metrics: str | None = None
    previous: str | None = None
    model: str | None = None
    queue: str | None = None
    within: str | None = None
    exclude: str | None = None
    diversify: bool = False
    diversify_by: str | None = None
    suggest: bool = False
    target_aware: bool = False
    candidate_threshold: float | None = None
    queue_size: int | None = None
    partitions: int | None = None
    query_classes: str | None = None
    private_classes: str | None = None
    similarity: str | None = None
    kernel: str | None = None
    eta: float | None = None
    nu: float | None = None
    ridge: float | None = None
    first: str | None = None
    bait_lambda: float | None = None
    bait_oversample: float | None = None
    bait_components: int | None = None
    cluster_margin_factor: float | None = None
    cluster_margin_threshold: float | None = None
    e3g_decay: float | None = None
    e3g_epsilon_min: float | None = None
    e3g_clusters: int | None = None
    total_budget: int | None = None
    direct_min_per_class: int | None = None
    parallel: int | None = None
    wait: bool | None = None
    oracle: str | None = None
    queries: Sequence[str] | None = None
    alamp_base: str | None = None
    clarifier_budgets: str | None = None
    clarifier_hard: str | None = None
    clarifier_measure: str | None = None
    clarifier_easy: str | None = None
    clarifier_use_auto: bool = False
    audit: int | None = None
    subset_factor: int | None = None
    export: Sequence[str] | None = None
    round: int | None = None
    format: str | None = None
    columns: str | None = None
    classes: str | None = None
    time_zone: str | None = None
    time_unit: str | None = None
    unlabeled_value: Sequence[str] | None = None
    seed: int = 0
    device: str = "cpu"
    memory: str | None = None
    threads: int = 0
    strict: bool = False
    overwrite: bool = False
    list_strategies: bool = False


# Options that belong to strategies: each strategy names those that it knows.
STRATEGY_OPTIONS = (
    *("query_classes", "private_classes", "similarity", "kernel", "eta", "nu", "ridge", "first"),
    *("bait_lambda", "bait_oversample", "bait_components", "cluster_margin_factor", "cluster_margin_threshold"),
    *("e3g_decay", "e3g_epsilon_min", "e3g_clusters", "total_budget", "direct_min_per_class", "alamp_base"),
    *("subset_factor", "clarifier_budgets", "clarifier_hard", "clarifier_measure", "clarifier_easy", "clarifier_use_auto"),
)


def check_options(options: Options, strategy: Strategy) -> None:
    """Refuse what cannot work, or would do nothing. Raises UsageError."""
    for table in strategy.tables:
        if not getattr(options, table):
            raise UsageError(f"--strategy {strategy.name} needs --{table}")
    if not (options.predictions or options.features or options.queue or options.items):
        raise UsageError("nothing says what the pool is", "give --predictions, --features, --queue or --items")
    if options.queue and "ranks" not in strategy.takes:
        raise UsageError(f"--queue means nothing to --strategy {strategy.name}", "use --strategy queue")
    given, who = strategy_options(options), f"--strategy {strategy.name}"
    registry.check(strategy, given, diversify=options.diversify, partitions=options.partitions, who=who, flag=flag)
    _check_budgets(options, strategy)
    if options.similarity == "gradient" and not options.predictions:
        raise UsageError("--similarity gradient needs --predictions")
    if options.model and "head" not in strategy.takes:
        raise UsageError(f"--model means nothing to --strategy {strategy.name}")
    if options.target_aware and not (options.targets and options.predictions):
        raise UsageError("--target-aware needs --targets and --predictions", "and --metrics, once a report has written them")
    if not options.target_aware:
        for name in ("targets", "candidate_threshold", "queue_size"):
            if getattr(options, name) is not None:
                raise UsageError(f"{flag(name)} means nothing without --target-aware")
        if options.metrics and ("query_classes" not in strategy.options or options.query_classes):
            raise UsageError("--metrics means nothing here", "it says what --target-aware, or a measure without --query-classes, is after")
    if strategy.shape == "ask":
        if options.round is None and not options.oracle:
            raise UsageError(f"--strategy {strategy.name} needs --round", "its answers are the labels of that round")
        if options.queries and options.wait is not False:
            raise UsageError("--queries means nothing without --no-wait", "a round that waits follows from its answers")
        if options.wait is False and options.oracle:
            raise UsageError("--no-wait means nothing with --oracle", "an oracle answers at once")
        if options.target_aware or options.diversify:
            wrapper = "--target-aware" if options.target_aware else "--diversify"
            raise UsageError(f"{wrapper} re-orders a queue; --strategy {strategy.name} asks and decides what to ask next")
    else:
        for name in ("parallel", "wait", "oracle"):
            if getattr(options, name) is not None:
                raise UsageError(f"{flag(name)} means nothing to --strategy {strategy.name}", "it does not ask and wait")
    if options.queue_size is not None and strategy.wrapped.shape != "pick":
        raise UsageError(f"--queue-size means nothing to --strategy {strategy.name}", "its queue is the whole pool")
    if strategy.shape != "pick" and options.device not in ("cpu", "auto"):
        raise UsageError(f"--device {options.device}: --strategy {strategy.name} computes on the processor")
    if options.previous and not (strategy.wrapped.across or options.diversify_by == "previous"):
        hint = "it is for strategies that compare rounds, and for --diversify-by previous"
        raise UsageError(f"--previous means nothing to --strategy {strategy.name}", hint)
    if options.diversify_by is not None and not options.diversify:
        raise UsageError("--diversify-by means nothing without --diversify")
    if options.diversify_by not in (None, "previous", "current"):
        raise UsageError(f"--diversify-by: there is no {options.diversify_by!r}", "give previous or current")
    if options.diversify_by == "previous" and not options.previous:
        raise UsageError("--diversify-by previous needs --previous")
    if options.partitions is not None and options.budget is not None and options.partitions > options.budget and not strategy.inner:
        raise UsageError(f"--partitions {options.partitions} is more than --budget {options.budget}: every part picks one row at least")
    for name in ("diversify", "suggest"):
        if getattr(options, name) and not options.predictions:
            raise UsageError(f"--{name} needs --predictions")


def _check_budgets(options: Options, strategy: Strategy) -> None:
    """Refuse budgets that say nothing, or two things. Raises UsageError."""
    auto = options.clarifier_budgets == clarifier.AUTO
    if options.budget_seconds is not None and (options.budget is not None or (options.clarifier_budgets and not auto)):
        other = "--budget" if options.budget is not None else "--clarifier-budgets"
        raise UsageError(f"{other} and --budget-seconds both say how many rows", "give one of them")
    if options.budget_seconds is not None and not options.labels:
        raise UsageError("--budget-seconds needs --labels", "their seconds say what an answer takes")
    if options.audit and "tier" not in strategy.marks:
        raise UsageError(f"--audit means nothing to --strategy {strategy.name}", "it is for the easy tier of clarifier")
    if strategy.shape == "ask" and options.budget_seconds is not None:
        raise UsageError(f"--budget-seconds means nothing to --strategy {strategy.name}", "every call of a round needs the same --budget")
    if strategy.shape != "ask" and options.queries and not (auto or options.budget_seconds is not None):
        raise UsageError(
            f"--queries means nothing to --strategy {strategy.name}", "it is for --clarifier-budgets auto, --budget-seconds and --no-wait"
        )


def strategy_options(options: Options) -> dict[str, Any]:
    given = {name: getattr(options, name) for name in STRATEGY_OPTIONS}
    return {name: value for name, value in given.items() if value is not None and value is not False}


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def exports_of(options: Options) -> dict[str, str]:
    """{format: file} of `--export`. Raises UsageError."""
    exports: dict[str, str] = {}
    if not options.export:
        return exports
    from altool.labels import registry as formats

    for text in options.export:
        name, equals, location = text.partition("=")
        if not equals or not location or name in exports:
            raise UsageError(f"--export: {text!r} is not FORMAT=FILE, or a format is named twice", "for example --export csv=todo.csv")
        formats.export(name, (), ())  # an unknown format is refused before any work
        exports[name] = location
    if not options.items:
        raise UsageError("--export needs --items: what people are to see")
    return exports
