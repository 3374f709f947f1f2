"""The tables that `select` is given, opened and checked together, and what they say of the rounds so far."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from altool.errors import InputError
from altool.labels import queries
from altool.labels.consensus import Labels, codes, resolve
from altool.selection.options import Options
from altool.strategies import inputs
from altool.strategies.inputs import INPUTS
from altool.strategies.registry import Strategy
from altool.tables import label_log, rounds
from altool.tables.read import Reader, Source, layout, meaning, vector_shape
from altool.tables.source import Listener
from altool.tables.targets import Targets, read_targets

NEAR = "within_neighbours"  # of `Tables.limits`: the neighbours of labeled rows
MATRICES = {name: str(INPUTS[name].table) for name in inputs.MATRICES}


@dataclass(frozen=True)
class Tables:
    """The tables, ids of one type and none read but the small ones. `matrices` are those whose rows the strategy wants whole, the `pool`'s
    first; `near` the features whose index tells neighbours; `limits` --within and --exclude, `earlier` the --queries of rounds before;
    `classes` are --classes, `versions` those of tables with a log."""

    pool: Source
    matrices: dict[str, Source]
    previous: Source | None
    log: Source | None
    metrics: pa.Table | None
    targets: Targets | None
    near: Source | None
    limits: dict[str, Source]
    queue: Source | None
    items: Source | None
    oracle: Source | None
    earlier: list[Source]
    clusters: Source | None
    id_type: pa.DataType
    classes: tuple[str, ...] | None
    versions: dict[str, str]


@dataclass(frozen=True)
class Past:
    """What is known when a round's rows are chosen: the log's `rows`, the `labels` that they come to, the number of the `round`, the
    `classes` of the run, and what was `asked` (rows of queries) as far as costs depend on it. For a strategy that asks the labels are
    those from before the round, and `answers` its own so far."""

    rows: pa.Table | None
    labels: Labels | None
    answers: Labels | None
    round: int
    classes: tuple[str, ...]
    asked: Sequence[dict[str, Any]]

    @cached_property
    def numbers(self) -> np.ndarray:
        """int64 (m,): the class numbers of the labels to learn from."""
        return codes(self.training, self.classes) if self.training is not None else np.empty(0, np.int64)

    @property
    def training(self) -> pa.Table | None:
        """The labels to learn from."""
        return self.labels.training if self.labels is not None else None


def open_tables(options: Options, strategy: Strategy, console: Listener) -> Tables:
    """Open all tables, and check their schemas. Raises InputError."""
    means = meaning(options.time_zone, options.time_unit, options.unlabeled_value)
    reader = Reader(options.columns, options.classes, console, means, layout(options), options.ids, vector_shape(options))
    pool = open_pool(reader, options, strategy)
    check_vaal(pool, strategy.wrapped)
    found = {pool.kind.name: pool}
    by_vectors = options.unique is not None or "vectors" in (*strategy.takes, *strategy.optional)
    near = options.within_neighbours is not None
    lazily = ["features"] if options.features and by_vectors else []
    for name in (*matrices(strategy, options).values(), *lazily):
        if name not in found:
            found[name] = reader.open(getattr(options, name), name)
    ids_of = {"within": options.within, "exclude": options.exclude}
    return Tables(
        pool=pool,
        near=(found.get("features") or reader.open(str(options.features), "features")) if near else None,
        matrices=found,
        previous=reader.open(options.previous, "predictions") if options.previous else None,
        log=reader.open(options.labels, "labels", allow_empty=True) if options.labels else None,
        metrics=reader.open(options.metrics, "metrics").read() if options.metrics else None,
        targets=read_targets(reader, options.targets) if options.targets else None,
        limits={name: reader.open(location, "ids") for name, location in ids_of.items() if location},
        queue=reader.open(options.queue, "queries") if options.queue else None,
        items=reader.open(options.items, "items") if options.items and (options.export or options.unique is not None) else None,
        oracle=reader.open(options.oracle, "labels") if options.oracle else None,
        earlier=[reader.open(location, "queries", allow_empty=strategy.shape != "ask") for location in options.queries or ()],
        clusters=reader.open(options.clusters, "clusters") if options.clusters and os.path.exists(options.clusters) else None,
        id_type=reader.match_ids(),
        classes=reader.classes,
        versions=reader.versions,
    )


def read_past(tables: Tables, options: Options, strategy: Strategy) -> Past:
    """Read the log and, but for a strategy that asks, the earlier queries."""
    rows = label_log.read(tables.log) if tables.log else None
    labels = resolve(rows) if rows is not None else None
    round_ = options.round if options.round is not None else rounds.next_round(rows)
    classes = known_classes(tables, labels.training if labels is not None else None)
    answers, asked = None, []
    if strategy.shape != "ask":
        asked = [row for earlier in tables.earlier for row in queries.rows(earlier)]
    elif rows is not None:
        labels, answers = (resolve(part) for part in rounds.parted(rows, round_))
    return Past(rows, labels, answers, round_, classes, asked)


def open_pool(reader: Reader, options: Options, strategy: Strategy) -> Source:
    """The table whose rows are the pool: the first given of predictions, features, items and queue. Predictions have the column that the
    strategy scores rows by, or probabilities."""
    given = {"predictions": options.predictions, "features": options.features, "items": options.items, "queries": options.queue}
    kind, location = next((kind, location) for kind, location in given.items() if location)
    return reader.open(location, kind, required=("id", strategy.takes[0]) if kind == "predictions" and strategy.rowwise else None)


def matrices(strategy: Strategy, options: Options) -> dict[str, str]:
    """{array: table} for the matrices that the strategy is to be given."""
    given = set(strategy.takes)
    if options.own.get("similarity") != "features" or strategy.inner:
        found = {name: MATRICES.get(name.removeprefix("labeled_")) for name in strategy.optional}
        given |= {name for name, table in found.items() if table and getattr(options, table)}
    return {name: table for name, table in MATRICES.items() if strategy.shape != "score" and given & {name, f"labeled_{name}"}}


def known_classes(tables: Tables, training: pa.Table | None) -> tuple[str, ...]:
    """The classes of the run: those of the probabilities (or of --classes), then those that only labels know."""
    predictions = tables.matrices.get("predictions")
    first = predictions.classes if predictions is not None and predictions.knows_classes else tables.classes or ()
    found = set(pa.compute.unique(training.column("label")).to_pylist()) if training is not None else set()
    return (*first, *sorted(found - set(first)))


def check_vaal(source: Source, strategy: Strategy) -> None:
    """The two strategies read one column; predictions that say whose it is must be the strategy's own. Raises InputError."""
    if "labeled_probability" not in strategy.takes:
        return
    trained = {str(origin.get("options", {}).get("vaal")) for _, origin in rounds.origins(source)} - {"None", "none", strategy.name}
    if trained:
        text = f"{source.name}: its labeled_probability is that of a model trained with --vaal {min(trained)}"
        raise InputError(text, f"give the strategy of that name, or train with --vaal {strategy.name} and score again")
