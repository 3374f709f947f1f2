"""Putting together what was embedded: from shards or parts to the features, the rejects and the fit beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.embedding.work import DTYPES, Run
from altool.errors import InputError
from altool.tables import align, outputs, rejects, space, write
from altool.tables.align import Fingerprint, Index
from altool.tables.feature_files import Target
from altool.tables.items import Items
from altool.tables.lakes import versions
from altool.tables.parts import Block, Part
from altool.tables.read import Source
from altool.tables.rows import read_rows
from altool.tables.shards import Shards
from altool.text import count


@dataclass(frozen=True)
class Facts:
    """What is known of a run without its items: `table` and `column` name them in messages, `options`, `seed` and `inputs` go into the
    provenance, `said` says the space of the vectors."""

    table: str
    column: str
    options: dict[str, Any]
    seed: int
    inputs: dict[str, str]
    width: int
    dtype: str
    said: dict[str, str]


def facts(run: Run, items: Source, column: str, options: dict[str, Any]) -> Facts:
    """The facts of a run, of whose provenance these are the `options`."""
    return Facts(items.name, column, options, run.seed, versions([items]), run.encoder.width, run.dtype, run.space.metadata)


@dataclass(frozen=True)
class Embedded:
    """Rows that were embedded, in file order: the index of their ids, blocks of what became of them, which can be had more than once, and
    the file that keeps what the backbone learned (None: nothing)."""

    facts: Facts
    index: Index
    blocks: Callable[[], Iterator[Block]]
    fit: Path | None


def of_shards(made: Facts, items: Items, store: Shards, fit: Path | None) -> Embedded:
    """The rows of a run of which this process has the items."""

    def blocks() -> Iterator[Block]:
        for number in store.numbers:
            shard = store.read(number)
            yield Block(pa.concat_arrays(store.ids(number).chunks), shard.digests, shard.vectors, shard.reasons)

    return Embedded(made, items.index, blocks, fit)


def put(embedded: Embedded, target: Target, old: Source | None, console: Console, forget: Callable[[], None] = lambda: None) -> int:
    """Write the rejects table and the fit, then the features, which are the sign that all is done. Those of an update join the rows of
    `old`: as one more part of a folder, or in a file that takes the old one's place. Returns the number of rejects.

    Raises InputError where no row is left, after it was told to `forget` the rows; an update has then nothing to add.
    """
    known, rows, index, fit = embedded.facts, len(embedded.index), embedded.index, embedded.fit
    refused, fingerprint = _looked_through(embedded)
    if len(refused) == rows and old is None:
        forget()
        raise rejects.nothing_left(known.table, known.column, rows, refused)
    origin = write.provenance("embed", known.options, known.seed, {"items": fingerprint} | known.inputs)
    rejects.keep(refused, rows, target.rejects, origin, console, again=old is not None)
    if len(refused) == rows:
        return rows
    path, as_parts, beside = target.path, target.parts, {}
    if as_parts and old is not None:
        path, as_parts = target.next_part(), False
    elif as_parts and fit is not None:
        beside = {f"_space{fit.suffix}": fit}
    elif not as_parts and fit is not None:
        target.keep_fit(fit)
    rewritten = old if not target.parts else None
    if rewritten is not None:
        earlier = list(rewritten.scan(["id"], lambda batch: batch.column("id")))
        index = align.index([*earlier, *_kept(embedded)], rewritten.name)
    elif len(refused):
        index = align.index(_kept(embedded), known.table)
    zero = 0
    with write.matrix_writer(
        str(path),
        "features",
        "features",
        known.width,
        DTYPES[known.dtype],
        index,
        origin,
        parts=as_parts,
        facts=known.said,
        beside=beside,
    ) as append:
        if rewritten is not None:
            sums = []
            for vectors, digest in rewritten.scan(["id", "features"], lambda batch: read_rows(rewritten, batch, "features", known.width)):
                append(vectors)
                sums.append(digest)
            origin["inputs"]["features"] = align.fingerprint(align.index(earlier, rewritten.name), np.concatenate(sums))
        for block in embedded.blocks():
            vectors = block.values[np.asarray(block.reasons.is_null())] if block.reasons.null_count < len(block.reasons) else block.values
            zero += int(np.count_nonzero(~vectors.any(axis=1)))
            append(vectors)
    for ending in space.FITS.values() if not target.parts else ():
        if fit is None or fit.suffix != ending:
            target.beside(f".space{ending}").unlink(missing_ok=True)  # of the features that were there before
    if zero and known.column == "text":
        console.warn(f"{zero:,} of {count(rows, 'text')} got a vector of zeros, as a text without a known word does")
    return len(refused)


def _kept(embedded: Embedded) -> list[pa.Array]:
    """The ids of the rows that could be used, in file order."""
    return [block.ids.filter(block.reasons.is_null()) for block in embedded.blocks()]


def _looked_through(embedded: Embedded) -> tuple[pa.Table, str]:
    """The rejects, and the fingerprint of all rows."""
    ids, reasons, found = [], [], Fingerprint()
    for block in embedded.blocks():
        valid = block.reasons.is_valid()
        ids.append(block.ids.filter(valid))
        reasons.append(pa.array(block.reasons.filter(valid).to_pylist(), pa.string()))  # no shard's file is held open
        found.add(block.ids, block.digests)
    return rejects.of(pa.chunked_array(ids), pa.chunked_array(reasons)), found.text()


# Parts of `altool embed --shard`.


def merge(folder: Path, found: Sequence[Part], console: Console) -> dict[str, Any]:
    """Make a folder of these parts, which are all of one run and in order, a table. Returns the summary: its `rows`, and how many were
    `rejected`.

    Raises InputError for ids that are in several parts, and where no row can be used.
    """
    told = found[0].facts
    made = Facts(**told["run"])
    index = align.index([chunk for part in found for chunk in part.column("id").chunks], made.table)

    def blocks() -> Iterator[Block]:
        for part in found:
            yield from part.blocks()

    fit = folder / told["fit"] if told["fit"] else None
    if fit is not None and not fit.is_file():
        raise InputError(f"{fit} is not there: it keeps what the backbone learned", "run one of the shards again")
    target = Target(f"{folder}/", folder, parts=True, there=False)
    outputs.check([outputs.Output("FOLDER", str(target.rejects), "rejects", sidecar=True)])
    rejected = put(Embedded(made, index, blocks, fit), target, None, console)
    return {"rows": len(index) - rejected, "rejected": rejected}
