"""What a choice is after: its budget, its classes of interest, and the classes that are below target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.errors import InputError
from altool.metrics import gaps, steering
from altool.metrics.tiers import AUTO
from altool.options import flag
from altool.selection.budgets import affordable, tier_budgets
from altool.selection.inputs import Past, Tables
from altool.selection.options import Options
from altool.strategies.registry import Strategy
from altool.tables import check
from altool.tables import classes as class_lists
from altool.tables.read import Source, parse_classes
from altool.tables.targets import Targets
from altool.text import count
from altool.wrappers.choose import class_options, query_classes


@dataclass(frozen=True)
class Aims:
    """How many rows, the strategy's options with classes and budgets as numbers, float64 (K,) TAAL's weight of each class, and the numbers
    of the query classes, by which the neighbours are told."""

    budget: int
    keywords: dict[str, Any]
    weights: np.ndarray | None
    query: list[int]


def read_aims(tables: Tables, past: Past, strategy: Strategy, given: Mapping[str, Any], options: Options, console: Console) -> Aims:
    """What this choice is after. Raises InputError for classes that nothing has, and for budgets that pay for nothing."""
    match_classes(tables, past, options, console)
    weights = behind = None
    if tables.targets is not None and past.classes:
        weights, behind = _class_weights(past.classes, tables.targets, tables.metrics, options, console)
    if options.suggest or strategy.inner:
        _ = tables.pool.classes  # a suggestion has a name; without names this says so
    keywords = dict(given)
    named, behind = _named_classes(strategy, options, given, past.classes, tables.metrics, behind, tables.pool)
    keywords |= class_options(strategy, past.numbers, named.get("query_classes"), named.get("private_classes"), behind)
    if given.get(strategy.budgets) == AUTO:
        keywords[strategy.budgets] = tier_budgets(options, past, console)
    if strategy.budgets:
        budget = sum(keywords[strategy.budgets])
    else:
        budget = options.budget if options.budget is not None else affordable(options, past, console)
    return Aims(budget, keywords, weights, query_classes(past.numbers, named.get("query_classes"), behind))


def match_classes(tables: Tables, past: Past, options: Options, console: Console) -> None:
    """Say which classes the labels, the metrics and the model do not share. Raises InputError where they share none."""
    predictions = tables.matrices.get("predictions")
    known, whose = tables.classes or (), "--classes"
    if predictions is not None and predictions.knows_classes:
        known, whose = predictions.classes, predictions.name
    if tables.log is not None and known:
        parts = [part.table.column("label") for part in (past.labels, past.answers) if part is not None]
        labels = class_lists.counts(pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string()))
        hint = "give the labels and the predictions of one project; --classes names the classes where the table does not"
        if text := class_lists.match(labels, known, tables.log.name, whose, hint):
            console.mismatch(text, "train on them and score again, or leave --strict out", strict=options.strict)
        if lacking := [name for name in known if labels and name not in labels]:
            of_all = f"{len(lacking):,} of its {count(len(known), 'class', 'classes')} without a label"
            console.info(f"{whose}: {of_all} ({check.naming(lacking)})")
    if tables.metrics is not None and past.classes:
        measured = class_lists.counts(tables.metrics.column("class"))
        hint = "give the metrics of this project's last report"
        if text := class_lists.match(measured, past.classes, f"metrics {options.metrics}", "this run", hint):
            console.mismatch(text, hint, strict=options.strict)


def _named_classes(
    strategy: Strategy,
    options: Options,
    given: Mapping[str, Any],
    known: Sequence[str],
    metrics: pa.Table | None,
    behind: list[int] | None,
    source: Source,
) -> tuple[dict[str, list[int]], list[int] | None]:
    """The class numbers of --query-classes and --private-classes, where they are given; and of the classes that are `behind`, those of the
    metrics where the targets do not tell."""
    named: dict[str, list[int]] = {}
    own = {**(options.own if options.within_neighbours is not None else {}), **given}
    for name in ("query_classes", "private_classes"):
        if text := own.get(name):
            named[name] = check.class_numbers(parse_classes(text, flag(name)) or (), known, f"{source.name}: {flag(name)}")
    by_class = "query_classes" in strategy.option_names or options.within_neighbours is not None
    if behind is None and metrics is not None and by_class:
        missing = {row["class"] for row in metrics.to_pylist() if (row.get("gap") or 0) > 0}
        behind = [code for code, class_ in enumerate(known) if class_ in missing]
        if not behind:
            text = f"metrics {options.metrics}: no class of this run is below its target"
            raise InputError(text, "name the classes: --query-classes A,B")
    return named, behind or None


def _class_weights(
    known: Sequence[str], targets: Targets, metrics: pa.Table | None, options: Options, console: Console
) -> tuple[np.ndarray, list[int]]:
    """float64 (K,) TAAL's weight of each known class (equations 1 and 2), and the classes that miss their target. Says what they are."""
    aims = targets.aims(known)
    weights_from = options.weights_from or steering.AUTO
    values = measured = np.zeros(len(known))
    if metrics is not None:
        found = {(row["class"], row["metric"]): row for row in metrics.to_pylist()}
        rows = [found.get((class_, metric), {}) for class_, metric in zip(known, aims.metrics, strict=True)]
        if lacking := [class_ for class_, row in zip(known, rows, strict=True) if not row]:
            console.info(f"--metrics lacks {count(len(lacking), 'class', 'classes')} ({check.naming(lacking)}), taken to be at 0")
        measured = _column(rows, "value")
        values = _estimates(rows, metrics.column_names, weights_from, f"metrics {options.metrics}")
    elif weights_from != steering.EQUAL:
        console.info("no --metrics: every class is taken to be at 0")
    missing = gaps.gap(values, aims.targets)
    weights = steering.weights(values, aims, weights_from)
    if not weights.any():
        console.warn("every class has priority 0: the strategy's own order is kept")
    elif weights_from == steering.EQUAL:
        console.info("--weights-from equal: classes weigh by their priority alone")
    elif gaps.all_met(missing, aims.priorities):
        console.info("every target is met by estimate: all classes weigh the same")
    else:
        shares = weights / weights.sum()
        most = [f"{known[code]} {shares[code]:.0%}" for code in np.argsort(-shares, kind="stable")[:10] if shares[code] > 0]
        rest = int((weights > 0).sum()) - len(most)
        console.info(f"class weights: {', '.join(most)}{f' and {rest} more' if rest else ''}")
    return weights, np.flatnonzero((gaps.gap(measured, aims.targets) > 0) & (aims.priorities > 0)).tolist()


def _estimates(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], weights_from: str, name: str) -> np.ndarray:
    """float64 (K,): the estimates of `weights_from` in the classes' rows of a metrics table, which are empty where it has none.

    A table without the columns that `report` writes for this has one value of each class; where it has its `support`, the value counts as
    of so many rows. Raises InputError where no class has an estimate.
    """
    if weights_from == steering.EQUAL:
        return np.zeros(len(rows))
    samples: dict[str, steering.Sample] = {}
    for one in steering.SAMPLES:
        if f"{one}_value" in columns:
            sizes = np.nan_to_num(_column(rows, f"{one}_rows"))
            samples |= {one: steering.Sample(_column(rows, f"{one}_value"), sizes)} if sizes.any() else {}
    if weights_from == steering.AUTO and not samples:
        values, support = _column(rows, "value"), _column(rows, "support")
        sizes = np.where(np.isnan(values), 0, np.where(np.isnan(support), np.inf, support))
        samples = {steering.HOLDOUT: steering.Sample(values, sizes)}
    if weights_from not in (steering.AUTO, *samples):
        text = f"{name}: no class has an estimate from {weights_from} rows (column '{weights_from}_value')"
        raise InputError(text, "let altool report --metrics-output write them, or leave --weights-from out")
    return steering.estimates(samples, weights_from)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """float64 (K,), NaN for null and where there is none."""
    found = [row.get(name) for row in rows]
    return np.array([np.nan if value is None else value for value in found], np.float64)
