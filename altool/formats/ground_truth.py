"""SageMaker Ground Truth's augmented manifests: a record's label is a number, and its name stands in `ATTRIBUTE-metadata`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from altool.errors import InputError
from altool.labels.exchange import FAILED, NO_TEXT, Answers, Export, Format, Naming, answers, choice, json_ids, json_text

METADATA = "-metadata"
COLUMNS = ("label", "source", "labeled_at", "round", "suggested_label", "reason", "rank", "text")


def recognizes(export: Export) -> bool:
    return any(name.endswith(METADATA) and len(name) > len(METADATA) for name in export.columns)


def read(export: Export, naming: Naming) -> Answers:
    """A row per record. What no person annotated is of source `auto`; a record without its label is not done, or failed.

    Raises InputError where several attributes may hold the label, and where no record has an id.
    """
    records = export.records if export.table is None else export.table.to_pylist()
    found = [name.removesuffix(METADATA) for name in export.columns if name.endswith(METADATA) and len(name) > len(METADATA)]
    wanted = naming.columns.get("label") or "label"
    if wanted not in found and (len(found) > 1 or "label" in naming.columns):
        raise InputError(f"{export.name}: no label attribute {wanted!r} (it has {', '.join(found)})", "name it: --columns label=NAME")
    attribute = wanted if wanted in found else found[0]
    key = naming.id_column or naming.columns.get("id") or "altool_id"
    ids, id_type = json_ids(export.name, [record.get(key) for record in records])
    if ids.null_count == len(ids):
        raise InputError(f"{export.name}: Ground Truth's records without {key!r}", "name the key that holds altool's id: --id-col NAME")
    rows = [_row(record, attribute) for record in records]
    columns = {name: pa.array([json_text(row.get(name)) for row in rows], pa.string()) for name in COLUMNS}
    used = {name for name, other in naming.columns.items() if other and other in (key, attribute)}
    return answers(export.name, {"id": ids, **columns}, id_type, used, naming.meaning.clock)


def _row(record: Mapping[str, Any], attribute: str) -> dict[str, Any]:
    facts = record.get(attribute + METADATA)
    if isinstance(facts, str):  # of a manifest that became a table
        try:
            facts = json.loads(facts)
        except ValueError:
            facts = {}
    facts = facts if isinstance(facts, Mapping) else {}
    text = record.get("source")
    row = {
        "round": record.get("altool_round"),
        "rank": record.get("altool_rank"),
        "suggested_label": record.get("altool_suggestion"),
        "text": text if isinstance(text, str) else None,
        "labeled_at": _utc(facts.get("creation-date")),
        "source": "auto" if facts.get("human-annotated") == "no" else None,
    }
    if facts.get("failure-reason"):
        return row | {"label": "", "reason": FAILED}
    names = facts.get("class-name")
    if names is None and isinstance(facts.get("class-map"), Mapping):
        names = [name for name in facts["class-map"].values() if name is not None]
    label, reason = choice(names)
    if label is None and record.get(attribute) not in (None, [], "") and not isinstance(facts.get("class-map"), Mapping):
        label, reason = json_text(record[attribute]), NO_TEXT  # a number whose name nobody tells
    return row | {"label": label, "reason": reason}


def _utc(value: Any) -> Any:
    """Its times are UTC, but do not say so."""
    return f"{value}Z" if isinstance(value, str) and value[-1:].isdigit() and "+" not in value else value


FORMAT = Format("ground-truth", recognizes, read, reads="augmented manifests of Amazon SageMaker", order=2)
