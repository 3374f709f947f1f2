"""Roboflow's `_classes.csv`: the `filename` of each picture, and a column of 0 and 1 per class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from altool.labels.exchange import SEVERAL, Answers, Export, Format, Naming, choice, json_text, of_rows
from altool.labels.matching import names

NAME = "filename"
PEOPLES = {"altool_id", "id", "task", "label", "annotator", "status", "skip", "source"}  # columns of a sheet, not of Roboflow
NOBODY = "Unlabeled"  # the column of pictures without a class
BITS = {"0": False, "1": True, "0.0": False, "1.0": True}


def recognizes(export: Export) -> bool:
    if export.table is None:
        return False
    stripped = [name.strip() for name in export.columns]
    if NAME not in stripped or len(stripped) < 3 or len(set(stripped)) < len(stripped):
        return False
    if PEOPLES & set(stripped) or any(name.startswith("annotator:") for name in stripped):
        return False
    return all(_bits(export.table, name) for name in export.columns if name.strip() != NAME)


def _bits(table: pa.Table, name: str) -> bool:
    """Does the column hold 0 and 1, and nothing else?"""
    column = table.column(name)
    if not (pa.types.is_string(column.type) or pa.types.is_integer(column.type)):
        return False
    return all(str(value).strip() in BITS for value in pc.unique(column).to_pylist())


def read(export: Export, naming: Naming) -> Answers:
    """A row per picture: its class is the one with a 1; several are refused, none is not done."""
    assert export.table is not None
    records = [{name.strip(): value for name, value in record.items()} for record in export.table.to_pylist()]
    return of_rows(export, [_row(record) for record in records], naming)


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    classes = [name for name, value in record.items() if name != NAME and BITS.get(str(value).strip())]
    name = (record.get(NAME) or "").strip()
    *_, original = names(PurePosixPath(name).name)
    row = {"id": PurePosixPath(original).stem or None, "path": original or None}
    if len(classes) > 1:
        return row | {"label": json_text(classes), "reason": SEVERAL}
    if classes == [NOBODY] or not classes:
        return row
    label, reason = choice(classes[0])
    return row | {"label": label, "reason": reason}


FORMAT = Format("roboflow", recognizes, read, order=9, reads="_classes.csv of Roboflow")
