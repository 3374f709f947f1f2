"""All rows by this process, streamed through the model into the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from altool.engines.local import limited
from altool.engines.scratch import Scratch, available
from altool.models import companion
from altool.models.labeled import Table as Images
from altool.scoring import tables
from altool.scoring.tables import Table
from altool.tables import align, rejects, write
from altool.tables.arrays import read_index

if TYPE_CHECKING:
    from altool.console import Console
    from altool.scoring.run import Run


def score(run: Run, console: Console) -> tuple[int, list[Table]]:
    """How many rows were scored, and the tables that were written. The ids are read first, so that duplicates are refused before any work.

    Raises InputError for rows that cannot be read, and where no image can be used.
    """
    return (_images if run.scorer.of_images else _rows)(run, console)


def _rows(run: Run, console: Console) -> tuple[int, list[Table]]:
    scorer, source = run.scorer, run.scorer.source
    index = read_index(source, scorer.threads)
    seen = None
    if run.items is not None:
        images = Images(run.items, "image", console, scorer.threads, scorer.workers, allow_outside=scorer.allow_outside)
        recipe = companion.recipe(companion.image_size(scorer.stored.vaal) or 0)
        seen = images.pictures_of(recipe, index.take(np.arange(len(index))))
        run.origin["inputs"]["items"] = seen.fingerprint
    made = run.tables()
    with limited(scorer.threads), console.progress(f"scoring {source.name}", len(index)) as advance:  # row groups are the threads' work

        def blocks() -> Iterator[list[np.ndarray]]:
            digests = []
            for part in scorer.scored(advance, seen):
                digests.append(part.digests)
                yield part.blocks
            run.origin["inputs"][source.kind.name] = align.fingerprint(index, np.concatenate(digests))

        tables.put(made, index, run.origin, blocks(), settled=False)
    return len(index), made


def _images(run: Run, console: Console) -> tuple[int, list[Table]]:
    """Their outputs wait, in memory or a file, until it is known which rows there are. What cannot be used goes to a table of rejects, as
    `embed` has it; the others are counted."""
    scorer, items = run.scorer, run.scorer.items
    made = run.tables()
    scratch = Scratch(available() // 2)
    results = [scratch.empty((len(items), table.form.width + len(table.form.extras)), np.float32) for table in made]
    digests: list[np.ndarray] = []
    reasons: list[str | None] = []
    with console.progress(f"scoring {scorer.source.name}", len(items)) as advance:
        for part in scorer.scored(advance):
            for result, block in zip(results, part.blocks, strict=True):
                result[len(reasons) : len(reasons) + len(block)] = block
            digests.append(part.digests)
            reasons += part.reasons
    run.origin["inputs"][scorer.source.kind.name] = align.fingerprint(items.index, np.concatenate(digests))
    usable = np.array([reason is None for reason in reasons])
    index = items.index.only(usable)
    refused = rejects.of(items.ids, pa.chunked_array([pa.array(reasons, pa.string())]))
    if len(refused) == len(items):
        raise rejects.nothing_left(scorer.source.name, items.column, len(items), refused)
    rejects.keep(refused, len(items), run.rejects, run.origin, console)
    parts = (slice(start, start + write.ROW_GROUP) for start in range(0, len(items), write.ROW_GROUP))
    tables.put(made, index, run.origin, ([result[part][usable[part]] for result in results] for part in parts))
    return len(index), made
