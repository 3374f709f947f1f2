"""`altool embed`: turn images or texts into feature vectors."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from altool.backbones import BACKBONES, networks
from altool.backbones.shape import Backbone, Encoder, OfColumns
from altool.console import Console
from altool.embedding import assembly, elsewhere, settings, shard, staged, work
from altool.embedding.settings import Like
from altool.embedding.work import DTYPES, Rows, Worker
from altool.engines import placement
from altool.errors import InputError, UsageError
from altool.options import Option, declared, flag, option, shared
from altool.reporting import embedding
from altool.shared import (
    ALLOW_OUTSIDE,
    COLUMNS,
    DEVICE,
    ENGINE,
    GPUS_PER_WORKER,
    IDS,
    ITEMS,
    OUTPUT,
    OVERWRITE,
    RAY_ADDRESS,
    RUN,
    SEED,
    SHARD,
    WORKERS,
    numbers_of,
)
from altool.tables import check, objects, outputs, shards, space, write
from altool.tables.arrays import read_index
from altool.tables.feature_files import Target
from altool.tables.items import Items, ItemTexts
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source
from altool.tables.schema import KINDS
from altool.tables.shards import Shards

WHAT = "What to embed with"


@dataclass(frozen=True, kw_only=True)
class Options:
    """Turn images or texts into feature vectors."""

    items: str = shared(replace(ITEMS, required=True))
    output: str = shared(replace(OUTPUT, required=True, help="A Parquet file, or with a / at its end a folder of them."))
    backbone: str | None = option("A torchvision network, or one of altool backbones.", metavar="NAME", shown="resnet18", panel=WHAT)
    reads: str | None = option(
        "The column to embed.", metavar="image|path|text", choices=("image", "path", "text"), shown="what the backbone reads", panel=WHAT
    )
    like: str | None = option("Embed in the vector space of these features, or of a model.", metavar="FEATURES|MODEL", panel=WHAT)
    update: bool = option("Add the items that the output does not hold yet, in its space.", default=False, panel=WHAT)
    limit: int | None = option("Embed the first N items by id only; --update does the others.", low=1, metavar="N", panel=WHAT)
    dtype: str | None = option(
        "The numbers that are written.", metavar="float32|float16", choices=tuple(DTYPES), shown="float32", panel=WHAT
    )
    allow_outside: bool = shared(ALLOW_OUTSIDE)
    columns: str | None = shared(COLUMNS)
    ids: str | None = shared(IDS)
    seed: int | None = shared(replace(SEED, default=None, shown="0"))
    device: str = shared(DEVICE)
    workers: int | None = shared(WORKERS)
    shard_rows: int = option("A killed run loses at most this many rows.", metavar="N", default=4096, low=1, panel=RUN)
    engine: str = shared(ENGINE)
    ray_address: str | None = shared(RAY_ADDRESS)
    gpus_per_worker: float | None = shared(GPUS_PER_WORKER)
    shard: str | None = shared(SHARD)
    overwrite: bool = shared(OVERWRITE)
    own: Mapping[str, Any] = field(default_factory=dict)


def owned() -> list[tuple[str, tuple[Option, ...]]]:
    """The options that belong to a backbone, by panel; those of several backbones are in each of their panels."""
    found: list[tuple[str, tuple[Option, ...]]] = [("Networks of torchvision", networks.OPTIONS)]
    found += [(name, backbone.options) for name, backbone in BACKBONES.every().items()]
    shared_names = {one.name for one in declared(Options)}
    return [(title, tuple(one for one in options if one.name not in shared_names)) for title, options in found]


def run(options: Options, console: Console) -> None:
    """Embed to a path; to an object store, by way of one."""
    if objects.is_remote(options.output):
        staged.run(options, console, lambda output: _run(options, output, console))
    else:
        _run(options, options.output, console)


def _run(given: Options, output: str, console: Console) -> None:
    """Check everything, embed shard by shard beside the target (or go on with the shards of a killed run), then put them together."""
    started = time.monotonic()
    options = (
        given if output == given.output else replace(given, output=output, overwrite=given.overwrite if given.shard else not given.update)
    )
    placement.check(options)
    target = _target(options)
    like = settings.like(options, target)
    with console.progress(_loading(options, like), None):
        backbone, dtype, seed, values = settings.settings(options, like)
        encoder = backbone.made(values, seed)
    _refuse_shared(options, backbone, encoder, like)
    reader = Reader(options.columns, None, console, ids=options.ids)
    source = reader.open(options.items, "items")
    numbers = numbers_of(options.shard) if options.shard is not None else None
    stored_at = target.path if numbers is None else shard.partial_of(target, *numbers)
    with contextlib.nullcontext(stored_at) if console.dry_run else shards.partial(stored_at) as folder:
        old = _old(reader, target, like, options)
        reader.match_ids()
        columns = backbone.columns([name for name in backbone.reads if name in source], source.name, options.reads)
        rows, first = Rows(source, columns, options.allow_outside), 0
        if numbers is None:
            items = Items(source, columns, allow_outside=options.allow_outside)
        else:
            items, first = shard.items_of(rows, *numbers)
        if isinstance(encoder, OfColumns):
            encoder.read(items.column)
        before = read_index(old) if old is not None else None
        gone = len(before) - int(np.count_nonzero(before.mask(items.ids))) if before is not None else 0
        every = items.without(before.ids) if before is not None else items
        new = every.first(options.limit) if options.limit and options.limit < len(every) else every
        there = None if before is None else len(before)
        facts = embedding.Run(backbone, encoder, new, every, there, gone, options.limit, given.output, shard=numbers)
        if like is None and "image_size" not in options.own:
            embedding.say_small(facts, console)
        if console.dry_run:
            embedding.rehearse(facts, console)
            return
        for path in target.written() if target.there else ():
            write.remove_stale(path)
        rejected, pace = 0, None
        if len(new) or numbers is not None:
            with console.progress(_loading(options, like), None):
                made = work.prepared(backbone, values, encoder, dtype, seed, like, ItemTexts(every, seed), folder)
            worker = Worker(made, replace(rows, items=new), folder, options.shard_rows, options.workers, console)
            with console.progress(f"embedding {source.name}", len(new)) as advance:
                worker = replace(worker, advance=advance)
                if numbers is not None:
                    rejected = shard.embed(worker, source, new, first, *numbers, target, console)
                else:
                    done = elsewhere.embed(worker, new, options, console)
                    pace = done.pace
            if numbers is None:
                marks = {"limit": len(new), "limit_of": len(every)} if len(new) < len(every) else {}
                known = assembly.facts(made, source, new.column, {**done.facts, **marks})
                embedded = assembly.of_shards(known, new, done.store, made.fit)
                rejected = assembly.put(embedded, target, old, console, done.store.remove)
                done.store.remove()
        else:
            target.rejects.unlink(missing_ok=True)  # what could not be used is no longer among the items
            Shards(folder).remove()  # of a run that was killed when all was written
    width = encoder.width if old is None else old.fragments[0].schema.field("features").type.list_size
    embedding.conclude(replace(facts, rejected=rejected, pace=pace), width, dtype, round(time.monotonic() - started, 1), console)


def _refuse_shared(options: Options, backbone: Backbone, encoder: Encoder, like: Like | None) -> None:
    """Raise UsageError for what several processes cannot share."""
    if options.engine != placement.LOCAL and options.items == "-":
        raise UsageError("--items -: Ray workers read the items themselves", "give a table that all machines see")
    if options.shard is None:
        return
    for name, given in (("update", options.update), ("limit", options.limit), ("engine", options.engine != placement.LOCAL)):
        if given:
            raise UsageError(f"--shard has no effect with {flag(name)}{' ray' if name == 'engine' else ''}", "leave one of them out")
    if encoder.learns and like is None:
        raise UsageError(
            f"--shard: {backbone.name} learns from all items, and this process reads its own alone",
            f"embed a sample first, altool embed --backbone {backbone.name} -o SAMPLE.parquet, and give --like SAMPLE.parquet",
        )


def _loading(options: Options, like: Like | None) -> str:
    """What is said while libraries, networks and fits are loaded."""
    name = options.backbone or (like.space.facts if like is not None else {}).get("backbone", "resnet18")
    return f"loading {name}" if str(name).partition(":")[0] in BACKBONES.names() else f"loading torch and {name}"


def _target(options: Options) -> Target:
    """The output, checked before any work. Raises UsageError."""
    if options.output == "-":
        raise UsageError(f"{options.output}: features are written to a local path", "write them to a file or a folder")
    path = Path(os.path.abspath(outputs.local(options.output)))
    parts = options.output.endswith("/") or path.is_dir()
    if not parts and write.format_of(options.output) != "parquet":
        raise UsageError(f"{options.output}: features are written as Parquet", "give a path that ends with .parquet, or a folder")
    if options.update and options.overwrite:
        raise UsageError("--update adds rows to the output, --overwrite replaces it", "give one of them")
    target = Target(options.output, path, parts, options.update and path.exists())
    if options.shard is not None:
        shard.check_folder(target, options.overwrite)
    _check_outputs(target, options)
    return target


def _check_outputs(target: Target, options: Options) -> None:
    wanted = [
        Output("--output", options.output, "features", parts=target.parts, local=True, sidecar=target.there or options.shard is not None),
        Output("--output", str(target.rejects), "rejects", sidecar=True),
    ]
    outputs.check(wanted, [*outputs.given(options, "items", "like"), *_files(options)], overwrite=options.overwrite)


def _files(options: Options) -> list[tuple[str, str]]:
    """(option, location) of the files that the backbone's options name."""
    return [(flag(name), value) for name, value in options.own.items() if isinstance(value, str) and os.path.isfile(value)]


def _old(reader: Reader, target: Target, like: Like | None, options: Options) -> Source | None:
    """The table that an update adds rows to; None where there is none yet.

    Raises InputError where it is of another space than `like`, UsageError where it has columns that an update would lose, and where
    another run has written it since this one began.
    """
    if not target.there or like is None:
        if options.update and target.path.exists():
            raise UsageError(f"{target.given} was written by another run just now", "run this one again")
        _check_outputs(target, options)
        return None
    old = reader.open(target.given, "features")
    found = space.of(old)
    if found is None or found.digest != like.space.digest:
        raise InputError(
            f"{old.name} is of the vector space {found or 'that nothing tells'}, and {like.space.of} of {like.space}",
            "embed into another --output, or leave --like out",
        )
    more = [name for fragment in old.fragments for name in fragment.schema.names if name not in KINDS["features"].columns]
    if more and not target.parts:
        raise UsageError(f"{target.given} has columns that an update would lose ({check.naming(more)})", "embed into another --output")
    return old
