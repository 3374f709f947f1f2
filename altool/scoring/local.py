"""All rows by this process, streamed through the model into the tables."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from altool.engines.local import limited
from altool.engines.scratch import Scratch, available
from altool.models import companion
from altool.models.labeled import Table as Images
from altool.models.shape import ImageModel
from altool.scoring import rows, tables
from altool.scoring.tables import Table
from altool.tables import align, rejects, write
from altool.tables.arrays import read_index
from altool.tables.items import Items

if TYPE_CHECKING:
    from altool.console import Console
    from altool.scoring.run import Run


def score(run: Run, console: Console) -> tuple[int, list[Table]]:
    """How many rows were scored, and the tables that were written. The ids are read first, so that duplicates are refused before any work.

    Raises InputError for rows that cannot be read, and where no image can be used.
    """
    return (_images if isinstance(run.stored.model, ImageModel) else _rows)(run, console)


def _rows(run: Run, console: Console) -> tuple[int, list[Table]]:
    source, origin = run.source, run.origin
    index = read_index(source, run.threads)
    seen = None
    if run.items is not None:
        images = Images(run.items, "image", console, run.threads, run.workers, allow_outside=run.allow_outside)
        recipe = companion.recipe(companion.image_size(run.stored.vaal) or 0)
        seen = images.pictures_of(recipe, index.take(np.arange(len(index))))
        origin["inputs"]["items"] = seen.fingerprint
    scored = rows.scored(source, run.stored, run.predictor, vectors=run.vectors is not None, threads=run.threads, seen=seen)
    with limited(run.threads), console.progress(f"scoring {source.name}", len(index)) as advance:  # row groups are the threads' work
        first = next(scored)

        def blocks() -> Iterator[list[np.ndarray]]:
            digests = []
            for part in chain([first], scored):
                digests.append(part.digests)
                yield part.blocks
                advance(len(part.digests))
            origin["inputs"][source.kind.name] = align.fingerprint(index, np.concatenate(digests))

        made = run.tables(None if first.vectors is None else first.vectors.shape[1])
        tables.put(made, index, origin, blocks(), settled=False)
    return len(index), made


def _images(run: Run, console: Console) -> tuple[int, list[Table]]:
    """Their outputs wait, in memory or a file, until it is known which rows there are. What cannot be used goes to a table of rejects, as
    `embed` has it; the others are counted."""
    items = Items(run.source, ("image", "path"), allow_outside=run.allow_outside)
    made = run.tables(run.stored.model.width)
    widths = [table.form.width + len(table.form.extras) for table in made]
    scratch = Scratch(available() // 2)
    results = [scratch.empty((len(items), width), np.float32) for width in widths]
    digests: list[np.ndarray] = []
    reasons: list[str | None] = []
    with console.progress(f"scoring {run.source.name}", len(items)) as advance:
        done = 0
        for part in rows.scored_pictures(
            items,
            run.stored,
            run.predictor,
            vectors=run.vectors is not None,
            device=run.device,
            threads=run.threads,
            workers=run.workers,
            advance=advance,
        ):
            for result, block in zip(results, part.blocks, strict=True):
                result[done : done + len(block)] = block
            done += len(part.digests)
            digests.append(part.digests)
            reasons += part.reasons
    run.origin["inputs"][run.source.kind.name] = align.fingerprint(items.index, np.concatenate(digests))
    usable = np.array([reason is None for reason in reasons])
    refused = rejects.of(items.ids, pa.chunked_array([pa.array(reasons, pa.string())]))
    if len(refused) == len(items):
        raise rejects.nothing_left(items, refused)
    rejects.keep(refused, items, run.rejects, run.origin, console)
    index = align.index(items.ids.filter(pa.array(usable)).chunks, run.source.name) if len(refused) else items.index
    parts = (slice(start, start + write.ROW_GROUP) for start in range(0, len(items), write.ROW_GROUP))
    tables.put(made, index, run.origin, ([result[part][usable[part]] for result in results] for part in parts))
    return len(index), made
