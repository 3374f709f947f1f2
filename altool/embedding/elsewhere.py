"""Embedding by an engine: here, or by processes on other machines, which open the table and load the backbone themselves."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from altool.backbones import BACKBONES
from altool.backbones.shape import OfColumns
from altool.console import Console
from altool.embedding.settings import Like
from altool.embedding.work import Done, Rows, Stretch, Worker, cut, prepared
from altool.engines.placement import LOCAL, Placement, engine
from altool.errors import InputError
from altool.tables import space
from altool.tables.items import Items
from altool.tables.read import Reader, Source
from altool.tables.shards import Shards
from altool.tables.space import Space
from altool.text import count

PER_WORKER = 4  # stretches, so that all workers end at about the same time


class Given(Placement, Protocol):
    """The options of the command that say where, and how the table is opened."""

    @property
    def items(self) -> str: ...
    @property
    def columns(self) -> str | None: ...
    @property
    def ids(self) -> str | None: ...


@dataclass(frozen=True)
class Made:
    """The shards of all items, the `facts` of who made them, and the seconds that an item took (None: all were there)."""

    store: Shards
    facts: dict[str, Any]
    pace: float | None


def embed(worker: Worker, items: Items, options: Given, console: Console) -> Made:
    """Make and store the shards of all items, by the engine that the options ask for; `worker` is that of this process.

    Raises what a worker does, and InputError where workers do not compute alike, or where what they stored is not seen here.
    """
    done: list[Done] = []
    shard_rows = worker.shard_rows
    whole = Stretch(0, -(-len(items) // shard_rows), 0, items.source.num_rows)
    with engine(options, console) as placed:
        started = time.monotonic()
        if options.engine == LOCAL:
            done += placed.map(lambda console: worker, [whole])
        else:
            make = partial(colleague, _task(worker, items, options))
            for one in placed.map(make, stretches(items, shard_rows, PER_WORKER * placed.workers)):
                done.append(one)
                worker.advance(one.rows)
        seconds = time.monotonic() - started
    for other in done:
        if other.key != done[0].key:
            text = f"Ray workers do not compute alike ({space.apart(other.identity, done[0].identity)})"
            raise InputError(text, "install the same versions on all machines; where only some have a GPU, give --device cpu")
    shards_before, rows_before = (sum(numbers) for numbers in zip(*(one.before for one in done), strict=True))
    store = Shards(worker.folder)
    stored = store.begin(done[0].key, items.ids, shard_rows)
    if missing := set(store.numbers) - stored:
        text = f"{worker.folder}: {len(missing):,} of {count(len(store), 'shard')} that Ray workers stored are not to be seen here"
        raise InputError(text, "give an --output in a folder that all machines see")
    if shards_before and options.engine != LOCAL:
        console.info(f"{shards_before:,} of {count(len(store), 'shard')} were there: of an earlier run, or of a worker that died")
    return Made(store, done[0].facts, seconds / (len(items) - rows_before) if rows_before < len(items) else None)


def stretches(items: Items, shard_rows: int, number: int) -> list[Stretch]:
    """The shards of these rows in about `number` stretches, each with about as many row groups of its own."""
    source, places = items.source, items.places
    total = -(-len(places) // shard_rows)
    wanted = np.searchsorted(places, [last for _, last in cut(source, number)[:-1]])
    inner = np.minimum(np.rint(wanted / shard_rows).astype(np.int64), total)
    edges = np.unique(np.concatenate([[0], inner, [total]]))
    found = []
    for low, high in zip(edges.tolist(), edges[1:].tolist(), strict=False):
        rows = places[low * shard_rows : high * shard_rows]
        first, last = int(rows[0]), int(rows[-1]) + 1
        kept = None
        if len(rows) < last - first:
            chosen = np.zeros(last - first, bool)
            chosen[rows - first] = True
            kept = np.packbits(chosen).tobytes()
        found.append(Stretch(low, high, first, last, kept))
    return found


@dataclass(frozen=True)
class Task:
    """What a process elsewhere needs in order to embed stretches: how the table is opened, what was found in it, and what a `Run` is made
    of. What a backbone learned travels in `fit`; its file ends with `ending`."""

    location: str
    named: str | None
    ids: str | None
    id_type: str
    table_rows: int
    version: str
    columns: Sequence[str]
    column: str
    allow_outside: bool
    backbone: str
    values: Mapping[str, Any]
    seed: int
    dtype: str
    space: Space
    fit: bytes | None
    ending: str
    folder: Path
    shard_rows: int
    processes: int | None


def _task(worker: Worker, items: Items, options: Given) -> Task:
    """The task of the other workers. One with a GPU decodes by processes of its own, so that the network need not wait; one without decodes
    itself, as it has one CPU."""
    run, rows, source = worker.run, worker.rows, items.source
    return Task(
        location=options.items,
        named=options.columns,
        ids=options.ids,
        id_type=str(source.id_type),
        table_rows=source.num_rows,
        version=source.version,
        columns=rows.columns,
        column=items.column,
        allow_outside=rows.allow_outside,
        backbone=run.name,
        values=run.values,
        seed=run.seed,
        dtype=run.dtype,
        space=run.space,
        fit=None if run.fit is None else run.fit.read_bytes(),
        ending="" if run.fit is None else run.fit.suffix,
        folder=worker.folder.absolute(),
        shard_rows=worker.shard_rows,
        processes=None if options.gpus_per_worker else 0,
    )


def colleague(task: Task, console: Console) -> Worker:
    """A worker of this task, which has opened the table and loaded the backbone. Raises InputError where this machine does not see the same
    table or the folder of the shards, or would make other vectors."""
    machine = f"Ray worker on {os.uname().nodename}"
    if not task.folder.is_dir():
        raise InputError(f"{machine}: {task.folder} is not there", "give an --output in a folder that all machines see")
    reader = Reader(task.named, None, console, ids=task.ids)
    source = reader.open(task.location, "items")
    if (source.num_rows, source.version) != (task.table_rows, task.version):
        here, there = (f"{rows:,} rows {version}".rstrip() for rows, version in _states(source, task))
        raise InputError(f"{machine}: {source.name} has {here}, expected {there}", "run it again when nobody writes to the table")
    source.id_type = pa.int64() if task.id_type == "int64" else pa.string()
    backbone = BACKBONES.load(task.backbone)
    encoder = backbone.made(task.values, task.seed)
    if isinstance(encoder, OfColumns):
        encoder.read(task.column)
    with tempfile.TemporaryDirectory(prefix="altool-") as place:
        fit = None
        if task.fit is not None:
            fit = Path(place) / f"fit{task.ending}"
            fit.write_bytes(task.fit)
        like = Like(replace(task.space, of=machine), fit, "")
        run = prepared(backbone, task.values, encoder, task.dtype, task.seed, like, Nothing(), Path(place))
    rows = Rows(source, task.columns, task.allow_outside)
    return Worker(run, rows, task.folder, task.shard_rows, task.processes, console)


def _states(source: Source, task: Task) -> list[tuple[int, str]]:
    return [(source.num_rows, source.version), (task.table_rows, task.version)]


class Nothing:
    """No texts: for a backbone that has learned, or learns nothing."""

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def sample(self, limit: int) -> list[str]:
        return []
