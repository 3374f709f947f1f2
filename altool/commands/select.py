"""`altool select`: choose what to label next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from altool import seeds
from altool.console import Console
from altool.errors import InputError, NothingLeft, UsageError
from altool.kernels.top import order, top
from altool.labels import registry as formats
from altool.labels.consensus import Labels, resolve
from altool.labels.exchange import Task
from altool.strategies import registry
from altool.strategies.registry import Strategy
from altool.tables import align, check, label_log, write
from altool.tables.align import Index
from altool.tables.read import Reader, Source, matrix
from altool.wrappers.diversify import diversify
from altool.wrappers.suggest import predicted


@dataclass(frozen=True)
class Options:
    strategy: str | None = None
    budget: int | None = None
    output: str | None = None
    predictions: str | None = None
    features: str | None = None
    items: str | None = None
    labels: str | None = None
    queue: str | None = None
    within: str | None = None
    exclude: str | None = None
    diversify: bool = False
    suggest: bool = False
    query_classes: str | None = None
    export: Sequence[str] | None = None
    round: int | None = None
    format: str | None = None
    columns: str | None = None
    classes: str | None = None
    seed: int = 0
    threads: int = 0
    strict: bool = False
    overwrite: bool = False
    list_strategies: bool = False


@dataclass(frozen=True)
class Pool:
    """The pool's rows in id order: what the strategy and the wrappers need of each, and no more."""

    index: Index
    scores: np.ndarray | None  # float64 (n,), of a strategy that scores row by row
    likeliest: np.ndarray | None  # int32 (n,) class numbers
    confidence: np.ndarray | None  # float32 (n,)
    fingerprint: str


def run(options: Options, console: Console) -> None:
    """Read the pool, leave out what is labeled, let the strategy and the wrappers choose, write the queries.

    Raises NothingLeft, after an empty table was written, when no candidate is left.
    """
    if options.list_strategies:
        _list_strategies(console)
        return
    strategy, budget, output = options.strategy, options.budget, options.output
    if strategy is None or budget is None or output is None:
        missing = [name for name in ("strategy", "budget", "output") if getattr(options, name) is None]
        raise UsageError(f"missing --{', --'.join(missing)}", "for example --strategy margin --budget 100 -o queries.parquet")
    _select(options, registry.load(strategy), budget, output, console)


def _select(options: Options, strategy: Strategy, budget: int, output: str, console: Console) -> None:
    _check_options(options, strategy)
    exports = _exports(options)
    for location in (output, *exports.values()):
        write.check_target(location, options.overwrite)
    reader = Reader(options.columns, options.classes)
    source = _open_pool(reader, options)
    log = reader.open(options.labels, "labels", allow_empty=True) if options.labels else None
    ids_of = {"within": options.within, "exclude": options.exclude}
    limits = {name: reader.open(location, "ids") for name, location in ids_of.items() if location}
    queue = reader.open(options.queue, "queries") if options.queue else None
    items = reader.open(options.items, "items") if options.items and options.export else None
    id_type = reader.match_ids()

    rows = label_log.read(log) if log else None
    labels = resolve(rows) if rows is not None else None
    keywords = {"query_classes": _query_classes(source, options)} if options.query_classes else {}
    with console.progress(f"reading {source.name}", source.num_rows) as advance:
        pool = _read_pool(source, options, strategy, keywords, advance)
    inputs = {source.kind.name: pool.fingerprint}
    candidates = np.ones(len(pool.index), bool)
    if labels is not None and rows is not None:
        inputs["labels"] = align.table_fingerprint(rows)
        taken = labels.taken if len(labels.taken) else pa.array([], id_type)
        candidates &= ~pool.index.mask(taken)
        if source.kind.name != "queries":  # a queue is an excerpt of the pool: labels of other rows are to be expected
            held = labels.holdout.column("id").combine_chunks()
            pooled = taken.filter(pa.compute.invert(pa.compute.is_in(taken, value_set=held)))
            _report_strangers(pool.index, pooled, "labels", options, console)
    for name, limit in limits.items():
        ids = pa.compute.unique(limit.read(["id"]).column("id"))
        inputs[name] = align.fingerprint(align.index([pa.compute.take(ids, pa.compute.array_sort_indices(ids))], limit.name), None)
        _report_strangers(pool.index, ids, f"--{name}", options, console)
        mask = pool.index.mask(ids)
        candidates &= mask if name == "within" else ~mask

    ranks = None
    if queue is not None:
        ranks = _ranks(queue, pool.index, inputs, options, console)
        candidates &= np.isfinite(ranks)

    round_ = options.round if options.round is not None else _next_round(labels)
    positions = np.flatnonzero(candidates)
    count = min(budget, len(positions))
    if 0 < count < budget:
        console.info(f"only {count:,} candidates are left for a budget of {budget:,}: all are chosen")
    rng = seeds.generator(options.seed, "select", round_, strategy.name)
    scores = _scores(pool, strategy, positions, ranks, rng)
    if options.diversify and pool.likeliest is not None:
        chosen = diversify(order(scores), pool.likeliest[positions], count)
    else:
        chosen = top(scores, count)
    classes = source.classes if source.knows_classes else None
    table = _queries(pool, positions[chosen], scores[chosen], options, strategy, round_, classes)
    changing = {name: getattr(options, name) for name in ("strategy", "budget", "diversify", "suggest", "query_classes")}
    origin = write.provenance("select", {**changing, "round": round_}, options.seed, inputs)
    if items is not None:
        tasks = _tasks(table, items, options, console)
        for name, location in exports.items():
            for ending, content in formats.export(name, tasks, classes or ()).items():
                write.write_bytes(content, location + ending)
    write.write_table(table, "queries", output, origin=origin, classes=classes, format=options.format)
    summary = {
        "command": "select",
        "strategy": strategy.name,
        "round": round_,
        "budget": budget,
        "selected": count,
        "candidates": len(positions),
        "pool": len(pool.index),
        "output": output,
        "exports": exports,
    }
    if not count:
        raise NothingLeft(
            f"nothing left to do: none of the {len(pool.index):,} rows of {source.name} is a candidate; wrote an empty table",
            "every row is labeled, skipped, held out or excluded",
        )
    console.result(summary, f"selected {count:,} of {len(positions):,} candidates by {strategy.name}, round {round_} -> {output}")


def _list_strategies(console: Console) -> None:
    """Print every strategy with the tables it needs and its paper."""
    found = [registry.load(name) for name in registry.names()]
    if console.json_output:
        facts = [
            {
                "name": strategy.name,
                "shape": strategy.shape,
                "tables": list(strategy.tables),
                "options": [f"--{name.replace('_', '-')}" for name in strategy.options],
                "cold_start": strategy.cold_start,
                "summary": strategy.summary,
                "paper": strategy.paper,
            }
            for strategy in found
        ]
        console.result({"strategies": facts}, "")
        return
    from rich.table import Table

    table = Table("strategy", "needs", "what it asks for first", "paper")
    for strategy in found:
        needs = [*strategy.tables, *(f"--{name.replace('_', '-')}" for name in strategy.options)]
        table.add_row(strategy.name, ", ".join(needs) or "nothing", strategy.summary, strategy.paper)
    console.print(table)


def _check_options(options: Options, strategy: Strategy) -> None:
    """Refuse what cannot work, or would do nothing. Raises UsageError."""
    for table in strategy.tables:
        if not getattr(options, table):
            raise UsageError(f"--strategy {strategy.name} needs --{table}")
    if not (options.predictions or options.features or options.queue or options.items):
        raise UsageError("nothing says what the pool is", "give --predictions, --features, --queue or --items")
    if options.queue and "ranks" not in strategy.takes:
        raise UsageError(f"--queue means nothing to --strategy {strategy.name}", "use --strategy queue")
    if ("query_classes" in strategy.options) != bool(options.query_classes):
        verb = "needs" if "query_classes" in strategy.options else "knows no"
        raise UsageError(f"--strategy {strategy.name} {verb} --query-classes")
    for name in ("diversify", "suggest"):
        if getattr(options, name) and not options.predictions:
            raise UsageError(f"--{name} needs --predictions")


def _exports(options: Options) -> dict[str, str]:
    """{format: file} of `--export`. Raises UsageError."""
    exports = {}
    for text in options.export or ():
        name, equals, location = text.partition("=")
        if not equals or not location or name in exports:
            raise UsageError(f"--export: {text!r} is not FORMAT=FILE, or a format is named twice", "for example --export csv=todo.csv")
        formats.export(name, (), ())  # an unknown format is refused before any work
        exports[name] = location
    if exports and not options.items:
        raise UsageError("--export needs --items: what people are to see")
    if options.items and not exports and (options.predictions or options.features):
        raise UsageError("--items means nothing without --export here", "the pool is that of --predictions or --features")
    return exports


def _tasks(queries: pa.Table, items: Source, options: Options, console: Console) -> list[Task]:
    """The chosen rows as people are to see them, in rank order."""
    wanted = queries.column("id").combine_chunks()
    columns = [name for name in ("id", "text", "image", "path") if name in items]
    batches = items.scan(
        columns, lambda batch: batch.filter(pa.compute.is_in(batch.column("id"), value_set=wanted)), threads=options.threads
    )
    payloads = {row.pop("id"): row for batch in batches for row in batch.to_pylist()}
    rows = queries.to_pylist()
    if missing := [row["id"] for row in rows if row["id"] not in payloads]:
        text = f"{items.name}: {len(missing):,} chosen rows are not in it (ids {check.naming(sorted(missing))})"
        console.mismatch(text, "give the items that belong to this pool", strict=options.strict)
    fields = ("id", "rank", "round", "suggested_label", "suggested_probability")
    return [Task(**{name: row.get(name) for name in fields}, **payloads.get(row["id"], {})) for row in rows]


def _open_pool(reader: Reader, options: Options) -> Source:
    """The table whose rows are the pool: the first given of predictions, features, items and queue."""
    given = {"predictions": options.predictions, "features": options.features, "items": options.items, "queries": options.queue}
    kind, location = next((kind, location) for kind, location in given.items() if location)
    return reader.open(location, kind)


def _query_classes(source: Source, options: Options) -> list[int]:
    wanted = (options.query_classes or "").split(",")
    unknown = [name for name in wanted if name not in source.classes]
    if unknown:
        raise InputError(
            f"{source.name}: --query-classes names {check.naming(unknown)}, which it does not have",
            f"its classes are {', '.join(source.classes[:10])}{', …' if len(source.classes) > 10 else ''}",
        )
    return [source.classes.index(name) for name in wanted]


def _read_pool(source: Source, options: Options, strategy: Strategy, keywords: dict[str, Any], advance: Callable[[int], None]) -> Pool:
    """Stream the pool's table once, holding a few numbers per row. Only ids are read where nothing more is asked for."""
    wanted = options.diversify or options.suggest
    column = "probabilities" if wanted or (strategy.rowwise and "probabilities" in strategy.takes) else None
    classes = source.classes if source.knows_classes else None

    def work(batch: pa.RecordBatch) -> tuple[Any, ...]:
        ids = batch.column("id")
        if column is None:
            return ids, 0, None, None, None
        rows = matrix(source, batch, column, len(classes) if classes else None)
        check.probabilities(ids, rows)
        rows = rows.astype(np.float32) if rows.dtype == np.float16 else rows
        scores = strategy.function(rows, **keywords) if strategy.rowwise else None
        return ids, rows.shape[1], align.checksums([batch.column(column)]), scores, predicted(rows) if wanted else None

    parts: list[tuple[Any, ...]] = []
    for part in source.scan(["id", column] if column else ["id"], work, threads=options.threads):
        parts.append(part)
        advance(len(part[0]))
    ids, widths, sums, scores, likeliest = zip(*parts, strict=True)
    if len(set(widths)) > 1:
        raise InputError(
            f"{source.name}, column {column!r}: rows of {min(widths)} to {max(widths)} numbers",
            "write one probability per class in every row",
        )
    index = align.index(ids, source.name)

    def arranged(values: Sequence[Any]) -> np.ndarray | None:
        return None if values[0] is None else index.arrange(np.concatenate(values))

    return Pool(
        index,
        arranged(scores),
        arranged([pair and pair[0] for pair in likeliest]),
        arranged([pair and pair[1] for pair in likeliest]),
        align.fingerprint(index, np.concatenate(sums) if column else None, classes),
    )


def _ranks(queue: Source, pool: Index, inputs: dict[str, str], options: Options, console: Console) -> np.ndarray:
    """float64 rank of each row of the pool in an outside queue, lower first; infinity for a row that it does not hold."""
    column = "rank" if "rank" in queue else "score"
    queue.require(column)
    table = queue.read(["id", column])
    index = align.index(table.column("id").chunks, queue.name)
    values = table.column(column).to_numpy().astype(np.float64)
    faulty = table.filter(pa.array(~np.isfinite(values))).column("id")
    if len(faulty):
        raise InputError(
            f"{queue.name}, column {column!r}: {len(faulty):,} rows have none (ids {check.naming(check.first_ids(faulty))})",
            "give every row a rank, or leave it out",
        )
    inputs["queue"] = align.table_fingerprint(table)
    _report_strangers(pool, index.ids.combine_chunks(), "queue", options, console)
    positions = pool.positions(index.ids)
    ranks = np.full(len(pool), np.inf)
    values = index.arrange(values) if column == "rank" else -index.arrange(values)
    ranks[positions[positions >= 0]] = values[positions >= 0]
    return ranks


def _scores(pool: Pool, strategy: Strategy, positions: np.ndarray, ranks: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """float64, one per candidate."""
    if pool.scores is not None:
        return pool.scores[positions]
    available = {"count": len(positions), "rng": rng, "ranks": None if ranks is None else ranks[positions]}
    return strategy.function(**{name: available[name] for name in strategy.takes})


def _report_strangers(index: Index, ids: pa.Array, table: str, options: Options, console: Console) -> None:
    """Warn of ids that the pool has never held; an error with --strict."""
    strangers = ids.filter(pa.array(index.positions(ids) < 0)) if len(ids) else ids
    if len(strangers):
        text = (
            f"{table}: {len(strangers):,} {'id is' if len(strangers) == 1 else 'ids are'} not in the pool "
            f"(ids {check.naming(check.first_ids(strangers))})"
        )
        console.mismatch(text, "give the table that belongs to this pool, or leave --strict out", strict=options.strict)


def _next_round(labels: Labels | None) -> int:
    """One more than the last round that has labels; 0 for the first of all. Held-out rows belong to no round."""
    if labels is None:
        return 0
    held = pa.compute.fill_null(pa.compute.equal(labels.table.column("source"), "holdout"), False)
    last = pa.compute.max(labels.table.filter(pa.compute.invert(held)).column("round")).as_py()
    return 0 if last is None else last + 1


def _queries(
    pool: Pool, positions: np.ndarray, scores: np.ndarray, options: Options, strategy: Strategy, round_: int, classes: Sequence[str] | None
) -> pa.Table:
    count = len(positions)
    columns = {
        "id": pool.index.take(positions),
        "rank": pa.array(np.arange(1, count + 1, dtype=np.int32)),
        "score": pa.array(scores.astype(np.float32)),
        "strategy": pa.array([strategy.name] * count, pa.string()),
        "round": pa.array(np.full(count, round_, np.int32)),
        "source": pa.array([strategy.source] * count, pa.string()),
    }
    if options.suggest and classes is not None and pool.likeliest is not None and pool.confidence is not None:
        columns["suggested_label"] = pa.array([classes[code] for code in pool.likeliest[positions]], pa.string())
        columns["suggested_probability"] = pa.array(pool.confidence[positions])
    return pa.table(columns)
