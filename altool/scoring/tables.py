"""The tables that `score` writes: predictions, and the vectors that they were made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from altool.models.thresholds import decided
from altool.tables import write
from altool.tables.align import Index

COLUMNS = {"predictions": "probabilities", "features": "features"}  # kind of table -> its matrix


@dataclass(frozen=True)
class Form:
    """What a table is beside its rows: its `kind`, and the `width` of its matrix. Behind the matrix each row has a number for each of
    `extras`, columns of the contract. With `limits`, one threshold for each of the `classes`, it says which classes are above theirs.
    `said` is further metadata."""

    kind: str
    width: int
    classes: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    limits: tuple[float, ...] | None = None
    said: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Form:
        """A form as it came back from JSON."""
        fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
        return cls(**fields)


@dataclass
class Table:
    """A table of a form that is to be written to a `location`, a folder of files where `parts`. `decided`: its rows so far with a class
    above its threshold."""

    form: Form
    location: str
    parts: bool
    decided: int = 0

    @contextmanager
    def writer(self, ids: Index, origin: Mapping[str, Any], *, settled: bool) -> Iterator[Callable[[np.ndarray], None]]:
        """Yields `append(rows)` for float32 (n, width + extras) of these ids in file order (`write.matrix_writer`)."""
        form = self.form
        names = pa.array(form.classes, pa.string())

        def decide(probabilities: np.ndarray) -> pa.Array:
            bounds, above = decided(probabilities, np.array(form.limits))
            self.decided += int(np.count_nonzero(np.diff(bounds)))
            return pa.ListArray.from_arrays(pa.array(bounds), names.take(pa.array(above)))

        with write.matrix_writer(
            self.location,
            form.kind,
            COLUMNS[form.kind],
            form.width,
            np.float32,
            ids,
            origin,
            form.classes or None,
            parts=self.parts,
            settled=settled,
            derived={} if form.limits is None else {"decided": decide},
            extras=form.extras,
            facts=form.said,
        ) as append:
            yield append


def put(
    tables: Sequence[Table], ids: Index, origin: Mapping[str, Any], blocks: Iterable[Sequence[np.ndarray]], *, settled: bool = True
) -> None:
    """Write the tables, each whole or not at all, of rows with these ids; a block has consecutive rows of each of the tables, in file
    order. `origin` is not `settled` where the last block puts something into it."""
    with ExitStack() as stack:
        appends = [stack.enter_context(table.writer(ids, origin, settled=settled)) for table in tables]
        for block in blocks:
            for append, rows in zip(appends, block, strict=True):
                append(rows)
