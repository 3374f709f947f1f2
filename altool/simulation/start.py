"""Predictions that choose before the first model is trained, as `altool score --zero-shot` writes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from altool.engines.scratch import Scratch
from altool.errors import InputError
from altool.models.softmax import Softmax
from altool.simulation.world import Truth
from altool.tables import check
from altool.tables.arrays import read_index, read_matrices
from altool.tables.classes import respelled
from altool.tables.read import Source
from altool.text import count


@dataclass(frozen=True)
class Start:
    """A model of a round's candidates alone, whose `given` float32 (n, K) probabilities another one predicted."""

    given: np.ndarray
    width: int = 0
    head: Softmax | None = None

    def predict(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows, and their probabilities: all candidates, or none."""
        return rows, self.given[: len(rows)]

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """The rows."""
        return rows

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """float32 (n, K), of all candidates or of none."""
        return self.given[: len(rows)]

    def tensors(self) -> dict[str, np.ndarray]:
        """There is nothing to store."""
        return {}


def read(source: Source, truth: Truth) -> tuple[np.ndarray, str]:
    """float32 (n, K) probabilities of all rows of `truth` by the classes of the simulation, and the table's fingerprint. Those of classes
    that are merged are added up; a class that is not predicted has 0.

    Raises InputError for a class that is none of the simulation's, and for rows to choose from without a prediction.
    """
    known = [truth.merged.get(name, name) for name in source.classes]
    if unknown := sorted({name for name in known if name not in truth.classes}):
        text = f"{source.name}: {count(len(unknown), 'class', 'classes')} of no row of the truth ({check.naming(unknown)})"
        raise InputError(text, respelled(unknown, truth.classes) or "name them in --classes, or predict without them")
    index = read_index(source)
    places = index.positions(truth.index.ids)
    missing = truth.rows[places[truth.rows] < 0]
    if len(missing):
        ids = check.naming(check.first_ids(truth.index.take(missing)))
        raise InputError(f"{source.name}: {count(len(missing), 'row')} of the truth without a prediction (ids {ids})", "score all rows")
    (found,), fingerprint, _ = read_matrices(source, "probabilities", index, [np.arange(len(index))], Scratch(1 << 62))
    to_class = np.zeros((len(known), len(truth.classes)), np.float32)
    to_class[np.arange(len(known)), [truth.classes.index(name) for name in known]] = 1
    return found[np.maximum(places, 0)] @ to_class, fingerprint
