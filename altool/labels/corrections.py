"""Rows of the label log that correct what it holds, instead of rewriting it: answers withdrawn, classes renamed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from altool.labels.consensus import standing
from altool.tables.schema import KINDS, RENAMED, WITHDRAWN

COLUMNS = KINDS["labels"].columns
PLACE = ("id", "source", "round", "annotator", "labeled_at")  # what a correction has in common with what it corrects


def withdrawals(rows: pa.Table) -> pa.Table:
    """A row of status `withdrawn` for each of these standing rows of a log; contract columns."""
    nothing = {name: pa.nulls(len(rows), type_) for name, type_ in COLUMNS.items() if name not in PLACE}
    status = {"status": pa.array([WITHDRAWN] * len(rows), pa.string())}
    return pa.table({name: (nothing | status).get(name, rows.column(name)) for name in COLUMNS})


def renamings(log: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """A row of status `renamed`, with the new class, for each standing row of the log that is of one of `names`; contract columns.

    It is the same answer, so that it has the time that it took, and a suggestion of the old name is one of the new.
    """
    rows = standing(log)
    rows = rows.filter(pc.is_in(rows.column("label"), value_set=pa.array(list(names), pa.string()))).select(list(COLUMNS))
    for name in ("label", "suggested_label"):
        renamed = pa.array([names.get(value, value) for value in rows.column(name).to_pylist()], pa.string())
        rows = rows.set_column(rows.column_names.index(name), name, renamed)
    status = pa.array([RENAMED] * len(rows), pa.string())
    return rows.set_column(rows.column_names.index("status"), "status", status)


def of_classes(log: pa.Table, names: Collection[str]) -> pa.Table:
    """The standing rows of the log that are of these classes."""
    rows = standing(log)
    return rows.filter(pc.is_in(rows.column("label"), value_set=pa.array(list(names), pa.string())))
