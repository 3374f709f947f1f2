"""The rows that are replayed: the truth, the part of it that each repeat has, and one copy of the rows for all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from altool import seeds
from altool.console import Console
from altool.engines.scratch import Scratch
from altool.errors import InputError, UsageError
from altool.labels.consensus import codes, resolve
from altool.models.labeled import Table
from altool.payloads.pictures import Recipe
from altool.simulation import pool as pools
from altool.simulation.from_model import Part, Pool
from altool.tables import align, check, label_log
from altool.tables import classes as class_lists
from altool.tables.align import Index
from altool.tables.arrays import read_index, read_matrices
from altool.tables.read import Reader, Source
from altool.tables.rows import read_rows
from altool.text import count

DONE, PICTURES = "done.npy", "pictures.npy"
POOL = "pool"  # what is measured on
ARRAYS = ("rows", "truth", "held_rows", "held_truth")


@dataclass(frozen=True)
class Truth:
    """Which rows are known: increasing positions in `index` and class numbers of those to choose from, and of those that the tables hold
    out (perhaps none); and the new names of classes that are `merged`."""

    index: Index
    rows: np.ndarray
    codes: np.ndarray
    held_rows: np.ndarray
    held_codes: np.ndarray
    classes: tuple[str, ...]
    merged: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """The rows of a repeat, as increasing int64 positions: those to choose from, and those that are measured on (None: the tables' own
    held-out rows; `rows` itself: the whole pool)."""

    rows: np.ndarray
    held: np.ndarray | None

    @property
    def whole(self) -> bool:
        """Is the whole pool measured on?"""
        return self.held is self.rows

    def among(self, used: np.ndarray) -> World:
        """The same rows as positions in `used`, increasing ones that hold them all."""
        rows = np.searchsorted(used, self.rows)
        return World(rows, rows if self.whole else None if self.held is None else np.searchsorted(used, self.held))

    def of(self, pool: Pool) -> Pool:
        """This part of a pool whose rows it has the positions of; what is chosen from is not copied."""
        rows, truth = cast(np.ndarray, Part(pool.rows, self.rows)), pool.truth[self.rows]
        held_rows, held_truth = (rows, truth) if self.whole else (pool.held_rows, pool.held_truth)
        if self.held is not None and not self.whole:
            held_rows, held_truth = pool.at(self.held), pool.truth[self.held]
        return Pool(rows, truth, held_rows, held_truth, pool.classes)


def read_truth(
    source: Source, log: Source, held: Source | None, settings: Mapping[str, Any], reader: Reader, strict: bool, console: Console
) -> Truth:
    """Which rows of `source` the labels tell the class of. Raises InputError, and UsageError for settings that do not fit them."""
    truth = resolve(label_log.read(log))
    labels = truth.training
    held_labels = resolve(label_log.read(held)).table if held is not None else truth.holdout
    held_labels = held_labels.filter(held_labels.column("label").is_valid())
    found = set(labels.column("label").to_pylist()) | set(held_labels.column("label").to_pylist())
    names = reader.classes or tuple(sorted(found))
    if unknown := sorted(found - set(names)):
        hint = class_lists.respelled(unknown, names) or "name them there"
        raise InputError(f"{log.name}: {count(len(unknown), 'class', 'classes')} not in --classes ({check.naming(unknown)})", hint)
    if held is not None and len(labels):
        known_here, hint = sorted(set(labels.column("label").to_pylist())), "give held-out rows of the same project"
        if text := class_lists.match(class_lists.counts(held_labels.column("label")), known_here, held.name, log.name, hint):
            console.mismatch(text, hint, strict=strict)
    new = pools.merged(names, settings.get("merge_classes") or ())
    classes = tuple(dict.fromkeys(new.get(name, name) for name in names))
    number = np.array([classes.index(new.get(name, name)) for name in names])

    index = read_index(source)

    def known(table: pa.Table, what: str) -> tuple[np.ndarray, np.ndarray]:
        places = index.positions(table.column("id"))
        lost = table.column("id").filter(pa.array(places < 0))
        if len(lost):
            text = f"{source.name}: {count(len(lost), f'{what} row')} not in it (ids {check.naming(check.first_ids(lost))})"
            console.mismatch(text, "embed these rows too", strict=strict)
        return places[places >= 0], number[codes(table, names)[places >= 0]]

    rows, codes_ = known(labels, "labeled")
    held_rows, held_codes = known(held_labels, "held-out")
    twice = np.intersect1d(rows, held_rows)
    if len(twice):
        text = f"--labels: {count(len(twice), 'held-out row')} in it, too (ids {check.naming(check.first_ids(index.take(twice)))})"
        raise InputError(text, "hold them out in one place")
    if settings.get("measure") == POOL:
        if len(held_rows):
            text = f"--measure pool: {count(len(held_rows), 'held-out row')} given, expected none: all rows are measured on"
            raise UsageError(text, "leave out --holdout-labels, and rows of source holdout, or give --measure holdout")
        if settings.get("holdout_share") is not None:
            raise UsageError("--holdout-share has no effect with --measure pool", "leave one of them out")
    if len(held_rows) and settings.get("holdout_share") is not None:
        raise UsageError("--holdout-share has no effect here", "leave it out: rows are held out already")
    if settings.get("rare_classes") and not settings.get("imbalance"):
        raise UsageError("--rare-classes needs --imbalance RATIO")
    thinned = settings.get("imbalance") is not None or settings.get("pool_share") is not None
    if settings.get("resample") and (len(held_rows) or settings.get("measure") == POOL) and not thinned:
        raise UsageError("--resample has no effect here: every repeat has all rows", "give --pool-share or --imbalance")
    return Truth(index, rows, codes_, held_rows, held_codes, classes, new)


def draw(truth: Truth, settings: Mapping[str, Any], seed: int, repeat: int, name: str) -> World:
    """The world of a repeat, as positions in `truth.rows`; without `resample` it is the same for all. It depends on the seed, the repeat
    and the truth alone. Raises UsageError, and InputError that calls the labels `name`."""
    resample = bool(settings.get("resample"))

    def generator(step: str) -> np.random.Generator:
        return seeds.generator(seeds.integer(seed, "simulate", repeat), step) if resample else seeds.generator(seed, "simulate", step)

    rows, held, whole = np.arange(len(truth.rows)), None, settings.get("measure") == POOL
    if not len(truth.held_rows) and not whole:
        mask = pools.hold_out(truth.codes, settings.get("holdout_share", 0.2), generator("holdout"))
        rows, held = np.flatnonzero(~mask), np.flatnonzero(mask)
    if not len(rows) or not (whole or (len(truth.held_rows) if held is None else len(held))):
        sizes = f"{count(len(rows), 'row')} to choose from and {len(truth.held_rows) if held is None else len(held):,} to measure on"
        raise InputError(f"{name}: {sizes}", "give more labeled rows")
    kept = np.full(len(truth.classes), float(settings.get("pool_share") or 1))
    if settings.get("imbalance") is not None:
        rare = settings.get("rare_classes")
        found = np.bincount(truth.codes[rows], minlength=len(truth.classes))
        # with a ratio alone nobody says which classes are rare
        ranks = generator("rare classes").permutation(len(truth.classes)) if resample and not rare else None
        kept *= pools.shares(str(settings["imbalance"]), rare, truth.classes, found, ranks)
    if settings.get("imbalance") is not None or settings.get("pool_share") is not None:
        rows = rows[pools.thin(truth.codes[rows], kept, generator("imbalance"))]
    return World(rows, rows if whole else held)


def _held_of(truth: Truth, world: World) -> tuple[np.ndarray, np.ndarray]:
    """The positions in the index, and the classes, of a world's held-out rows."""
    return (truth.held_rows, truth.held_codes) if world.held is None else (truth.rows[world.held], truth.codes[world.held])


def facts(truth: Truth, world: World) -> str:
    """The fingerprint of a world's rows and their classes."""
    held_rows, held_codes = _held_of(truth, world)
    rows, classes = np.concatenate([truth.rows[world.rows], held_rows]), np.concatenate([truth.codes[world.rows], held_codes])
    return align.table_fingerprint(pa.table({"row": rows, "class": classes}))


@dataclass(frozen=True)
class Used:
    """The rows of all worlds, as increasing int64 `positions` in the index of the truth; the part of them that each world is (None: they
    are it); and the positions and classes of those that the tables, or the one world, hold out."""

    positions: np.ndarray
    codes: np.ndarray
    parts: list[World | None]
    held: np.ndarray
    held_codes: np.ndarray


def used(truth: Truth, worlds: Sequence[World]) -> Used:
    """What has to be read for `worlds`, one of each repeat."""
    world, *others = worlds
    if all(other is world for other in others):
        positions, codes_ = truth.rows[world.rows], truth.codes[world.rows]
        held = (positions, codes_) if world.whole else _held_of(truth, world)
        return Used(positions, codes_, [None] * len(worlds), *held)
    mask = np.zeros(len(truth.rows), bool)
    for one in worlds:
        mask[one.rows] = True
        mask[one.held if one.held is not None else []] = True
    rows = np.flatnonzero(mask)
    return Used(truth.rows[rows], truth.codes[rows], [one.among(rows) for one in worlds], truth.held_rows, truth.held_codes)


def read(
    table: Table, recipe: Recipe | None, truth: Truth, own: Used, worlds: Sequence[World], *, first: bool
) -> tuple[Pool, dict[int, str]]:
    """The rows of all worlds as one pool, read once, and the fingerprint of what each world (by its `id`) read: of images those of its
    rows, else the whole table. `recipe` makes pictures of images; the `first` table is the one that the truth's index is of.

    Raises InputError for a row that another table lacks, and for an image that cannot be used.
    """
    source, parts = table.source, [own.positions] if own.held is own.positions else [own.positions, own.held]
    if recipe is not None:
        places = np.sort(np.concatenate(parts))
        ids = truth.index.take(places)
        found = table.pictures(recipe, ids)
        pixels = replace(table, strict=True).labeled_pictures(found, ids).rows
        rows, *apart = (cast(np.ndarray, Part(pixels, np.searchsorted(places, part))) for part in parts)
        prints = {}
        for world in {id(one): one for one in worlds}.values():
            mask = np.zeros(len(places), bool)
            mask[np.searchsorted(places, np.concatenate([truth.rows[world.rows], _held_of(truth, world)[0]]))] = True
            prints[id(world)] = align.fingerprint(Index(found.index.ids.filter(pa.array(mask)), None), found.digests[mask])
        return Pool(rows, own.codes, apart[0] if apart else rows, own.held_codes, truth.classes), prints
    index = truth.index if first else read_index(source)
    parts = parts if first else [_found(index, truth.index.take(part), table) for part in parts]
    with table.console.progress(f"reading {source.name}", len(index)) as advance:
        if table.column == "features":
            (rows, *apart), fingerprint, _ = read_matrices(source, "features", index, parts, Scratch(1 << 62), advance=advance)
        else:
            batches = [read_rows(source, batch, table.column) for batch in source.scan(["id", table.column], lambda batch: batch)]
            texts, sums = (np.concatenate(each) for each in zip(*batches, strict=True))
            fingerprint = align.fingerprint(index, sums)
            rows, *apart = (index.arrange(texts)[part] for part in parts)
    held_rows = apart[0] if apart else rows
    return Pool(rows, own.codes, held_rows, own.held_codes, truth.classes), {id(world): fingerprint for world in worlds}


def _found(index: Index, ids: pa.Array, table: Table) -> np.ndarray:
    """The positions of these ids in a table's index. Raises InputError for those that are not there."""
    places = index.positions(ids)
    if (places < 0).any():
        lost = ids.filter(pa.array(places < 0))
        text = f"{table.source.name}: {count(len(lost), 'row')} of the truth not in it (ids {check.naming(check.first_ids(lost))})"
        raise InputError(text, "give tables of the same rows")
    return places


def store(folder: Path, pools: Sequence[Pool], ids: pa.Array, tasks: int) -> np.ndarray:
    """The arrays as files that workers map: one copy in memory for all of them. Returns another such, int32 (tasks,), for them to write."""
    folder.mkdir()
    for number, pool in enumerate(pools):
        own = folder / str(number)
        own.mkdir()
        for name in ARRAYS[:2] if pool.held_rows is pool.rows else ARRAYS:
            array = getattr(pool, name)
            if isinstance(array, Part):  # of pictures, all of which are there once
                np.save(own / f"{name}.npy", array.positions)
                if name == "rows":
                    np.save(own / PICTURES, array.whole)
            elif array.dtype == object:  # texts
                pq.write_table(pa.table({"text": pa.array(array, pa.string())}), own / f"{name}.parquet")
            else:
                np.save(own / f"{name}.npy", array)
    pq.write_table(pa.table({"id": ids}, metadata={b"classes": json.dumps(pools[0].classes).encode()}), folder / "ids.parquet")
    return np.lib.format.open_memmap(folder / DONE, "w+", np.int32, (tasks,))


@cache
def load(folder: Path, number: int) -> tuple[Pool, pa.Array, np.ndarray]:
    """What `store` has written of the pool of that number, and what is for the workers to write."""
    own = folder / str(number)
    found: dict[str, Any] = {}
    for name in ARRAYS:
        texts = own / f"{name}.parquet"
        if name.startswith("held_") and not texts.exists() and not (own / f"{name}.npy").exists():
            found[name] = found[name.removeprefix("held_")]  # the pool is measured on
        elif texts.exists():
            found[name] = pq.read_table(texts).column("text").to_numpy(zero_copy_only=False)
        else:
            found[name] = np.load(own / f"{name}.npy", mmap_mode="r")
    if (own / PICTURES).exists():
        pixels = np.load(own / PICTURES, mmap_mode="r")
        found |= {name: Part(pixels, found[name]) for name in ("rows", "held_rows")}
    table = pq.read_table(folder / "ids.parquet")
    pool = Pool(classes=tuple(json.loads(table.schema.metadata[b"classes"])), **found)
    return pool, table.column("id").combine_chunks(), np.load(folder / DONE, mmap_mode="r+")
