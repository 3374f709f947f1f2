"""A pool that is streamed once, by an engine, before anything is chosen from it: what is left of it are the rows that can be chosen.

Where these are the best of a score strategy they are as many as the budget, so that the choice is that from the whole pool; `--shortlist`
keeps more of them for another strategy. What follows has a pool of these rows, in memory, and of those with a label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.console import Console
from altool.engines.engine import Engine
from altool.engines.placement import LOCAL
from altool.options import flag
from altool.selection import limits
from altool.selection.derived import Derived
from altool.selection.inputs import Past, Tables, matrices
from altool.selection.limits import Limit
from altool.selection.options import Options, sorts
from altool.strategies.inputs import wanted
from altool.strategies.registry import Strategy
from altool.tables import best, derive
from altool.tables.align import Fingerprint
from altool.tables.arrays import read_index
from altool.tables.best import Best, Span
from altool.tables.ranges import begin, between, cut
from altool.tables.source import SPARSE, Source
from altool.wrappers import shortlist
from altool.wrappers.choose import Request, function_options

LARGE = 1 << 22  # rows of a pool from which on its ids and scores are not held, though one process could
SHARDS = 4  # of each worker, so that all are done at about the same time


@dataclass(frozen=True)
class Rows:
    """Rows [first, last) of a table in file order."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"rows {self.first:,} to {self.last:,}"


@dataclass(frozen=True)
class Task:
    """What is to be done with the rows of the pool's table: `score` makes float64 (n,) of the column `scored`, one of the `columns` that
    are read, and the `size` best candidates are kept. Where rounds are compared, `score` is what is kept of a row of this and of the
    `previous` round, and `compare(now, before)` makes the scores of it."""

    source: Source
    columns: Sequence[str]
    scored: str
    score: Callable[[np.ndarray], np.ndarray]
    limits: Sequence[Limit]
    size: int
    threads: int
    previous: Source | None = None
    compare: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None


@dataclass
class Streamed:
    """What became of rows: the `best` of the candidates among them, how many `rows` there are, the `widths` of their matrix, the `spans` of
    their ids, of each limit the places of those of its ids that are among them, with their rows in the table, and how many rows are `left`
    as candidates by it and the limits before it. `before` is the fingerprint of the previous round's rows, None where they are not those of
    the same ids in the same order: then rounds are not compared here."""

    best: Best
    rows: int = 0
    widths: frozenset[int] = frozenset()
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    spans: list[Span] = field(default_factory=list)
    found: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    before: Fingerprint | None = field(default_factory=Fingerprint)

    def merge(self, other: Streamed) -> None:
        """Add other rows."""
        self.best.merge(other.best)
        self.rows += other.rows
        self.widths |= other.widths
        self.fingerprint.merge(other.fingerprint)
        self.spans += other.spans
        if self.before is not None and other.before is not None:
            self.before.merge(other.before)
        else:
            self.before = None
        self.left = [one + two for one, two in zip(self.left, other.left, strict=True)]
        pairs = zip(self.found, other.found, strict=True)
        self.found = [(np.concatenate([a, c]), np.concatenate([b, d])) for (a, b), (c, d) in pairs]


@dataclass(frozen=True)
class Narrowed:
    """The pool as far as anything can be chosen from it, in memory: the `tables`, the ids of the rows that can be `chosen`, and of the
    whole pool the number of `rows`, of `candidates` and the `inputs`' digests."""

    tables: Tables
    chosen: pa.Array
    rows: int
    candidates: int
    inputs: dict[str, str]


def narrow(
    tables: Tables,
    past: Past,
    strategy: Strategy,
    request: Request,
    options: Options,
    engine: Engine,
    console: Console,
) -> Narrowed | None:
    """What the first pass leaves of the pool. None where the strategy is to choose from the whole: where that fits into memory anyway,
    where it needs all of its queue, and where its scores are all the same (the order is then a random one of all)."""
    source, given, budget = tables.pool, request.keywords, request.count
    compare = None
    if options.shortlist is not None:
        shortlist.check_budget(options.shortlist, budget, flag)
        scorer, size, columns = shortlist.scorer(options.shortlist_by), options.shortlist, ["probabilities"]
        score: Callable[..., np.ndarray] = scorer.function
    elif sorts(strategy, options) and (options.engine != LOCAL or LARGE <= source.num_rows >= SPARSE * budget):
        scorer, size, columns = strategy, budget, derived_columns(strategy, given, options)
        function, compare = strategy.across if strategy.across and tables.previous is not None else (strategy.function, None)
        score = partial(function, **function_options(strategy.own(given)))
    else:
        return None
    inputs: dict[str, str] = {}
    limited = limits.read_limits(tables, past, inputs)
    task = Task(replace(source, console=None), columns, scorer.takes[0], score, limited, size, options.threads)
    if compare is not None and tables.previous is not None:
        task = replace(task, previous=replace(tables.previous, console=None), compare=compare)
    shards = cut(source, SHARDS * engine.workers) if engine.workers > 1 else [(0, source.num_rows)]
    streamed = _empty(task)
    for part in engine.map(partial(worker, task), [Rows(first, last) for first, last in shards if first < last]):
        streamed.merge(part)
    derive.refuse_uneven(source, columns, streamed.widths)
    if not best.apart(streamed.spans):
        read_index(source, options.threads)  # refuses ids that are there twice
    found = streamed.best
    alike = found.rows > size and found.low == found.high
    if not found.rows or (alike and options.shortlist is None) or streamed.before is None:
        return None
    present = [np.zeros(len(limit.ids), bool) for limit in limited]
    for there, (places, _) in zip(present, streamed.found, strict=True):
        there[places] = True
    limits.told(limited, present, [streamed.rows, *streamed.left], lambda: read_index(source, options.threads), tables, options, console)
    ids, rows = (found.ids, found.places) if not alike else _drawn(source, limited, size, request.generator("shortlist"), options)
    inputs[source.kind.name] = streamed.fingerprint.text(derive.named(source))
    if compare is not None and tables.previous is not None:
        inputs["previous"] = streamed.before.text(derive.named(tables.previous))
    return Narrowed(_excerpt(tables, past, strategy, given, ids, rows, limited, streamed, options), ids, streamed.rows, found.rows, inputs)


def derived_columns(strategy: Strategy, given: Mapping[str, Any], options: Options) -> list[str]:
    """The columns of the pool's table that a choice is derived from."""
    names = wanted(strategy, given, diversify=options.diversify, suggest=options.suggest, target_aware=options.target_aware)
    return Derived(names, strategy, given, options).columns


def _drawn(source: Source, limited: Sequence[Limit], size: int, rng: np.random.Generator, options: Options) -> tuple[pa.Array, np.ndarray]:
    """The ids and places of `size` candidates drawn at random, as wrappers.shortlist.best draws them."""
    index = read_index(source, options.threads)
    candidates = np.logical_and.reduce([limit.mask(index.ids) for limit in limited], initial=True)
    positions = np.flatnonzero(np.broadcast_to(candidates, len(index)))
    positions = positions[shortlist.best(np.zeros(len(positions)), size, rng)]
    return index.take(positions), positions if index.order is None else index.order[positions]


def _excerpt(
    tables: Tables,
    past: Past,
    strategy: Strategy,
    given: Mapping[str, Any],
    ids: pa.Array,
    rows: np.ndarray,
    limited: Sequence[Limit],
    streamed: Streamed,
    options: Options,
) -> Tables:
    """The tables with the rows of these ids, and for a strategy that does not sort with those that have a label to learn from."""
    source = tables.pool
    columns = derived_columns(strategy, given, options)
    columns += [one for one, table in matrices(strategy, options).items() if table == source.kind.name and one not in columns]
    labels = past.training.column("id").combine_chunks() if past.training is not None else ids.slice(0, 0)
    if strategy.shape != "score":
        for limit, (places, file_rows) in zip(limited, streamed.found, strict=True):
            if limit.name == limits.LABELS:
                there = limit.ids.take(pa.array(places))
                learned = np.flatnonzero(np.asarray(pc.is_in(there, value_set=labels)))
                ids = pa.concat_arrays([ids, there.take(pa.array(learned))])
                rows = np.concatenate([rows, file_rows[learned]])
    excerpts = {source.kind.name: best.excerpt(source, columns, ids, rows, threads=options.threads)}
    others = {name: table for name, table in tables.matrices.items() if name != source.kind.name}
    both = pc.unique(pa.chunked_array([ids, labels]))  # labels may be those of rows that the features alone have
    for name, table in others.items():
        places = best.find(table, both, threads=options.threads)
        there = np.flatnonzero(places >= 0)
        excerpts[name] = best.excerpt(table, ["features"], both.take(pa.array(there)), places[there], threads=options.threads)
    if tables.previous is not None and strategy.shape == "score":  # its rows were those of the same places
        tables = replace(tables, previous=best.excerpt(tables.previous, ["probabilities"], ids, rows, threads=options.threads))
    return replace(tables, pool=excerpts[source.kind.name], matrices={name: excerpts[name] for name in tables.matrices})


def _empty(task: Task) -> Streamed:
    nothing = np.empty(0, np.int64)
    none = pa.array([], task.source.id_type or pa.string())
    return Streamed(Best(task.size, none), found=[(nothing, nothing) for _ in task.limits], left=[0 for _ in task.limits])


def worker(task: Task, console: Console) -> Callable[[Rows], Streamed]:
    """What streams rows of the pool (engines.engine.Engine)."""
    return partial(
        stream,
        replace(task, source=replace(task.source, console=console), previous=task.previous and replace(task.previous, console=console)),
        console,
    )


def stream(task: Task, console: Console, rows: Rows) -> Streamed:
    """What becomes of these rows. Raises InputError for faulty ones."""
    source = between(task.source, rows.first, rows.last)
    read = derive.reader(source, task.columns, lambda values: task.score(values[task.scored]))
    before = Before(task, rows) if task.previous is not None else None

    def work(batch: pa.RecordBatch, start: int) -> tuple[pa.Array, int, np.ndarray, Fingerprint, int]:
        ids, width, sums, scores = read(batch)
        own = Fingerprint()
        own.add(ids, sums)
        return ids, width, scores, own, start

    streamed = _empty(task)
    with console.progress(f"reading {source.name}", source.num_rows) as advance:
        for parts in best.gathered(source.scan_rows(["id", *task.columns], work, threads=task.threads)):
            columns, widths, scores, prints, starts = zip(*parts, strict=True)
            ids = pa.concat_arrays(columns)
            places = rows.first + starts[0] + np.arange(len(ids))
            candidates = np.ones(len(ids), bool)
            found, left = [], []
            for limit in task.limits:
                hits = pc.index_in(ids, value_set=limit.ids)
                inside = np.asarray(hits.is_valid())
                candidates &= inside if limit.within else ~inside
                left.append(int(candidates.sum()))
                found.append((np.asarray(hits.drop_null()).astype(np.int64), places[inside]))
            kept = np.flatnonzero(candidates)
            now = np.concatenate(scores)
            if before is not None and task.compare is not None:
                earlier = before.take(ids)
                if earlier is None:
                    streamed.before = None
                    return streamed
                now = task.compare(now, earlier)
            best_ = Best(task.size, ids.slice(0, 0))
            best_.add(ids.take(pa.array(kept)), places[kept], now[kept].astype(np.float32))
            block = Streamed(best_, len(ids), frozenset(widths), spans=[best.span(ids)], found=found, left=left)
            for one in prints:
                block.fingerprint.merge(one)
            streamed.merge(block)
            advance(len(ids))
    if before is not None:
        streamed.before = before.fingerprint
    return streamed


class Before:
    """The previous round's rows of the same place in its table, in step with those of this one."""

    def __init__(self, task: Task, rows: Rows) -> None:
        assert task.previous is not None
        self.fingerprint = Fingerprint()
        self._ids: list[pa.Array] = []
        self._kept: list[np.ndarray] = []
        same = task.previous.num_rows == task.source.num_rows and begin(task.previous, rows.first) == rows.first
        part = between(task.previous, rows.first, rows.last)
        same = same and part.num_rows == rows.last - rows.first
        read = derive.reader(part, ["probabilities"], lambda values: task.score(values["probabilities"]))
        self._batches = part.scan(["id", "probabilities"], read, threads=task.threads) if same else iter(())

    def take(self, ids: pa.Array) -> np.ndarray | None:
        """float64 (n,): what is kept of the next rows; None where these are not the rows of these ids."""
        while sum(map(len, self._ids)) < len(ids):
            batch = next(self._batches, None)
            if batch is None:
                return None
            own, _, sums, kept = batch
            self.fingerprint.add(own, sums)
            self._ids.append(own)
            self._kept.append(kept)
        found, kept = pa.concat_arrays(self._ids), np.concatenate(self._kept)
        self._ids, self._kept = [found.slice(len(ids))], [kept[len(ids) :]]
        return kept[: len(ids)] if found.slice(0, len(ids)).equals(ids) else None
