"""`altool embed`: turn images or texts into feature vectors."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool import __version__
from altool.backbones import BACKBONES, networks
from altool.backbones.shape import Backbone, Encoder, OfColumns
from altool.console import Console
from altool.engines.local import ordered_map
from altool.errors import InputError, UsageError
from altool.models import store as models
from altool.options import Option, declared, flag, option, shared
from altool.options import check as check_options
from altool.payloads import pipeline, reading
from altool.reporting import embedding
from altool.shared import (
    ALLOW_OUTSIDE,
    COLUMNS,
    DEVICE,
    IDS,
    ITEMS,
    OUTPUT,
    OVERWRITE,
    RUN,
    SEED,
    WORKERS,
)
from altool.tables import align, check, outputs, rejects, shards, space, write
from altool.tables.arrays import read_index
from altool.tables.feature_files import Target
from altool.tables.items import Items, ItemTexts
from altool.tables.lakes import versions
from altool.tables.outputs import Output
from altool.tables.read import Reader, Source
from altool.tables.rows import read_rows
from altool.tables.schema import KINDS
from altool.tables.shards import Shards
from altool.tables.space import Space
from altool.text import count

WHAT = "What to embed with"
DTYPES = {"float32": np.float32, "float16": np.float16}
OF_RUN = ("backbone", "dtype", "seed")  # what --like may settle, beside the backbone's own options


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
    overwrite: bool = shared(OVERWRITE)
    own: Mapping[str, Any] = field(default_factory=dict)


def owned() -> list[tuple[str, tuple[Option, ...]]]:
    """The options that belong to a backbone, by panel; those of several backbones are in each of their panels."""
    found: list[tuple[str, tuple[Option, ...]]] = [("Networks of torchvision", networks.OPTIONS)]
    found += [(name, backbone.options) for name, backbone in BACKBONES.every().items()]
    shared_names = {one.name for one in declared(Options)}
    return [(title, tuple(one for one in options if one.name not in shared_names)) for title, options in found]


@dataclass(frozen=True)
class Like:
    """The space to embed in, the file that keeps its fit (None: it has none), and the option that asks for it."""

    space: Space
    fit: Path | None
    option: str


@dataclass(frozen=True)
class Run:
    """What is embedded with what: the backbone's `name`, its encoder, the `dtype` and the seed; `space` is that of the vectors, and `fit`
    the file that keeps what was learned."""

    name: str
    encoder: Encoder
    dtype: str
    seed: int
    space: Space
    fit: Path | None

    @property
    def facts(self) -> dict[str, Any]:
        return {"backbone": self.name, "dtype": self.dtype, **self.encoder.facts}

    def key(self, shard_rows: int) -> str:
        """What a stored shard must have in common with this run, beside its rows."""
        versions = {name: importlib.metadata.version(name) for name in self.encoder.libraries}
        run = [__version__, versions, self.facts, self.space.digest, self.seed, shard_rows]
        return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()


def run(options: Options, console: Console) -> None:
    """Check everything, embed shard by shard beside the target (or go on with the shards of a killed run), then put them together."""
    started = time.monotonic()
    target = _target(options)
    like = _like(options, target)
    with console.progress(_loading(options, like), None):
        backbone, dtype, seed, values = _settings(options, like)
        encoder = backbone.made(values, seed)
    reader = Reader(options.columns, None, console, ids=options.ids)
    source = reader.open(options.items, "items")
    with contextlib.nullcontext(target.path) if console.dry_run else shards.partial(target.path) as folder:
        old = _old(reader, target, like, options)
        reader.match_ids()
        columns = backbone.columns([name for name in backbone.reads if name in source], source.name, options.reads)
        items = Items(source, columns, allow_outside=options.allow_outside)
        if isinstance(encoder, OfColumns):
            encoder.read(items.column)
        before = read_index(old) if old is not None else None
        gone = len(before) - int(np.count_nonzero(before.mask(items.ids))) if before is not None else 0
        every = items.without(before.ids) if before is not None else items
        new = every.first(options.limit) if options.limit and options.limit < len(every) else every
        there = None if before is None else len(before)
        facts = embedding.Run(backbone, encoder, new, every, there, gone, options.limit, options.output)
        if like is None and "image_size" not in options.own:
            embedding.say_small(facts, console)
        if console.dry_run:
            embedding.rehearse(facts, console)
            return
        for path in target.written() if target.there else ():
            write.remove_stale(path)
        rejected, pace = 0, None
        if len(new):
            with console.progress(_loading(options, like), None):
                made = _prepared(backbone, encoder, dtype, seed, like, every, folder)
            store = Shards(folder)
            stored = store.begin(made.key(options.shard_rows), new.ids, options.shard_rows)
            finished = _finished(new, store, stored, options.shard_rows)
            if finished:
                console.info(f"going on where an earlier run stopped: {len(finished):,} of {count(len(store), 'shard')} done")
            pace = _embed(new, made, store, finished, options, console)
            marks = {"limit": len(new), "limit_of": len(every)} if len(new) < len(every) else {}
            rejected = _write(new, store, target, made, old, marks, console)
            store.remove()
        else:
            target.rejects.unlink(missing_ok=True)  # what could not be used is no longer among the items
            Shards(folder).remove()  # of a run that was killed when all was written
    width = encoder.width if old is None else old.fragments[0].schema.field("features").type.list_size
    embedding.conclude(replace(facts, rejected=rejected, pace=pace), width, dtype, round(time.monotonic() - started, 1), console)


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
    _check_outputs(target, options)
    return target


def _check_outputs(target: Target, options: Options) -> None:
    wanted = [
        Output("--output", options.output, "features", parts=target.parts, local=True, sidecar=target.there),
        Output("--output", str(target.rejects), "rejects", sidecar=True),
    ]
    outputs.check(wanted, [*outputs.given(options, "items", "like"), *_files(options)], overwrite=options.overwrite)


def _like(options: Options, target: Target) -> Like | None:
    """The space that --like or, for an update, the output names; None where a new one is made.

    Raises InputError where it names none, or its fit is not there.
    """
    if options.like is None and not target.there:
        return None
    location, option = (options.like, "--like") if options.like is not None else (target.given, "--update")
    if "://" in location or location == "-":
        raise UsageError(f"{option} {location}: the fit lies beside a local table", "give a local path")
    if os.path.exists(os.path.join(location, "model.json")):
        found, files, who = space.of_model(models.read_facts(location), location), [location], f"model {location}"
    else:
        source = Reader().open(location, "features")
        found, files, who = space.of(source), [fragment.path for fragment in source.fragments], source.name
    if found is None:
        raise InputError(f"{who}: its vector space is unknown", "embed all items together, with --backbone")
    if "backbone" not in found.facts:
        raise InputError(
            f"{who}: its vectors are a model's, not those of altool embed",
            "score the items with that model: altool score --model … --items … -o … --features-output FEATURES",
        )
    return Like(found, space.fit(found, files), option)


def _settings(options: Options, like: Like | None) -> tuple[Backbone, str, int, dict[str, Any]]:
    """The backbone, the type of the numbers, the seed and the values of the backbone's options: those given or, where the space is given,
    the space's.

    Raises UsageError for options that have no effect, or contradict the space, or where its weights are a file that is not given again.
    """
    given = {name: value for name in OF_RUN if (value := getattr(options, name)) is not None}
    facts = like.space.facts if like is not None else {}
    if like is not None:
        _refuse_other(like, given)
    wanted = facts.get("backbone", "resnet18")
    if like is not None and "backbone" not in given and like.space.place:
        raise UsageError(f"{like.option}: the backbone of {like.space.of} is a {like.space.place}", f"give it again: --backbone {wanted}")
    backbone = BACKBONES.load(given.get("backbone") or wanted)
    own = check_options(backbone.options, options.own, flag, f"--backbone {backbone.name}")
    names = {one.name for one in backbone.options}
    if like is not None:
        _refuse_other(like, own)
        weights = str(facts.get("weights", ""))
        if weights.startswith("sha256:") and "weights" not in own and not like.space.place:
            raise UsageError(
                f"{like.option}: the weights of {like.space.of} are a file (SHA-256 {weights[7:19]}…)", "give it again: --weights FILE"
            )
        own = {name: facts[name] for name in names if name in facts and name != "weights"} | own
        if weights and "weights" in names and "weights" not in own and not weights.startswith("sha256:"):
            own["weights"] = _option(weights)
    useless = [name for name in ("workers", "allow_outside") if getattr(options, name) not in (None, False) and not backbone.decodes]
    if "device" in names:
        own["device"] = options.device
    elif options.device not in ("auto", "cpu"):
        useless.append("device")
    if useless:
        raise UsageError(f"{flag(useless[0])} has no effect with --backbone {backbone.name}", "leave it out")
    settled = {name: facts[name] for name in OF_RUN if name in facts} | given
    return backbone, settled.get("dtype", "float32"), settled.get("seed", 0), own


def _refuse_other(like: Like, given: Mapping[str, Any]) -> None:
    """Raise UsageError for an option that contradicts the space."""
    facts = like.space.facts
    weights = str(facts.get("weights", ""))
    for name, value in given.items():
        wanted = facts.get(name, value)
        if name == "backbone" and BACKBONES.load(value).identity == wanted:
            continue
        if name == "weights" and weights:
            wanted = value if value not in ("none", "DEFAULT") and weights.startswith("sha256:") else _option(weights)
        if value != wanted:
            shown = "" if value is True else f" {value}"
            raise UsageError(
                f"{flag(name)}{shown} contradicts {like.option}: {like.space.of} has {name.replace('_', ' ')} {wanted}", "leave it out"
            )


def _files(options: Options) -> list[tuple[str, str]]:
    """(option, location) of the files that the backbone's options name."""
    return [(flag(name), value) for name, value in options.own.items() if isinstance(value, str) and os.path.isfile(value)]


def _option(weights: str) -> str:
    """What --weights was, where a space says what the weights are."""
    return weights if weights == "none" else "a file" if weights.startswith("sha256:") else "DEFAULT"


def _prepared(backbone: Backbone, encoder: Encoder, dtype: str, seed: int, like: Like | None, items: Items, folder: Path) -> Run:
    """The run, its encoder prepared, and with its fit stored in `folder` where it is a new one.

    Raises InputError where the space is not the one that is wanted: other weights, or random ones of another library.
    """
    fit = like.fit if like is not None else None
    encoder.prepare(ItemTexts(items, seed), fit)
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
    return Run(backbone.name, encoder, dtype, seed, space.made(facts, backbone.name), fit)


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


def _finished(items: Items, store: Shards, stored: set[int], shard_rows: int) -> set[int]:
    """Those of the stored shards that were made from the rows that are there now: the rows are read again, nothing is trusted."""
    if not stored:
        return set()
    missing = set(range(len(store))) - stored
    finished: set[int] = set()
    held: list[np.ndarray] = []
    chunks = pipeline.cut(items.payloads(), len(items), shard_rows, shard_rows, missing)
    for chunk, digests in ordered_map(lambda chunk: (chunk, reading.digests(chunk.payloads)), chunks):
        held.append(digests)
        if chunk.last:
            if store.fits(chunk.shard, np.concatenate(held)):
                finished.add(chunk.shard)
            held = []
    return finished


def _embed(items: Items, run: Run, store: Shards, finished: set[int], options: Options, console: Console) -> float | None:
    """Make and store every shard that is not finished. Returns the seconds that an item took. Raises InputError where a vector is not
    finite."""
    there, started = sum(len(store.ids(number)) for number in finished), time.monotonic()
    with console.progress(f"embedding {items.source.name}", len(items)) as advance:
        advance(there)
        made = pipeline.run(
            run.encoder,
            items.payloads(),
            len(items),
            shard_rows=options.shard_rows,
            skip=finished,
            workers=0 if items.column == "text" else options.workers,
            advance=advance,
        )
        for shard in made:
            with np.errstate(over="ignore"):
                vectors = shard.vectors.astype(DTYPES[run.dtype])
            bad = ~np.isfinite(vectors).all(axis=1)
            if bad.any():
                ids = check.naming(check.first_ids(store.ids(shard.number).filter(pa.array(bad))))
                raise InputError(
                    f"{items.source.name}: {run.name} gives NaN or infinity for {count(int(bad.sum()), 'row')} (ids {ids})",
                    "give --dtype float32"
                    if run.dtype == "float16"
                    else "try --device cpu, which computes in full precision, or other --weights",
                )
            store.write(shard.number, shard.digests, vectors, shard.reasons)
    return (time.monotonic() - started) / (len(items) - there) if there < len(items) else None


def _write(items: Items, store: Shards, target: Target, run: Run, old: Source | None, marks: Mapping[str, int], console: Console) -> int:
    """Put the shards together: the rejects table and the fit, then the features, which are the sign that all is done. Those of an update
    join the rows of `old`: as one more part of a folder, or in a file that takes the old one's place. `marks` say in the provenance that
    they are not all. Returns the number of rejects.

    Raises InputError where no row is left, after forgetting the shards; an update has then nothing to add.
    """
    digests, reasons = [], []
    for number in range(len(store)):
        shard = store.read(number)
        digests.append(shard.digests.copy())  # no shard's file is held open
        reasons.append(pa.array(shard.reasons.to_pylist(), pa.string()))
    reason = pa.chunked_array(reasons)
    refused = rejects.of(items.ids, reason)
    if len(refused) == len(items) and old is None:
        store.remove()
        raise rejects.nothing_left(items.source.name, items.column, len(items), refused)
    inputs = {"items": align.fingerprint(items.index, np.concatenate(digests))}
    origin = write.provenance("embed", {**run.facts, **marks}, run.seed, inputs | versions([items.source]))
    rejects.keep(refused, len(items), target.rejects, origin, console, again=old is not None)
    if len(refused) == len(items):
        return len(refused)
    ids = items.ids.filter(reason.is_null())
    path, parts, beside = target.path, target.parts, {}
    if parts and old is not None:
        path, parts = target.next_part(), False
    elif parts and run.fit is not None:
        beside = {f"_space{run.fit.suffix}": run.fit}
    elif not parts and run.fit is not None:
        target.keep_fit(run.fit)
    rewritten = old if not target.parts else None
    if rewritten is not None:
        earlier = list(rewritten.scan(["id"], lambda batch: batch.column("id")))
        index = align.index([*earlier, *ids.chunks], rewritten.name)
    else:
        index = align.index(ids.chunks, items.source.name) if len(refused) else items.index
    zero = 0
    dtype, width = DTYPES[run.dtype], run.encoder.width
    with write.matrix_writer(
        str(path), "features", "features", width, dtype, index, origin, parts=parts, facts=run.space.metadata, beside=beside
    ) as append:
        if rewritten is not None:
            sums = []
            for vectors, digest in rewritten.scan(["id", "features"], lambda batch: read_rows(rewritten, batch, "features", width)):
                append(vectors)
                sums.append(digest)
            origin["inputs"]["features"] = align.fingerprint(align.index(earlier, rewritten.name), np.concatenate(sums))
        for number in range(len(store)):
            shard = store.read(number)
            vectors = shard.vectors[np.asarray(shard.reasons.is_null())] if shard.reasons.null_count < len(shard.reasons) else shard.vectors
            zero += int(np.count_nonzero(~vectors.any(axis=1)))
            append(vectors)
    for ending in space.FITS.values() if not target.parts else ():
        if run.fit is None or run.fit.suffix != ending:
            target.beside(f".space{ending}").unlink(missing_ok=True)  # of the features that were there before
    if zero and items.column == "text":
        console.warn(f"{zero:,} of {count(len(items), 'text')} got a vector of zeros, as a text without a known word does")
    return len(refused)
