"""The annotation tools whose files altool does not read: known by their marks, refused by their names, with the way on.

A file of another tool is never a plain table, even if its columns happen to fit: its records may have verdicts of their own
(rejected, tainted, drafts) that nobody would hear.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import InputError

if TYPE_CHECKING:
    from altool.labels.exchange import Export, Naming

PLAIN = "write a CSV with the columns altool_id and label (and annotator, labeled_at where you have them)"


@dataclass(frozen=True)
class Tool:
    """`marks` are sets of columns or keys, any of which gives a tool away. `verdict` is the column, if it has one, by which its rows
    count or not: whoever names it in `--where`, and the others in `--columns`, may have the file read as a plain table."""

    name: str
    marks: tuple[frozenset[str], ...]
    way: str
    verdict: str | None = None


def _tool(name: str, marks: Sequence[str], way: str = PLAIN, verdict: str | None = None) -> Tool:
    return Tool(name, tuple(frozenset(mark.split("|")) for mark in marks), way, verdict)


TOOLS = (
    _tool("doccano (of numbers of classes)", ["text|annotations|meta", "annotations|annotation_approver"], "export it as JSONL or CSV"),
    _tool("Labelbox (of an old version)", ["data_row", "DataRow ID", "Labeled Data|Label"], "export it as NDJSON, of version 2"),
    _tool("Kili", ["externalId|labels", "jsonResponse"]),
    _tool("V7 Darwin", ["item|annotations|version", "item|annotations|schema_ref", "dataset|image|annotations"]),
    _tool("VGG Image Annotator", ["_via_img_metadata", "_via_settings", "file_attributes", "region_shape_attributes"]),
    _tool("COCO", ["images|annotations|categories", "image_id|category_id|bbox"]),
    _tool("Datumaro", ["categories|items|info"]),
    _tool("FiftyOne", ["classes|labels", "samples|dataset_type"], "export it as FiftyOneImageClassificationDataset"),
    _tool("LabelMe", ["shapes|imagePath"]),
    _tool("SuperAnnotate", ["metadata|instances"]),
    _tool("Encord", ["data_hash", "label_hash", "object_answers"]),
    _tool("Scale", ["task_id|response", "task_id|annotations"]),
    _tool("Dataturks", ["content|annotation|extras", "content|annotation"]),
    _tool("LightTag", ["examples|relations", "annotations_and_examples"]),
    _tool("Toloka", ["ASSIGNMENT:assignment_id", "ASSIGNMENT:status", "ASSIGNMENT:worker_id"], verdict="ASSIGNMENT:status"),
    _tool("Appen", ["_unit_id|_worker_id", "_unit_id|_golden", "_unit_id|_unit_state"], verdict="_tainted"),
    _tool("Zooniverse", ["classification_id|subject_ids", "workflow_id|subject_ids"]),
    _tool("CVAT", ["task|shapes|tags", "frame|label_id"]),
    _tool("Label Studio (a page of its API)", ["tasks|total"], "export the project as JSON"),
    _tool("Label Studio (annotations without their tasks)", ["completed_by|result"], "export the project as JSON"),
    _tool("Label Studio (predictions)", ["model_version|result"], "export the project as JSON"),
)


def check_content(name: str, head: bytes) -> None:
    """Raise InputError for what is no table at all, by its first bytes."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        raise InputError(f"{name}: it is an old Excel workbook", "save the sheet as CSV UTF-8, or as .xlsx")
    lowered = head.lower()
    if start[:1] == b"<" and b"<annotations" not in lowered:
        if b"<annotation" in lowered:
            raise InputError(f"{name}: it is Pascal VOC's XML", PLAIN)
        page = b"<html" in lowered or b"<!doctype html" in lowered
        raise InputError(f"{name}: it is {'an HTML page' if page else 'XML'}, no table", "export it again as CSV, JSON or Parquet")


def check_archive(name: str, names: Collection[str]) -> None:
    """Raise InputError for an archive that is something else, by the `names` in it."""
    if "content.xml" in names:
        raise InputError(f"{name}: it is an OpenDocument sheet", "save the sheet as CSV UTF-8, or as .xlsx")


def check_tool(export: Export, naming: Naming) -> None:
    """Raise InputError for an export with the marks of a tool that altool does not read."""
    columns = set(export.columns)
    columns |= {"dataset_type"} if columns == {"samples"} else set()  # FiftyOne's samples.json is that alone
    found = next((tool for tool in TOOLS if any(mark <= columns for mark in tool.marks)), None)
    if found is not None and not (found.verdict in naming.where and "label" in naming.columns):
        way = f"or name its columns in --columns, and what counts in --where {found.verdict}=VALUE" if found.verdict else ""
        raise InputError(
            f"{export.name}: it is {found.name}'s export, which altool does not read", "; ".join(filter(None, (found.way, way)))
        )
    if _keyed_by_ids(export, columns):
        raise InputError(f"{export.name}: it is one JSON object keyed by ids, as FiftyOne and others write it, no list of rows", PLAIN)
    if one_hot := _one_hot(export, naming):
        raise InputError(
            f"{export.name}: it has one column of 0 and 1 per class ({', '.join(one_hot[:3])}{', …' if len(one_hot) > 3 else ''})",
            f"{PLAIN}; with a column filename it is Roboflow's _classes.csv",
        )


def _keyed_by_ids(export: Export, columns: Collection[str]) -> bool:
    """One object that has no column of ours, and as its values objects alone, or more classes than a row has columns."""
    if len(export.records) != 1 or {"altool_id", "id", "task", "label"} & set(columns):
        return False
    objects = [isinstance(value, Mapping) for value in export.records[0].values()]
    return all(objects) if any(objects) else len(objects) > 10


def _one_hot(export: Export, naming: Naming) -> list[str]:
    """The columns that hold nothing but 0 and 1, of which every row has one 1, where nothing else can be the label."""
    names = [
        name
        for name in export.columns
        if name.strip() not in ("altool_id", "id", "altool_round", "altool_rank", "filename", naming.id_column)
    ]
    if (
        "label" in export.columns
        or naming.columns.get("label")
        or not {name.strip() for name in export.columns} & {"filename", "altool_id", "id"}
    ):
        return []
    found = [(name, values) for name in names if (values := _bits(export, name)) is not None]
    if len(found) < 2 or any(sum(row) != 1 for row in zip(*(values for _, values in found), strict=True)):
        return []
    return [name.strip() for name, _ in found]


def _bits(export: Export, name: str) -> list[int] | None:
    if export.table is None:
        values: list[Any] = [row.get(name) for row in export.records]
    else:
        column = export.table.column(name)
        if not (pa.types.is_string(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            return None
        if len(pc.unique(column)) > 2:
            return None
        values = column.to_pylist()
    known = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
    bits = [known.get(str(value).strip()) for value in values]
    return None if None in bits else [bit for bit in bits if bit is not None]
