"""One run of `score`: the rows, what predicts for them, and the tables that they become."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altool.scoring.tables import Form, Table
from altool.tables import space

if TYPE_CHECKING:
    from pathlib import Path

    from altool.models.store import Stored
    from altool.scoring.predictor import Predictor
    from altool.tables.read import Source


def names_folder(location: str) -> bool:
    """Is this output a folder of files? With a slash at its end, or where there is a folder."""
    return location.endswith("/") or os.path.isdir(location)


@dataclass(frozen=True)
class Output:
    """Where a table goes: a file, or with `parts` a folder of them."""

    location: str
    parts: bool


@dataclass(frozen=True)
class Run:
    """The rows of `source`, of a table of `items` those whose images VAAL sees beside them, and what predicts for them: `stored`, which was
    loaded from `model` (None: made of texts). `limits` are the classes' thresholds. `origin` is the provenance, to which the digests of
    the inputs are added. `vectors`: where these go too. Images that cannot be used go to `rejects`."""

    source: Source
    items: Source | None
    stored: Stored
    model: str | None
    predictor: Predictor
    limits: tuple[float, ...] | None
    origin: dict[str, Any]
    predictions: Output
    vectors: Output | None
    rejects: Path
    device: str = "auto"
    threads: int = 0
    workers: int | None = None
    allow_outside: bool = False

    def tables(self, width: int | None) -> list[Table]:
        """The tables to write; `width` is that of the vectors."""
        form = Form("predictions", len(self.stored.classes), self.stored.classes, self.predictor.extras, self.limits)
        tables = [Table(form, self.predictions.location, self.predictions.parts)]
        if self.vectors is not None and width is not None:
            said = space.made_by(self.stored.facts, str(self.model)).metadata
            tables.append(Table(Form("features", width, said=said), self.vectors.location, self.vectors.parts))
        return tables
