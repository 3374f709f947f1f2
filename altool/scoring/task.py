"""What a process needs to score rows by itself: told in plain values, so that it can be sent to another machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from altool import __version__
from altool.errors import InputError
from altool.models import store
from altool.models.shape import ImageModel
from altool.scoring.predictor import predictor
from altool.scoring.rows import Scorer
from altool.tables.read import Reader
from altool.tables.rows import TABLES, open_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from altool.models.store import Stored
    from altool.tables.read import Source
    from altool.tables.vectors import Vectors


@dataclass(frozen=True)
class Opening:
    """How a table is opened: where it lies, and what --columns, --ids, --feature-prefix and --scale say of it."""

    location: str
    columns: str | None
    ids: str | None
    vectors: Vectors


@dataclass(frozen=True)
class Task:
    """The rows of a table, which has this `layout` and whose ids are of this type, and the model for them, which computes with these
    `libraries`: the folder of one whose files have the `digest`, or the model itself. The other fields are those of `Scorer`."""

    opening: Opening
    libraries: tuple[str, ...]
    id_type: pa.DataType | None
    layout: str
    model: str | Stored
    digest: str
    mc_dropout: int | None
    seed: int
    vectors: bool
    device: str
    threads: int
    workers: int | None
    allow_outside: bool

    @property
    def key(self) -> str:
        """What all parts of a run must have in common, beside their rows."""
        libraries = {name: importlib.metadata.version(name) for name in self.libraries}
        run = [__version__, libraries, self.layout, str(self.id_type), self.digest, self.mc_dropout, self.seed, self.vectors, self.device]
        told = [self.opening.columns, self.opening.ids, asdict(self.opening.vectors)]
        return hashlib.sha256(json.dumps([*run, *told]).encode()).hexdigest()

    def scorer(self) -> Scorer:
        """Load the model and open the table. Raises InputError where one of them is another by now."""
        location = self.model if isinstance(self.model, str) else None
        stored = store.load(self.model) if isinstance(self.model, str) else self.model
        if digest(stored, location) != self.digest:
            raise InputError(f"model {location} was replaced while its run went on", "run it again")
        opening = self.opening
        reader = Reader(opening.columns, ids=opening.ids, vectors=opening.vectors)
        given: dict[str, str | None] = {"features": None, "items": None, TABLES[stored.reads]: opening.location}
        source = open_rows(reader, stored.reads, "the model", given["features"], given["items"])
        if source.id_type is None:
            source.id_type = self.id_type
        if layout(source) != self.layout:
            raise InputError(f"{source.name}: the table was replaced while its run went on", "run it again")
        found = predictor(stored, location, mc_dropout=self.mc_dropout, seed=self.seed, device=self.device)
        return Scorer(source, stored, location, found, self.vectors, self.device, self.threads, self.workers, self.allow_outside)


def task(opening: Opening, scorer: Scorer, *, mc_dropout: int | None, seed: int) -> Task:
    """The task of this scorer, whose table was opened so."""
    with_torch = scorer.stored.vaal is not None or isinstance(scorer.stored.model, ImageModel)
    return Task(
        opening,
        ("numpy", "torch") if with_torch else ("numpy",),
        scorer.source.id_type,
        layout(scorer.source),
        scorer.stored if scorer.location is None else scorer.location,
        digest(scorer.stored, scorer.location),
        mc_dropout,
        seed,
        scorer.vectors,
        scorer.device,
        scorer.threads,
        scorer.workers,
        scorer.allow_outside,
    )


def digest(stored: Stored, location: str | None) -> str:
    """The digest of a model: of the files in its folder or, where it was made of texts, of its numbers."""
    if location is not None:
        return store.digest(location)
    found = hashlib.sha256(json.dumps([stored.facts, stored.classes]).encode())
    for name, array in sorted(stored.model.tensors().items()):
        found.update(name.encode() + array.tobytes())
    return found.hexdigest()


def layout(source: Source) -> str:
    """The digest of how a table lies in its files: their row groups, with the rows and bytes of each, and of a table with a log its
    version. Rows that change in place need not change it."""
    groups = [
        (rows, round(rows * fragment.row_bytes(group, fragment.schema.names)))
        for fragment in source.fragments
        for group, rows in enumerate(fragment.group_rows)
    ]
    return hashlib.sha256(json.dumps([source.version, groups]).encode()).hexdigest()
