"""`altool embed --shard I/N`: one of N processes, which need nothing of each other, leaves what became of its rows as a part file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from altool import __version__
from altool.console import Console
from altool.embedding import assembly
from altool.embedding.work import DTYPES, Rows, Run, Stretch, Worker, cut, digests
from altool.errors import InputError, UsageError
from altool.payloads.reading import DIGEST_BYTES
from altool.tables import align, parts, space, write
from altool.tables.feature_files import Target
from altool.tables.items import Items
from altool.tables.parts import Part
from altool.tables.read import Source
from altool.tables.shards import Shards
from altool.text import count


def check_folder(target: Target, overwrite: bool) -> None:
    """Before any work. Raises UsageError where the output is no folder for parts."""
    if overwrite:
        raise UsageError("--overwrite has no effect with --shard", "leave it out: a part that is another by now is made again")
    if not target.parts:
        raise UsageError(f"--output {target.given}: --shard adds a part to a folder", f"give a folder: --output {target.given}/")
    names = [path.name for path in target.path.iterdir()] if target.path.is_dir() else []
    parts.refuse_others([name for name in names if not name.lstrip(".").startswith(("shard-", "space-"))], f"--output {target.given}")


def items_of(rows: Rows, number: int, of: int) -> tuple[Items, int]:
    """The items of part `number` of `of`, perhaps none, and the row of the table at which they begin."""
    first, last = cut(rows.source, of)[number]
    if first < last:
        return rows.of(Stretch(0, 0, first, last)), first
    some = rows.of(Stretch(0, 0, 0, 1))
    return some.only(np.zeros(len(some), bool)), first


def partial_of(target: Target, number: int, of: int) -> Path:
    """What the hidden folder of a part's own shards is named after."""
    return target.path.with_name(f"{target.path.name}.shard-{number:05d}-of-{of:05d}")


def embed(worker: Worker, source: Source, items: Items, first: int, number: int, of: int, target: Target, console: Console) -> int:
    """Embed the items, which are those of `source` from row `first` on, and leave part `number` of `of` in the folder; the worker's shards
    go where it says. A part that is there and was made of these very rows stays as it is. Returns the number of rows that cannot be used.
    """
    run, folder = worker.run, target.path
    key = run.key("part", items.column, source.num_rows, source.version)
    facts = _facts(run, source, items.column)
    path = folder / parts.name(number, of)
    if (there := _there(path, key, first)) is not None and _is_of(there, items, worker.shard_rows):
        console.info(f"part {number} of {of}, from 0, is there already, of the same {count(len(items), 'row')}")
        return int(len(there.column("reason")) - there.column("reason").null_count)
    if facts["fit"] and run.fit is not None and not (folder / facts["fit"]).exists():
        with write.replacing(folder / facts["fit"]) as temporary:
            space.keep(run.fit, temporary)
    worker(Stretch(0, -(-len(items) // worker.shard_rows), first, first + len(items)))
    store, refused = Shards(worker.folder), 0
    store.begin(run.key(worker.shard_rows), items.ids, worker.shard_rows)
    with parts.writer(path, key, facts, number, of, first) as append:
        for place in store.numbers:
            shard = store.read(place)
            append(store.ids(place), shard.digests, shard.vectors, shard.reasons)
            refused += len(shard.reasons) - shard.reasons.null_count
        if not len(items):
            append(items.ids, np.zeros((0, DIGEST_BYTES), np.uint8), np.zeros((0, run.encoder.width), DTYPES[run.dtype]))
    store.remove()
    return refused


def _facts(run: Run, source: Source, column: str) -> dict[str, Any]:
    fit = f".space-{align.file_digest(str(run.fit)).removeprefix('sha256:')[:20]}{run.fit.suffix}" if run.fit is not None else ""
    return {
        "command": "embed",
        "version": __version__,
        "kind": "features",
        "rows": source.num_rows,
        "identity": run.identity,
        "fit": fit,
        "run": asdict(assembly.facts(run, source, column, run.facts)),
    }


def _there(path: Path, key: str, first: int) -> Part | None:
    """The part at a path, if it is a whole one of this run and begins at that row."""
    try:
        found = parts.part(path)
    except InputError:
        return None
    return found if (found.key, found.first) == (key, first) else None


def _is_of(there: Part, items: Items, shard_rows: int) -> bool:
    """Was the part made from the rows that are there now? They are read again, nothing is trusted."""
    if there.rows != len(items) or not there.column("id").equals(items.ids):
        return False
    found = [one for _, one in digests(items, shard_rows, set())]
    return not found or np.array_equal(np.concatenate(found), np.concatenate([block.digests for block in there.blocks()]))
