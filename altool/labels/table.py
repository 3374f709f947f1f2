"""Plain tables: CSV or TSV, JSON Lines (or a JSON array), Parquet or Arrow; a row per answer, or a column per annotator.

Columns: the id (`altool_id`, `id` or `task`), `label`, and where there are any `annotator`, `labeled_at` (RFC 3339), `seconds`,
`status` (labeled or skipped), `skip` (a mark), `source`, `round` (or `altool_round`) and `suggested_label` (or `suggestion`);
`altool_rank`, `text` and `path` say whether the id is still that of its row. All others are payload.
A column is an annotator's only if it is called `annotator:NAME` or named in `--annotator-columns`: payload is never taken for labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError, UsageError
from altool.labels.exchange import (
    BOTH,
    NO_SKIP,
    Answers,
    Export,
    Naming,
    answers,
    cast,
    choices,
    class_numbers,
    json_ids,
    json_text,
)
from altool.tables import check
from altool.tables.columns import plain, refuse_codes
from altool.tables.schema import KINDS
from altool.tables.values import Clock

ANNOTATOR = "annotator:"
ALIASES = {
    "id": ("altool_id", "id", "task"),
    "round": ("round", "altool_round"),
    "suggested_label": ("suggested_label", "suggestion"),
}
PER_ANSWER = ("annotator", "status", "seconds")
PICTURES = ("filename", "file_name", "image", "filepath", "source-ref")  # what says where a picture is, for --match path
EXTRAS = {"rank": "altool_rank", "text": "text", "path": "path"}
SKIP = {
    "skip": True,
    "skipped": True,
    "x": True,
    "1": True,
    "yes": True,
    "y": True,
    "true": True,
    "no": False,
    "n": False,
    "0": False,
    "false": False,
}
# Columns that name the class whose number stands in `label`, and words that take an answer back, in a column of any name.
NAMED = ("label_name", "label_text", "label_str", "class_name", "class-name", "category_name")
VERDICTS = {"reject", "rejected", "discard", "discarded", "ignore", "ignored", "fail", "failed", "invalid", "draft", "tainted", "disputed"}
# Columns beside which `id` is the number that an annotation tool gave, not the id that it was given.
NUMBERING = {"Comments", "annotation_id", "lead_time", "completed_by", "_server_id", "external_id", "example_id", "unit_id", "_unit_id"}


def read(export: Export, naming: Naming) -> Answers:
    """Raises InputError where nothing says which column holds the ids or the labels, or where it may be either of two."""
    names = {column: naming.find(column, export.columns, *ALIASES.get(column, ())) for column in KINDS["labels"].columns}
    if (names["id"] is None and naming.match is None) or (naming.id_column and naming.id_column not in export.columns):
        missing = naming.id_column or "altool_id"
        raise InputError(
            f"{export.name}: no column {missing!r} (it has {check.naming_columns(export.columns)})",
            "name the id's: --id-col NAME; or --match text, path or rank, where the tool kept none",
        )
    numbering = [] if naming.match else sorted(NUMBERING & set(export.columns))
    if numbering and names["id"] in ("id", "task") and names["id"] not in (naming.id_column, naming.columns.get("id")):
        raise InputError(
            f"{export.name}: {names['id']!r} is the annotation tool's own number here, beside {numbering[0]!r}, and there is no altool_id",
            f"name the column that holds altool's id: --id-col NAME; or --id-col {names['id']} if it does",
        )
    annotators = _annotators(export, naming)
    if names["label"] is None and not annotators:
        raise InputError(
            f"{export.name}: no column 'label' (it has {check.naming_columns(export.columns)})",
            "name it: --columns label=NAME; a column per annotator is called annotator:NAME, or named in --annotator-columns a,b",
        )
    if names["label"] == "label" and "label" not in naming.columns:
        _check_numbers(export)
    chosen = [*filter(None, names.values()), *annotators]
    if len(set(chosen)) < len(chosen):
        raise UsageError(f"{export.name}: one column is named for two things", "see --columns, --id-col and --annotator-columns")
    columns = {column: _column(export, name) for column, name in names.items() if name is not None and column not in ("id", "label")}
    extras = {column: naming.columns.get(column, name) for column, name in EXTRAS.items()}
    extras |= {column: EXTRAS[column] for column, name in extras.items() if name and name not in export.columns}
    columns |= {column: _column(export, name) for column, name in extras.items() if name in export.columns}
    pictures = [name for name in PICTURES if name in export.columns]
    columns |= {"picture": _column(export, pictures[0])} if naming.match == "path" and pictures and "path" not in columns else {}
    ids, id_type = _ids(export, names["id"])
    used = {column for column, other in naming.columns.items() if other in (names.get(column), extras.get(column))}
    if annotators:
        return _wide(export, ids, id_type, columns, annotators, names["label"], used, naming.meaning.clock)
    if export.table is not None and pa.types.is_integer((numbers := plain(export.table.column(names["label"]))).type):
        _refuse_codes(export.name, numbers, ids, naming)
    columns["label"], columns["reason"] = _labels(export, names["label"] or "")
    if "skip" in export.columns and "skip" not in chosen:
        _hear_skips(export.name, columns, _column(export, "skip"))
    found = answers(export.name, {"id": ids, **columns}, id_type, used, naming.meaning.clock)
    return replace(found, remarks=tuple(_unheard(export, {*chosen, *naming.where, *extras.values(), "skip", "comment"})))


def _refuse_codes(name: str, labels: pa.Array, ids: pa.Array, naming: Naming) -> None:
    """Raise InputError for numbers below 0, of which nobody says that they are classes, or mean that there is no label."""
    try:
        refuse_codes(labels, ids, (*naming.meaning.unlabeled, *naming.classes))
    except check.RowFaults as error:
        check.raise_faults(name, [error])


def _check_numbers(export: Export) -> None:
    """Raise InputError where `label` is a class's number, and its name stands beside it."""
    beside = next((name for name in NAMED if name in export.columns), None)
    if beside is None:
        return
    labels, names = ([str(value).strip() for value in _column(export, name).to_pylist() if value is not None] for name in ("label", beside))
    if labels and all(label.lstrip("-").isdigit() for label in labels) and not all(name.isdigit() for name in names):
        raise InputError(
            f"{export.name}: 'label' holds numbers, and {beside!r} the names of the classes",
            f"take the names: --columns label={beside}; or --columns label=label if the numbers are your classes",
        )


def _unheard(export: Export, heard: set[str]) -> Iterator[str]:
    """Say which columns look as if they took answers back, though nobody asked what they say."""
    for name in export.columns:
        if name in heard:
            continue
        if export.table is None:
            values = [row.get(name) for row in export.records]
        else:
            column = export.table.column(name)
            values = pc.unique(column).to_pylist() if pa.types.is_string(column.type) else []
        if found := sorted({value for value in values if isinstance(value, str) and value.strip().casefold() in VERDICTS}):
            yield (
                f"{export.name}, column {name!r}: some rows are {', '.join(found[:3])}, and count all the same; "
                f"take the rows that count: --where {name}=VALUE"
            )


def _labels(export: Export, name: str) -> tuple[pa.Array, pa.Array]:
    """The labels that a column holds, and why each that cannot be taken cannot."""
    if export.table is None:
        return choices(row.get(name) for row in export.records)
    array = class_numbers(plain(export.table.column(name)))
    if pa.types.is_nested(array.type):
        return choices(array.to_pylist())
    array = cast(export.name, name, array, pa.string())
    if pc.any(pc.match_substring_regex(array, r"^\s*[\[{]")).as_py():
        return choices(array.to_pylist())
    return array, pa.nulls(len(array), pa.string())


def _hear_skips(name: str, columns: dict[str, Any], marks: Any) -> None:
    """Take the marks of a sheet's column `skip` into `status`; what is no mark, and a mark beside a label, is refused."""
    texts = pc.utf8_lower(pc.utf8_trim_whitespace(cast(name, "skip", plain(marks), pa.string()))).to_pylist()
    said = [None if text is None else SKIP.get(text) for text in texts]
    status = cast(name, "status", plain(columns["status"]), pa.string()).to_pylist() if "status" in columns else [None] * len(said)
    reasons, labels = columns["reason"].to_pylist(), columns["label"].to_pylist()
    for row, (text, skip) in enumerate(zip(texts, said, strict=True)):
        if text is not None and skip is None:
            reasons[row] = reasons[row] or NO_SKIP
        elif skip and labels[row] is not None:
            reasons[row] = reasons[row] or BOTH
        elif skip:
            status[row] = "skipped"
    columns["status"], columns["reason"] = pa.array(status, pa.string()), pa.array(reasons, pa.string())


def _annotators(export: Export, naming: Naming) -> dict[str, str]:
    """{column: annotator}."""
    if missing := [name for name in naming.annotators if name not in export.columns]:
        raise InputError(
            f"{export.name}: no column {missing[0]!r} (it has {check.naming_columns(export.columns)})",
            "correct --annotator-columns, or leave it out",
        )
    found = {name: name[len(ANNOTATOR) :] for name in export.columns if name.startswith(ANNOTATOR) and len(name) > len(ANNOTATOR)}
    return found | {name: found.get(name, name) for name in naming.annotators}


def _ids(export: Export, name: str | None) -> tuple[pa.Array, pa.DataType | None]:
    if name is None:
        return pa.nulls(len(export.records) if export.table is None else export.table.num_rows, pa.string()), None
    if export.table is None:
        ids, id_type = json_ids(export.name, [row.get(name) for row in export.records])
        if id_type is None and ids.null_count < len(ids):
            raise InputError(f"{export.name}, column {name!r}: some ids are strings, some integers", "write them alike")
        return ids, id_type
    array = plain(_column(export, name))
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64()), pa.int64()
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type) or array.type == pa.string_view()):
        raise InputError(f"{export.name}, column {name!r}: ids are {array.type}", "write them as strings or integers")
    return array.cast(pa.string()), None if export.encoding in ("csv", "xlsx") else pa.string()


def _column(export: Export, name: str) -> Any:
    if export.table is None:
        return pa.array([json_text(row.get(name)) for row in export.records], pa.string())
    return export.table.column(name)


def _wide(
    export: Export,
    ids: pa.Array,
    id_type: pa.DataType | None,
    columns: dict[str, Any],
    annotators: dict[str, str],
    label: str | None,
    used: set[str],
    clock: Clock,
) -> Answers:
    """A row per answer, out of a column per annotator. A row without any answer stays one row."""
    single = {name: columns.pop(name) for name in PER_ANSWER if name in columns} | ({"label": _column(export, label)} if label else {})
    single |= {"skip": _column(export, "skip")} if "skip" in export.columns and "skip" not in annotators else {}
    for name, column in single.items():
        if cast(export.name, name, plain(column), pa.string()).null_count < len(ids):
            raise InputError(
                f"{export.name}: it has a column per annotator ({', '.join(annotators)}) and also a filled column {name!r}",
                "leave one of them out, or write a row per answer",
            )
    found = [_labels(export, name) for name in annotators]
    filled = np.stack([np.asarray(label.is_valid()) for label, _ in found])
    filled[0] |= ~filled.any(axis=0)
    rows, positions = np.nonzero(filled)
    who = list(annotators.values())
    taken = {name: plain(column).take(pa.array(positions)) for name, column in columns.items()}
    for place, name in enumerate(("label", "reason")):
        taken[name] = pa.concat_arrays([pair[place].filter(pa.array(keep)) for pair, keep in zip(found, filled, strict=True)])
    taken["annotator"] = pa.array([who[row] for row in rows], pa.string())
    return answers(export.name, {"id": ids.take(pa.array(positions)), **taken, "entry": positions}, id_type, used, clock)


FRAGILE = re.compile(
    r"""0\d+|\d{16,}|\d+(?:\.\d+)?[eE][+-]?\d+  # leading zeros, more digits than are kept, E-notation
    |\d{1,4}[-/.]\d{1,2}(?:[-/.]\d{1,4})?|\d{1,2}:\d{2}(?::\d{2})?  # a date, a time
    |(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-. /]?\d{1,4}
    |\d{1,2}[-. /]?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*
    |true|false""",
    re.VERBOSE | re.IGNORECASE,
)


def fragile(ids: Sequence[str | int]) -> list[str | int]:
    """The ids that a spreadsheet does not give back as it got them."""
    return [value for value in ids if FRAGILE.fullmatch(str(value))]
