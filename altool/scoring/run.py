"""One run of `score`: the rows with what predicts for them, and the tables that they become."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altool.scoring.tables import Form, Table
from altool.tables import objects, space

if TYPE_CHECKING:
    from altool.scoring.rows import Scorer
    from altool.tables.read import Source


def names_folder(location: str) -> bool:
    """Is this output a folder of files? With a slash at its end, or where there is a folder."""
    if objects.is_remote(location):
        return location.partition("?")[0].endswith("/") or objects.Place(location).kind() == "folder"
    return location.endswith("/") or os.path.isdir(location)


@dataclass(frozen=True)
class Run:
    """What scores which rows; of a table of `items` VAAL sees the images beside them. `limits` are the classes' thresholds. `origin` is the
    provenance, to which the digests of the inputs are added. Predictions go to `output`, vectors to `features_output`, and images that
    cannot be used to `rejects`."""

    scorer: Scorer
    items: Source | None
    limits: tuple[float, ...] | None
    origin: dict[str, Any]
    output: str
    features_output: str | None
    rejects: str

    def tables(self) -> list[Table]:
        """The tables to write: predictions, then vectors."""
        stored = self.scorer.stored
        form = Form("predictions", len(stored.classes), stored.classes, self.scorer.predictor.extras, self.limits)
        tables = [Table(form, self.output, names_folder(self.output))]
        if self.features_output:
            said = space.made_by(stored.facts, str(self.scorer.location)).metadata
            tables.append(Table(Form("features", self.scorer.width, said=said), self.features_output, names_folder(self.features_output)))
        return tables
