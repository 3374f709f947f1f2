"""The map of the pool: a sample of its rows in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool import seeds
from altool.console import Console
from altool.errors import InputError
from altool.reporting.projection import project
from altool.tables import align, check
from altool.tables.arrays import read_index
from altool.tables.read import Source, matrix
from altool.text import count

ROWS = {"pool": 2000, "labeled": 1000, "asked": 1000}  # drawn of each kind


@dataclass(frozen=True)
class Map:
    """Rows in the plane: `points` (n, 2) in [-1, 1], of each its id, its class number (-1: not labeled), whether it is held out, and
    whether it was asked for. `caption` says what they are."""

    points: np.ndarray
    ids: list[Any]
    codes: np.ndarray
    held: np.ndarray
    asked: np.ndarray
    caption: str


def draw(
    features: Source, labeled: pa.ChunkedArray, codes: np.ndarray, held: np.ndarray, asked: Sequence[Any], seed: int, console: Console
) -> Map:
    """A seeded sample of the pool, of the labeled rows and of those that were asked for, in the plane of the pool's two main directions.

    `labeled` are ids with the class numbers `codes` int64 (n,), of which the `held` (boolean) are held out; `asked` are ids. Warns about
    those without features; raises InputError for a bad vector.
    """
    index = read_index(features)
    groups = {
        "pool": np.arange(len(index)),
        "labeled": index.positions(labeled),
        "asked": index.positions(pc.unique(pa.array(asked, index.ids.type))),
    }
    sample = {}
    for name, positions in groups.items():
        there = np.sort(positions[positions >= 0])
        if name != "pool" and len(there) < len(positions):
            console.warn(f"{features.name}: {count(len(positions) - len(there), f'{name} row')} missing, and not on the map")
        size = min(ROWS[name], len(there))
        sample[name] = seeds.generator(seed, "report", "map", name).choice(there, size, replace=False)
    places = np.unique(np.concatenate(list(sample.values())))
    wanted = index.take(places)

    def work(batch: pa.RecordBatch) -> pa.RecordBatch:
        check.features(batch.column("id"), matrix(features, batch, "features"))
        return batch.filter(pc.is_in(batch.column("id"), value_set=wanted))

    batches = [batch for batch in features.scan(["id", "features"], work) if batch.num_rows]
    widths = {batch.column("features").type.list_size for batch in batches}
    if len(widths) > 1:
        raise InputError(
            f"{features.name}, column 'features': found rows of {min(widths)} to {max(widths)} numbers, expected one width",
            "embed all rows alike",
        )
    found = align.index([batch.column("id") for batch in batches], features.name)
    rows = found.arrange(np.concatenate([matrix(features, batch, "features") for batch in batches]))
    labels, held_out = np.full(len(index), -1), np.zeros(len(index), bool)
    at = groups["labeled"]
    labels[at[at >= 0]] = codes[at >= 0]
    held_out[at[at >= 0]] = held[at >= 0]
    reference = rows[np.isin(places, sample["pool"])]
    caption = f"{len(places):,} of {count(len(index), 'row')} of the features on their first two principal components"
    points = project(reference, rows, seeds.integer(seed, "report", "map"))
    return Map(points, wanted.to_pylist(), labels[places], held_out[places], np.isin(places, sample["asked"]), caption)
