"""Mechanical Turk's batch results: a row per assignment, which its requester approved or rejected."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError
from altool.labels import table
from altool.labels.exchange import NO_VERDICT, UNPAID, Answers, Export, Format, Naming, json_text
from altool.tables import check
from altool.text import count

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
            f"{export.name}: Mechanical Turk's results with {count(len(labels), 'column')} of answers ({check.naming_columns(labels)})",
            "name the label's: --columns label=NAME",
        )
    given = {name: other for name, other in naming.columns.items() if other != STATUS}
    names = {name: other for name, other in NAMES.items() if other in export.columns} | ({"label": labels[0]} if labels else {}) | given
    found = table.read(export, replace(naming, columns={**names, "status": ""}, where={**naming.where, STATUS: (), "Reject": ()}))
    used = {name for name, other in naming.columns.items() if other in export.columns}
    said = _verdicts(export)
    reasons = said.take(found.table.column("entry").combine_chunks())
    place = found.table.column_names.index("reason")
    table_ = found.table.set_column(place, "reason", pc.coalesce(reasons, found.table.column("reason")))
    return replace(found, used=frozenset(used), table=table_)


def _verdicts(export: Export) -> pa.Array:
    """Why the assignment of each row is no answer: by its status, or by what the requester wrote into the column `Reject`."""
    status, reject = (_values(export, name) for name in (STATUS, "Reject"))
    return pa.array(
        [
            UNPAID if state == "Rejected" or (mark or "").strip() else None if state in (*COUNTED, None) else NO_VERDICT
            for state, mark in zip(status, reject, strict=True)
        ],
        pa.string(),
    )


def _values(export: Export, name: str) -> list[str | None]:
    if export.table is None:
        return [json_text(row.get(name)) for row in export.records]
    held = export.table.column(name).to_pylist() if name in export.columns else [None] * export.table.num_rows
    return [json_text(value) for value in held]


FORMAT = Format("mturk", recognizes, read, reads="batch results of Mechanical Turk", order=3)
