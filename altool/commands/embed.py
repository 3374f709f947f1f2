"""`altool embed`: turn images or texts into feature vectors."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool import __version__, backbones
from altool.backbones import payloads, pipeline
from altool.backbones.shape import Backbone, Settings
from altool.console import Console
from altool.engines.local import ordered_map
from altool.errors import InputError, UsageError
from altool.tables import align, check, outputs, shards, write
from altool.tables.items import Items, ItemTexts
from altool.tables.outputs import Output
from altool.tables.read import Reader
from altool.tables.shards import Shards

DTYPES = {"float32": np.float32, "float16": np.float16}
# A shard of another version's arithmetic is not gone on with.
LIBRARIES = ("fasttext-community", "numpy", "pillow", "scikit-learn", "scipy", "torch", "torchvision")


@dataclass(frozen=True)
class Options:
    items: str
    output: str
    backbone: str
    weights: str = "DEFAULT"
    image_size: int | None = None
    gray: bool = False
    width: int | None = None
    projection: str | None = None
    dtype: str = "float32"
    minibatch: int | None = None
    workers: int | None = None
    shard_rows: int = 4096
    allow_outside: bool = False
    columns: str | None = None
    seed: int = 0
    device: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class Target:
    """Where the features go: a file, or a folder of part files."""

    path: Path
    parts: bool

    @property
    def rejects(self) -> Path:
        name = self.path.name if self.parts else self.path.name.removesuffix(".parquet")
        return self.path.with_name(name + ".rejects.parquet")


def run(options: Options, console: Console) -> None:
    """Check everything, embed shard by shard beside the target (or go on with the shards of a killed run), then put them together."""
    started = time.monotonic()
    backbone = backbones.create(options.backbone, Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)}))
    if options.dtype not in DTYPES:
        raise UsageError(f"--dtype: there is no {options.dtype!r}", f"give {' or '.join(DTYPES)}")
    target = _target(options)
    reader = Reader(options.columns, None, console)
    source = reader.open(options.items, "items")
    reader.match_ids()
    items = Items(source, backbone.reads, allow_outside=options.allow_outside)
    with shards.beside(target.path) as store:
        _check_outputs(target, options)  # a run that held the target until now may have written it
        backbone.prepare(ItemTexts(items, options.seed))
        facts = {"backbone": options.backbone, "dtype": options.dtype, **backbone.facts}
        stored = store.begin(_key(facts, backbone, options), items.ids, options.shard_rows)
        finished = _finished(items, store, stored, options.shard_rows)
        if finished:
            console.info(f"going on where an earlier run stopped: {len(finished)} of {len(store)} shards are there")
        _embed(items, backbone, store, finished, options, console)
        rejected = _write(items, store, target, facts, backbone.width, options, console)
        store.remove()
    rows, seconds = len(items) - rejected, round(time.monotonic() - started, 1)
    summary = {
        "command": "embed",
        "rows": rows,
        "width": backbone.width,
        "dtype": options.dtype,
        "rejected": rejected,
        "backbone": options.backbone,
        "device": backbone.device,
        "seconds": seconds,
        "output": options.output,
    }
    console.result(summary, f"embedded {rows:,} items with {options.backbone}, {backbone.width} wide, in {seconds} s -> {options.output}")


def _target(options: Options) -> Target:
    """The output, checked before any work. Raises UsageError."""
    if options.output == "-":
        raise UsageError(f"{options.output}: features are written to a local path", "write them to a file or a folder")
    path = Path(os.path.abspath(outputs.local(options.output)))
    parts = options.output.endswith("/") or path.is_dir()
    if not parts and write.format_of(options.output) != "parquet":
        raise UsageError(f"{options.output}: features are written as Parquet", "give a path that ends with .parquet, or a folder")
    target = Target(path, parts)
    _check_outputs(target, options)
    return target


def _check_outputs(target: Target, options: Options) -> None:
    wanted = [
        Output("--output", options.output, "features", parts=target.parts, local=True),
        Output("--output", str(target.rejects), "rejects", sidecar=True),
    ]
    outputs.check(wanted, outputs.given(options, "items", "text:weights"), overwrite=options.overwrite)


def _key(facts: Mapping[str, Any], backbone: Backbone, options: Options) -> str:
    """What a stored shard must have in common with this run, beside its rows."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    run = [__version__, versions, dict(facts), backbone.state, options.seed, options.shard_rows]
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def _finished(items: Items, store: Shards, stored: set[int], shard_rows: int) -> set[int]:
    """Those of the stored shards that were made from the rows that are there now: the rows are read again, nothing is trusted."""
    if not stored:
        return set()
    missing = set(range(len(store))) - stored
    finished: set[int] = set()
    held: list[np.ndarray] = []
    chunks = pipeline.cut(items.payloads(), len(items), shard_rows, shard_rows, missing)
    for chunk, digests in ordered_map(lambda chunk: (chunk, payloads.digests(chunk.payloads)), chunks):
        held.append(digests)
        if chunk.last:
            if store.fits(chunk.shard, np.concatenate(held)):
                finished.add(chunk.shard)
            held = []
    return finished


def _embed(items: Items, backbone: Backbone, store: Shards, finished: set[int], options: Options, console: Console) -> None:
    """Make and store every shard that is not finished. Raises InputError where a vector is not finite."""
    with console.progress(f"embedding {items.source.name}", len(items)) as advance:
        advance(sum(len(store.ids(number)) for number in finished))
        made = pipeline.run(
            backbone,
            items.payloads(),
            len(items),
            shard_rows=options.shard_rows,
            skip=finished,
            workers=options.workers if "workers" in backbone.takes else 0,
            advance=advance,
        )
        for shard in made:
            with np.errstate(over="ignore"):
                vectors = shard.vectors.astype(DTYPES[options.dtype])
            bad = ~np.isfinite(vectors).all(axis=1)
            if bad.any():
                ids = check.naming(check.first_ids(store.ids(shard.number).filter(pa.array(bad))))
                raise InputError(
                    f"{items.source.name}: {options.backbone} gives NaN or infinity for some rows (ids {ids})",
                    "give --dtype float32"
                    if options.dtype == "float16"
                    else "try --device cpu, which computes in full precision, or other --weights",
                )
            store.write(shard.number, shard.digests, vectors, shard.reasons)


def _write(items: Items, store: Shards, target: Target, facts: Mapping[str, Any], width: int, options: Options, console: Console) -> int:
    """Put the shards together: the rejects table, then the features, which are the sign that all is done. Returns the number of rejects.

    Raises InputError where no row is left, after forgetting the shards.
    """
    digests, reasons = [], []
    for number in range(len(store)):
        shard = store.read(number)
        digests.append(shard.digests.copy())  # no shard's file is held open
        reasons.append(pa.array(shard.reasons.to_pylist(), pa.string()))
    reason = pa.chunked_array(reasons)
    rejected = reason.is_valid()
    refused = pa.table({"id": items.ids, "reason": reason}).filter(rejected)
    refused = refused.take(pc.array_sort_indices(refused.column("id")))
    if len(refused) == len(items):
        store.remove()
        shown = "; ".join(f"{row['id']}: {row['reason']}" for row in refused.slice(0, check.SHOWN).to_pylist())
        raise InputError(
            f"{items.source.name}, column {items.column!r}: none of the {len(items):,} rows can be used ({shown})",
            f"is this the right column? If not: --columns {items.column}=NAME",
        )
    origin = write.provenance("embed", facts, options.seed, {"items": align.fingerprint(items.index, np.concatenate(digests))})
    if len(refused):
        write.write_table(refused, "rejects", str(target.rejects), origin=origin)
        console.warn(f"{len(refused):,} of {len(items):,} items cannot be used; ids and reasons are in {target.rejects.name}")
    else:
        target.rejects.unlink(missing_ok=True)  # an earlier run's
    index = align.index(items.ids.filter(pc.invert(rejected)).chunks, items.source.name) if len(refused) else items.index
    zero = 0
    dtype = DTYPES[options.dtype]
    with write.matrix_writer(str(target.path), "features", "features", width, dtype, index, origin, parts=target.parts) as append:
        for number in range(len(store)):
            shard = store.read(number)
            vectors = shard.vectors[np.asarray(shard.reasons.is_null())] if shard.reasons.null_count < len(shard.reasons) else shard.vectors
            zero += int(np.count_nonzero(~vectors.any(axis=1)))
            append(vectors)
    if zero and items.column == "text":
        console.warn(f"{zero:,} of {len(items):,} texts have a vector of zeros, as texts without a known word do")
    return len(refused)
