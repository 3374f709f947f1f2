"""Rows that are scored by several processes: each stores its own, and what they stored becomes the tables of a run of one."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from altool import __version__
from altool.engines.local import limited
from altool.errors import InputError, UsageError
from altool.scoring.assembly import belongs, together
from altool.tables import align, objects, outputs, parts, ranges, shards
from altool.tables.arrays import read_index
from altool.text import count

if TYPE_CHECKING:
    from altool.console import Console
    from altool.engines.engine import Engine
    from altool.scoring.rows import Scorer
    from altool.scoring.run import Run
    from altool.scoring.tables import Table
    from altool.scoring.task import Task
    from altool.tables.parts import Part

LEAST = {True: 1024, False: 16_384}  # rows that a process is given at a time, of images and of others
PIECES = 256  # that a table is cut into at most, unless there are workers for more: as many in any run, so that one goes on with another's
PER_WORKER = 4


@dataclass(frozen=True)
class Piece:
    """The `number`-th of `of` ranges of a table's rows: [first, last)."""

    number: int
    of: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"rows {self.first:,} to {self.last - 1:,}"


@dataclass(frozen=True)
class Place:
    """The `folder` that the parts of a table go to, their `name` (of a piece's number), and the facts that each has."""

    folder: Path
    name: str
    facts: dict[str, Any]

    def path(self, piece: Piece) -> Path:
        return self.folder / self.name.format(piece.number)


@dataclass(frozen=True)
class Kept:
    """A piece that is stored: how many rows it has, and whether it was there `before`."""

    piece: Piece
    before: bool


def facts(run: Run) -> list[dict[str, Any]]:
    """What the parts of each table of a run say, so that they can be put together without its inputs."""
    scorer = run.scorer
    told = {"input": scorer.source.kind.name, "table": scorer.source.name, "column": scorer.column, "rows": scorer.source.num_rows}
    told |= {"command": "score", "version": __version__, "origin": run.origin, "identity": run.origin.get("options", {})}
    found = [{**told, "form": asdict(table.form)} for table in run.tables()]
    back: list[dict[str, Any]] = json.loads(json.dumps(found))  # as the parts give it back
    return back


def key_of(task: Task, told: Sequence[dict[str, Any]]) -> str:
    """What all parts of a run have in common."""
    return hashlib.sha256(json.dumps([task.key, told], sort_keys=True).encode()).hexdigest()


def keep(scorer: Scorer, key: str, places: Sequence[Place], piece: Piece, advance: Callable[[int], None] = lambda rows: None) -> Kept:
    """Score the rows of a piece, and store what is predicted and, in the second of the `places`, their vectors. A part that is there
    already stays where it has the `key` and was made of these very rows: they are read again, nothing is trusted.

    Raises InputError for rows that cannot be read.
    """
    own = replace(scorer, source=ranges.between(scorer.source, piece.first, piece.last))
    with limited(scorer.threads), ExitStack() as stack:
        if _is_kept(own, key, places, piece):
            return Kept(piece, True)
        told = [(place.path(piece), key, place.facts, piece.number, piece.of, piece.first) for place in places]
        appends = [stack.enter_context(parts.writer(*one)) for one in told]
        if piece.first == piece.last:
            for append, place in zip(appends, places, strict=True):
                width = place.facts["form"]["width"] + len(place.facts["form"]["extras"])
                append(pa.array([], own.source.id_type), np.zeros(0, np.uint32), np.zeros((0, width), np.float32))
            return Kept(piece, False)
        for part in own.scored(advance):
            for append, block in zip(appends, part.blocks, strict=True):
                append(part.ids, part.digests, block, part.reasons)
    return Kept(piece, False)


def _is_kept(own: Scorer, key: str, places: Sequence[Place], piece: Piece) -> bool:
    there = [found for place in places if (found := _there(place, key, piece)) is not None]
    if len(there) < len(places) or piece.first == piece.last:
        return False
    now = _content(own.digests())
    return all(_content((block.ids, block.digests) for block in one.blocks()) == now for one in there)


def _content(rows: Iterable[tuple[pa.Array, np.ndarray]]) -> tuple[str, str]:
    """What rows are by their ids and digests, and in which order they come."""
    found, places = align.Fingerprint(), hashlib.sha256()
    for ids, digests in rows:
        found.add(ids, digests)
        places.update(np.ascontiguousarray(digests).data)
    return found.text(), places.hexdigest()


def _there(place: Place, key: str, piece: Piece) -> Part | None:
    """The part of a piece, if it is there and one of this run."""
    try:
        found = parts.part(place.path(piece))
    except InputError:
        return None
    return found if (found.key, found.number, found.of, found.first) == (key, piece.number, piece.of, piece.first) else None


def worker(task: Task, key: str, places: Sequence[Place], console: Console) -> Callable[[Piece], Kept]:
    """What a process does with pieces: it has loaded the model, and opened the table."""
    return partial(keep, task.scorer(), key, places)


def one_of(run: Run, task: Task, number: int, of: int, console: Console) -> Kept:
    """Score the `number`-th of `of` parts of the rows, and store it in the folders that the tables are to be."""
    scorer = run.scorer
    piece = Piece(number, of, *ranges.cut(scorer.source, of)[number])
    told = facts(run)
    folders = [Path(folder) for folder in (run.output, run.features_output) if folder]
    places = [Place(folder, parts.name(number, of), one) for folder, one in zip(folders, told, strict=True)]
    with console.progress(f"scoring {scorer.source.name}", piece.last - piece.first) as advance:
        return keep(scorer, key_of(task, told), places, piece, advance)


def spread(run: Run, task: Task, engine: Engine, console: Console) -> tuple[int, list[Table]]:
    """Score all rows by the processes of an engine, as `local.score`: how many rows, and the tables. What a run stored that was killed is
    not made again. The ids are read first, so that duplicates are refused before any work.

    Raises InputError for rows that cannot be read, and where no image can be used.
    """
    scorer = run.scorer
    index = read_index(scorer.source, scorer.threads)
    pieces = cut(scorer, engine.workers)
    told = facts(run)
    with shards.partial(beside(run.output)) as folder:
        places = [Place(folder.absolute(), f"{one['form']['kind']}-{{:06d}}.arrow", one) for one in told]
        before = 0
        with console.progress(f"scoring {scorer.source.name}", len(index)) as advance:
            for kept in engine.map(partial(worker, task, key_of(task, told), places), pieces):
                before += kept.before
                advance(kept.piece.last - kept.piece.first)
        if before:
            console.info(f"{before:,} of {count(len(pieces), 'part')} from an earlier run, whose rows are still the same")
        made, rows = run.tables(), 0
        for table, place in reversed(list(zip(made, places, strict=True))):  # predictions last: they are the sign that all is done
            found = [_stored(place, piece) for piece in pieces]
            if not belongs(found, index):
                raise InputError(f"{scorer.source.name}: the table was replaced while its run went on", "run it again")
            rows = together(found, index, table, run.rejects, console)
        shards.clear(folder)
    return rows, made


def beside(output: str) -> str:
    """What the parts of workers lie beside, in a hidden folder: the output or, where that is in object storage, a file of its name in the
    working directory, which is that of all workers."""
    return PurePosixPath(urlsplit(output).path).name if objects.is_remote(output) else output


def forget(output: str) -> None:
    """Remove what an earlier run of `spread` left that was killed, now that a run of this process has made the table."""
    path = outputs.local(beside(output))
    if path.with_name(f".{path.name}.partial").is_dir():
        with contextlib.suppress(UsageError), shards.partial(path) as folder:  # another run may be at work
            shards.clear(folder)


def cut(scorer: Scorer, workers: int) -> list[Piece]:
    """The pieces of a table for so many workers: few of small tables, else the same for any number of workers that is not large."""
    source = scorer.source
    number = max(1, min(source.num_rows // LEAST[scorer.of_images], max(PIECES, PER_WORKER * workers)))
    found = [(first, last) for first, last in ranges.cut(source, number) if first < last]
    return [Piece(place, len(found), first, last) for place, (first, last) in enumerate(found)]


def _stored(place: Place, piece: Piece) -> Part:
    path = place.path(piece)
    if not path.exists():
        raise InputError(f"{path} is not there, though a worker wrote it", "give an --output in a folder that all machines share")
    return parts.part(path)
