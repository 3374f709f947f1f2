"""SageMaker Ground Truth's augmented manifests: a record's label is a number, and its name stands in `ATTRIBUTE-metadata`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from altool.errors import InputError
from altool.labels import pictures
from altool.labels.exchange import FAILED, NO_TEXT, Answers, Export, Format, Naming, Task, choice, json_text, of_rows, texts
from altool.text import count

METADATA = "-metadata"
VERIFICATION = "groundtruth/label-verification"


def recognizes(export: Export) -> bool:
    return bool(_attributes(export))


def _attributes(export: Export) -> list[str]:
    """The keys that may hold the label: those with facts beside them. Argilla has such beside its suggestions."""
    names = [name.removesuffix(METADATA) for name in export.columns if name.endswith(METADATA)]
    return [name for name in names if name and not name.endswith("-suggestion")]


def read(export: Export, naming: Naming) -> Answers:
    """A row per record. What no person annotated is of source `auto`; a record without its label is not done, or failed.

    Raises InputError where several attributes may hold the label, where no record has an id, and where labels were verified by other people
    and `--where` does not say which of their verdicts count.
    """
    records = export.records if export.table is None else export.table.to_pylist()
    verified = [name for name in _attributes(export) if any(_facts(record, name).get("type") == VERIFICATION for record in records)]
    if unheard := [name for name in verified if name not in naming.where]:
        said = sorted({str(_facts(record, unheard[0]).get("class-name")) for record in records} - {"None"})
        raise InputError(
            f"{export.name}: its labels were verified, in {unheard[0]!r} ({', '.join(said[:5])})",
            f"say which count: --where {unheard[0]}=NUMBER",
        )
    found = [name for name in _attributes(export) if name not in verified]
    wanted = naming.columns.get("label") or "label"
    if wanted not in found and (len(found) != 1 or "label" in naming.columns):
        held = ", ".join(found) or "verifications alone"
        raise InputError(f"{export.name}: no label attribute {wanted!r} (it has {held})", "name it: --columns label=NAME")
    attribute = wanted if wanted in found else found[0]
    key = naming.id_column or naming.columns.get("id") or "altool_id"
    rows = [{"id": record.get(key), **_row(record, attribute)} for record in records]
    used = {name for name, other in naming.columns.items() if other and other in (key, attribute)}
    return of_rows(export, rows, naming, used, key)


def _facts(record: Mapping[str, Any], attribute: str) -> Mapping[str, Any]:
    facts = record.get(attribute + METADATA)
    if isinstance(facts, str):  # of a manifest that became a table
        try:
            facts = json.loads(facts)
        except ValueError:
            facts = {}
    return facts if isinstance(facts, Mapping) else {}


def _row(record: Mapping[str, Any], attribute: str) -> dict[str, Any]:
    facts = _facts(record, attribute)
    row = {
        "round": record.get("altool_round"),
        "rank": record.get("altool_rank"),
        "suggested_label": record.get("altool_suggestion"),
        "text": texts(record.get("source")),
        "picture": texts(record.get("source-ref")),
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


def write(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """An input manifest, a line per task in rank order; its keys come back beside the label. Suggestions stay with us: a worker sees none.

    Raises InputError for tasks without text and image, and for images of which there is no address: they lie in S3.
    """
    pictures.check("ground-truth", tasks)
    without = [task.id for task in tasks if task.text is None and (task.address or task.path) is None]
    if without:
        raise InputError(
            f"ground-truth: {count(len(without), 'image')} without an address (ids {', '.join(map(str, without[:3]))})",
            "put the images into S3 and give --image-url s3://BUCKET/FOLDER/",
        )
    return {"": "".join(json.dumps(_line(task), ensure_ascii=False) + "\n" for task in tasks).encode()}


def _line(task: Task) -> dict[str, Any]:
    shown = {"source": task.text} if task.text is not None else {"source-ref": task.address or task.path}
    return {**shown, **task.asked, **({} if task.suggested_label is None else {"altool_suggestion": task.suggested_label})}


FORMAT = Format(
    "ground-truth",
    recognizes,
    read,
    write,
    order=2,
    by_address=True,
    ending=".manifest",
    reads="augmented manifests of Amazon SageMaker",
    writes="an input manifest",
)
