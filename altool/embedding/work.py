"""Embedding rows: what a process does with consecutive shards of a run, and how the rows are cut for several processes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool import __version__
from altool.backbones.shape import Backbone, Encoder, Texts
from altool.console import Console
from altool.embedding.settings import Like
from altool.engines.local import ordered_map
from altool.errors import InputError
from altool.payloads import pipeline, reading
from altool.tables import align, check, ranges, shards, space
from altool.tables.items import Items
from altool.tables.read import Source
from altool.tables.shards import Shards
from altool.tables.space import Space
from altool.text import count

ENOUGH = 4  # row groups in each range
DTYPES = {"float32": np.float32, "float16": np.float16}


@dataclass(frozen=True)
class Run:
    """What is embedded with what: the `backbone`, its encoder, made with these `values` of its options, the `dtype` and the seed; `space`
    is that of the vectors, and `fit` the file that keeps what was learned."""

    backbone: Backbone
    values: Mapping[str, Any]
    encoder: Encoder
    dtype: str
    seed: int
    space: Space
    fit: Path | None

    @property
    def name(self) -> str:
        return self.backbone.name

    @property
    def facts(self) -> dict[str, Any]:
        return {"backbone": self.name, "dtype": self.dtype, **self.encoder.facts}

    @property
    def identity(self) -> dict[str, Any]:
        """What all vectors of a run have in common, as JSON: which versions computed them, and how."""
        versions = {name: importlib.metadata.version(name) for name in self.encoder.libraries}
        return {"altool": __version__, **versions, **self.facts, "space": self.space.digest, "seed": self.seed}

    def key(self, *more: Any) -> str:
        """What a stored shard must have in common with this run, beside its rows."""
        return hashlib.sha256(json.dumps([self.identity, *more], sort_keys=True).encode()).hexdigest()


def prepared(
    backbone: Backbone, values: Mapping[str, Any], encoder: Encoder, dtype: str, seed: int, like: Like | None, texts: Texts, folder: Path
) -> Run:
    """The run, its encoder prepared, and with its fit stored in `folder` where it is a new one.

    Raises InputError where the space is not the one that is wanted: other weights, or random ones of another library.
    """
    fit = like.fit if like is not None else None
    encoder.prepare(texts, fit)
    facts = {"backbone": backbone.identity, "dtype": dtype, **encoder.space}
    if encoder.learns:
        if fit is None:
            fit = folder / f"{shards.FIT}{backbone.fit}"
            encoder.save(fit)
        facts["fit"] = align.file_digest(str(fit))
    if like is not None and (wanted := like.space.facts) != facts:
        raise InputError(
            f"{like.space.of}: this run's vectors would be of another vector space ({space.apart(facts, wanted)})",
            "give the same --weights, or install the same versions",
        )
    return Run(backbone, values, encoder, dtype, seed, space.made(facts, backbone.name), fit)


@dataclass(frozen=True)
class Stretch:
    """Shards `low` to `high` of a run. Their rows are among rows [first, last) of the table, in file order: those that are `kept` (one bit
    each; None: all)."""

    low: int
    high: int
    first: int
    last: int
    kept: bytes | None = None

    def __str__(self) -> str:
        return f"rows {self.first:,} to {self.last - 1:,}"


@dataclass(frozen=True)
class Done:
    """What became of a stretch: its rows, the shards and rows that were stored `before`, and of which `identity` the run of the process is
    that did it, whose shards have the `key`; its provenance has the `facts`."""

    rows: int
    before: tuple[int, int]
    key: str
    identity: dict[str, Any]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Rows:
    """Where rows come from: a `source`, the columns of which the first that it has is embedded, and whether paths may lead out of its
    folder. `items` are all rows, where this process has read them."""

    source: Source
    columns: Sequence[str]
    allow_outside: bool
    items: Items | None = None

    def of(self, stretch: Stretch) -> Items:
        """The items of a stretch, of whose row groups alone anything is read."""
        if self.items is not None:
            return self.items
        part = ranges.between(self.source, stretch.first, stretch.last)
        found = Items(part, self.columns, allow_outside=self.allow_outside)
        kept = np.zeros(len(found), bool)
        start, rows = stretch.first - ranges.begin(self.source, stretch.first), stretch.last - stretch.first
        bits = None if stretch.kept is None else np.unpackbits(np.frombuffer(stretch.kept, np.uint8), count=rows)
        kept[start : start + rows] = True if bits is None else bits.astype(bool)
        return found if kept.all() else found.only(kept)


@dataclass(frozen=True)
class Worker:
    """A process that embeds stretches of a run, and stores their shards in `folder`. `processes` decode images (None: as it pays), and
    `advance` is told of rows as they are done."""

    run: Run
    rows: Rows
    folder: Path
    shard_rows: int
    processes: int | None
    console: Console
    advance: Callable[[int], None] = lambda rows: None

    def __call__(self, stretch: Stretch) -> Done:
        """Make and store every shard that is not there. Raises InputError where a vector is not finite."""
        items, key = self.rows.of(stretch), self.run.key(self.shard_rows)
        store = Shards(self.folder)
        stored = store.begin(key, items.ids, self.shard_rows, stretch.low)
        finished = _finished(items, store, stored, self.shard_rows, stretch.low)
        if finished and self.rows.items is not None:
            self.console.info(f"going on where an earlier run stopped: {len(finished):,} of {count(len(store), 'shard')} done")
        there = sum(len(store.ids(number)) for number in finished)
        self.advance(there)
        self._embed(items, store, finished, stretch.low)
        return Done(len(items), (len(finished), there), key, self.run.identity, self.run.facts)

    def _embed(self, items: Items, store: Shards, finished: set[int], low: int) -> None:
        run = self.run
        made = pipeline.run(
            run.encoder,
            items.payloads(),
            len(items),
            shard_rows=self.shard_rows,
            skip={number - low for number in finished},
            workers=0 if items.column == "text" else self.processes,
            advance=self.advance,
        )
        for shard in made:
            number = low + shard.number
            with np.errstate(over="ignore"):
                vectors = shard.vectors.astype(DTYPES[run.dtype])
            bad = ~np.isfinite(vectors).all(axis=1)
            if bad.any():
                ids = check.naming(check.first_ids(store.ids(number).filter(pa.array(bad))))
                raise InputError(
                    f"{items.source.name}: {run.name} gives NaN or infinity for {count(int(bad.sum()), 'row')} (ids {ids})",
                    "give --dtype float32"
                    if run.dtype == "float16"
                    else "try --device cpu, which computes in full precision, or other --weights",
                )
            store.write(number, shard.digests, vectors, shard.reasons)


def _finished(items: Items, store: Shards, stored: set[int], shard_rows: int, low: int) -> set[int]:
    """Those of the stored shards that were made from the rows that are there now: the rows are read again, nothing is trusted."""
    missing = {number - low for number in set(store.numbers) - stored}
    finished: set[int] = set()
    held: list[np.ndarray] = []
    for chunk, found in digests(items, shard_rows, missing) if stored else ():
        held.append(found)
        if chunk.last:
            if store.fits(low + chunk.shard, np.concatenate(held)):
                finished.add(low + chunk.shard)
            held = []
    return finished


def cut(source: Source, number: int) -> list[tuple[int, int]]:
    """The rows of a table in `number` ranges [first, last), as `ranges.cut` has them. Where row groups are too few for ranges of about one
    size, a range begins within one: to read its rows twice costs less than to embed them all in one process."""
    groups = sum(len(fragment.group_rows) for fragment in source.fragments)
    if groups >= ENOUGH * number:
        return ranges.cut(source, number)
    edges = np.rint(np.arange(number + 1) * (source.num_rows / number)).astype(np.int64).tolist()
    return list(pairwise(edges))


def digests(items: Items, shard_rows: int, skip: set[int]) -> Iterator[tuple[pipeline.Chunk, np.ndarray]]:
    """Digests uint8 (n, 16) of what the items hold now, a chunk at a time; the shards in `skip` are passed over."""
    chunks = pipeline.cut(items.payloads(), len(items), shard_rows, shard_rows, skip)
    yield from ordered_map(lambda chunk: (chunk, reading.digests(chunk.payloads)), chunks)
