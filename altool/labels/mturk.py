"""Mechanical Turk's batch results: a row per assignment, which its requester approved or rejected."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.labels import table
from altool.labels.exchange import NO_VERDICT, UNPAID, Answers, Export, Format, Naming, shown_columns

STATUS = "AssignmentStatus"
COUNTED = ("Submitted", "Approved")
NAMES = {
    "id": "Input.altool_id",
    "annotator": "WorkerId",
    "seconds": "WorkTimeInSeconds",
    "text": "Input.text",
    "round": "Input.altool_round",
}


def recognizes(export: Export) -> bool:
    return {"HITId", "WorkerId"} <= set(export.columns) or STATUS in export.columns


def read(export: Export, naming: Naming) -> Answers:
    """The assignments whose status says that they count; a rejected one is none. Raises InputError where no column is the label's."""
    labels = [name for name in export.columns if name.startswith("Answer.")]
    if "label" not in naming.columns and len(labels) != 1:
        raise InputError(
            f"{export.name}: Mechanical Turk's results with {len(labels)} columns of answers ({shown_columns(labels)})",
            "name the label's: --columns label=NAME",
        )
    given = {name: other for name, other in naming.columns.items() if other != STATUS}
    names = {name: other for name, other in NAMES.items() if other in export.columns} | ({"label": labels[0]} if labels else {}) | given
    found = table.read(export, replace(naming, columns={**names, "status": ""}))
    used = {name for name, other in naming.columns.items() if other in export.columns}
    if STATUS not in export.columns:
        return replace(found, used=frozenset(used))
    status = [row.get(STATUS) for row in export.records] if export.table is None else export.table.column(STATUS).to_pylist()
    said = pa.array([None if value is None else str(value) for value in status], pa.string()).take(
        found.table.column("entry").combine_chunks()
    )
    reasons = found.table.column("reason")
    known = pc.is_in(said, value_set=pa.array([*COUNTED, None], pa.string()))
    verdict = pc.if_else(
        pc.fill_null(pc.equal(said, "Rejected"), False), UNPAID, pc.if_else(known, pa.scalar(None, pa.string()), NO_VERDICT)
    )
    place = found.table.column_names.index("reason")
    return replace(found, used=frozenset(used), table=found.table.set_column(place, "reason", pc.coalesce(verdict, reasons)))


FORMATS = (Format("mturk", recognizes, read),)
