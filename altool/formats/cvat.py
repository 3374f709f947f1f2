"""CVAT's XML for images, of which the tags of whole images are labels; shapes are none.

An image is known by the name of its file: without its ending that is the id, unless a tag has an attribute `altool_id`.
Source: CVAT's manual, "CVAT for image".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from altool.errors import InputError
from altool.labels.exchange import Answers, Export, Format, Naming, Task, choice, of_rows
from altool.text import count

LABELS = ".labels.json"
PEOPLE = ("manual", "semi-auto")  # who made a tag; of anything else, as `auto` and `file`, it was not a person

Row = dict[str, Any]


def recognizes(export: Export) -> bool:
    return export.encoding == "xml"


def read(export: Export, naming: Naming) -> Answers:
    """A row per tag; an image without one is not done. A tag that no person made is of source `auto`.

    Raises InputError for the tracks of a video, and for a document without images.
    """
    tags = {record["tag"] for record in export.records}
    if "image" not in tags:
        what = "the tracks of a video" if "track" in tags else "no images"
        raise InputError(f"{export.name}: CVAT's XML with {what}", 'export the task as "CVAT for images"')
    key = naming.id_column or naming.columns.get("id") or "altool_id"
    rows: list[Row] = []
    for entry, record in enumerate(export.records):
        if record["tag"] == "image":
            name = record["attributes"].get("name", "")
            found = [child for child in record["children"] if child["tag"] == "tag"]
            rows += [{"entry": entry, **_row(name, tag, key)} for tag in found or [{}]]
    used = {name for name, other in naming.columns.items() if other and other == key}
    return of_rows(export, rows, naming, used, key)


def _row(name: str, tag: Mapping[str, Any], key: str) -> Row:
    attributes = {child["attributes"].get("name"): child["text"] for child in tag.get("children", ()) if child["tag"] == "attribute"}
    facts = tag.get("attributes", {})
    label, reason = choice(facts.get("label"))
    own = attributes.get(key) or None
    return {
        "id": own or PurePosixPath(name).stem or None,
        "label": label,
        "reason": reason,
        "source": "auto" if tag and facts.get("source", "manual") not in PEOPLE else None,
        "path": None if own else name,
    }


def write(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """The addresses of the pictures for CVAT's "Remote sources", one a line in rank order; `.labels.json` is for its label constructor,
    where classes are known. Suggestions stay with us: an imported tag would be an answer.

    Raises InputError for tasks without an address or a path.
    """
    without = [task.id for task in tasks if (task.address or task.path) is None]
    if without:
        raise InputError(
            f"cvat: {count(len(without), 'picture')} without an address (ids {', '.join(map(str, without[:3]))})",
            "put the pictures on a server, named by their ids, and give --image-url https://HOST/FOLDER/",
        )
    broken = [task.id for task in tasks if len((task.address or task.path or "").splitlines()) != 1]
    if broken:
        raise InputError(
            f"cvat: {count(len(broken), 'address', 'addresses')} of several lines (ids {', '.join(map(str, broken[:3]))})", "rename it"
        )
    files = {"": "".join(f"{task.address or task.path}\n" for task in tasks).encode()}
    if classes:
        labels = [{"name": name, "type": "tag", "attributes": []} for name in classes]
        files[LABELS] = (json.dumps(labels, ensure_ascii=False) + "\n").encode()
    return files


FORMAT = Format(
    "cvat",
    recognizes,
    read,
    write,
    order=6,
    sidecars=(LABELS,),
    by_address=True,
    keeps_rank=False,
    ending=".txt",
    reads="XML for images, of which tags are labels, alone or in its zip archive",
    writes="addresses of pictures; .labels.json",
)
