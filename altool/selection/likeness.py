"""What `select --unique` tells near copies by, from tables: read of the rows that are about to be chosen alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from altool.console import Console
from altool.selection.contents import Contents
from altool.selection.from_tables import Supply
from altool.selection.inputs import Past, Tables
from altool.selection.options import Options
from altool.selection.vectors import read_vectors
from altool.wrappers.unique import Contents as Fetch
from altool.wrappers.unique import Likeness


def read(tables: Tables, past: Past, supply: Supply, options: Options, threshold: float, console: Console) -> Likeness:
    """The likeness of the candidates and the labeled rows: by --features, by what --items hold, or by both.

    Which rows' vectors were compared follows from the choice and its inputs: the fingerprint is of the last that were read.
    """
    pool, positions = supply.pool.index, supply.positions
    vectors = None
    if "features" in tables.matrices and len(positions):
        told = "they are no near copies"
        vectors = read_vectors(tables, pool, positions, past, options, supply.fingerprints, console, without=told, name="unique")
    return Likeness(threshold, vectors, None if tables.items is None else _contents(Contents(tables.items), past, supply))


def _contents(items: Contents, past: Past, supply: Supply) -> Fetch:
    labeled = past.training.column("id").combine_chunks() if past.training is not None else pa.array([], supply.pool.index.ids.type)
    known: list[bytes] | None = None

    def fetch(places: np.ndarray) -> tuple[Sequence[bytes | None], Sequence[bytes | None]]:
        nonlocal known
        ids = supply.pool.index.take(supply.positions[places])
        found = items.digests(ids if known is not None else pa.concat_arrays([ids, labeled.cast(ids.type)]))
        if known is None:
            known = [found[id_] for id_ in labeled.to_pylist() if id_ in found]
        return [found.get(id_) for id_ in ids.to_pylist()], known

    return fetch
