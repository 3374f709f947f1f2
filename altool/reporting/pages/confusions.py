"""Where the model goes wrong: which classes it takes for which, and the rows of which it is most sure there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from altool.reporting.content import short

HEAT_CLASSES = 30  # as many as fit a heat map
OPEN, PAIRS = 10, 200  # pairs before the fold, and of all
ROWS, SHOWN = 12, 40  # rows of a pair; pairs whose rows are shown with picture or text
SHADES = 9  # of a cell


@dataclass(frozen=True)
class Measured:
    """The measured rows: `ids` (n), `true` and `predicted` class numbers int64 (n,), and the probability of the prediction float (n,)."""

    ids: Sequence[Any]
    true: np.ndarray
    predicted: np.ndarray
    sure: np.ndarray


@dataclass(frozen=True)
class Pair:
    """A cell beside the diagonal: how many `rows` of the class `label` are predicted as another, which share of the label's rows that is,
    and the ids of those of which the model is surest, with its probability."""

    key: str
    label: str
    predicted: str
    rows: int
    share: float
    first: list[tuple[Any, float]]

    @property
    def left(self) -> int:
        return self.rows - len(self.first)


@dataclass(frozen=True)
class Cell:
    """A cell of the heat map: its number, the key of its pair where there is one, and its shade (a class of the style sheet)."""

    rows: int
    key: str
    shade: str


@dataclass(frozen=True)
class Confusions:
    """The pairs, the most frequent first, at most PAIRS of them; how many there are; how many rows are wrong; and the heat map: its short
    names, and a row of cells per class (None where there are too many)."""

    pairs: list[Pair]
    different: int
    wrong: int
    rows: int
    names: list[str]
    heat: list[tuple[str, list[Cell]]] | None

    @property
    def shown(self) -> list[Pair]:
        """The pairs before the fold."""
        return self.pairs[:OPEN] if len(self.pairs) > OPEN + 2 else self.pairs

    @property
    def folded(self) -> list[Pair]:
        return self.pairs[len(self.shown) :]

    @property
    def wanted(self) -> list[Any]:
        """The ids of rows that are worth a picture or a text: the first of each pair, then the second."""
        pairs = self.pairs[:SHOWN]
        return [pair.first[place][0] for place in range(ROWS) for pair in pairs if place < len(pair.first)]


def confusions(names: Sequence[str], found: Measured) -> Confusions:
    """Count the confusions of classes called `names`."""
    places = np.flatnonzero(found.true != found.predicted)
    cells, inverse, counts = np.unique(found.true[places] * len(names) + found.predicted[places], return_inverse=True, return_counts=True)
    totals = np.bincount(found.true, minlength=len(names))
    order = np.lexsort((cells, -counts))
    surest = places[np.lexsort((places, -found.sure[places], inverse))]  # by cell, the surest first
    starts = np.cumsum(counts) - counts
    pairs = []
    for cell in order[:PAIRS]:
        a, b = divmod(int(cells[cell]), len(names))
        first = surest[starts[cell] : starts[cell] + min(ROWS, counts[cell])]
        rows = [(found.ids[place], float(found.sure[place])) for place in first]
        pairs.append(Pair(f"cell-{a}-{b}", names[a], names[b], int(counts[cell]), counts[cell] / totals[a], rows))
    heat = _heat(names, found, {pair.key for pair in pairs}) if len(names) <= HEAT_CLASSES else None
    return Confusions(pairs, len(cells), len(places), len(found.true), [short(name, 18) for name in names], heat)


def _heat(names: Sequence[str], found: Measured, keys: set[str]) -> list[tuple[str, list[Cell]]]:
    counted = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counted, (found.true, found.predicted), 1)
    shares = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    rows = []
    for a, name in enumerate(names):
        cells = []
        for b in range(len(names)):
            shade = f"{'r' if a == b else 'w'}{max(1, round(SHADES * shares[a, b]))}" if counted[a, b] else ""
            key = f"cell-{a}-{b}"
            cells.append(Cell(int(counted[a, b]), key if key in keys else "", shade))
        rows.append((name, cells))
    return rows
