"""A labeling page: one HTML file that works without a server or a network, and the CSV of answers that it gives back.

Template, style and script are files of `labeling_page/`. All that comes from tables is JSON in the page, which the script shows as text;
the content security policy lets no other script or style run, and nothing be loaded.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from altool import documents
from altool.errors import InputError
from altool.labels import table
from altool.labels.exchange import Export, Format, Task
from altool.payloads.pictures import Shown, shown
from altool.payloads.reading import Unusable
from altool.tables.write import cell
from altool.text import count

COLUMNS = ("altool_id", "altool_round", "altool_rank", "label", "status", "seconds", "labeled_at", "annotator")
PAGE_ROWS = 200  # of each page in a folder


def recognizes(export: Export) -> bool:
    return export.encoding == "csv" and export.columns == list(COLUMNS)


def write(tasks: Sequence[Task], classes: Sequence[str]) -> dict[str, bytes]:
    """The page of these tasks in rank order. Raises InputError where no task has a text or a picture, and for what CSV cannot hold."""
    _check(tasks, classes)
    return {"": _page(tasks, classes, _title(tasks), _answers(tasks))}


def write_folder(tasks: Sequence[Task], classes: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Pages of `PAGE_ROWS` tasks, and index.html, which leads to them. Raises InputError as `write`."""
    _check(tasks, classes)
    starts = range(0, len(tasks), PAGE_ROWS)
    links = []
    for number, start in enumerate(starts, 1):
        part = tasks[start : start + PAGE_ROWS]
        name = f"page-{number:03d}.html"
        last = start + len(part)
        links.append((name, f"Page {number}", f"row {last:,}" if len(part) == 1 else f"rows {start + 1:,} to {last:,}"))
        title = f"{_title(tasks)}, page {number:,} of {len(starts):,}"
        yield name, _page(part, classes, title, f"{_answers(tasks)}-page-{number:03d}", index=True)
    yield "index.html", _rendered("index.html", title=_title(tasks), links=links, rows=count(len(tasks), "row"))


def _check(tasks: Sequence[Task], classes: Sequence[str]) -> None:
    for text in (*(task.id for task in tasks), *classes):
        cell(text)  # the answers are CSV
    if tasks and all(task.text is None and task.picture is None and task.image is None for task in tasks):
        raise InputError("html: no query has a text or a picture", "give --items with a column text, image or path")


def _title(tasks: Sequence[Task]) -> str:
    return f"Round {tasks[0].round:,}" if tasks else "Round"


def _answers(tasks: Sequence[Task]) -> str:
    """The name of the file of answers, without its ending."""
    return f"answers-round-{tasks[0].round:03d}" if tasks else "answers"


def _page(tasks: Sequence[Task], classes: Sequence[str], title: str, answers: str, *, index: bool = False) -> bytes:
    data = _json({"title": title, "answers": answers, "columns": COLUMNS, "classes": classes, "rows": [_row(task) for task in tasks]})
    # Answers in the browser are kept under this name: those to other tasks, or to another choice of classes, are not taken for these.
    digest = hashlib.sha256(data.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    return _rendered("page.html", title=title, data=data, digest=digest, index=index)


def _row(task: Task) -> dict[str, Any]:
    # Ids are texts: scripts read integers as doubles.
    row: dict[str, Any] = {
        "id": str(task.id),
        "round": task.round,
        "rank": task.rank,
        "text": task.text,
        "suggestion": task.suggested_label,
    }
    picture, fault = task.picture, task.fault
    if picture is None and task.image is not None:
        try:
            picture = shown(task.image)
        except Unusable as error:
            fault = str(error)
    row |= {"picture": _uri(picture) if picture is not None else None, "fault": fault}
    if task.suggested_probability is not None:
        row["probability"] = float(str(np.float32(task.suggested_probability)))
    return {name: value for name, value in row.items() if value is not None}


def _uri(picture: Shown) -> str:
    return f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode()}"


def _json(value: Any) -> str:
    """JSON that can stand in a script element: what would end it is escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _rendered(template: str, **values: Any) -> bytes:
    return documents.render("altool.formats", "labeling_page", template, script="page.js" if template == "page.html" else "", **values)


FORMAT = Format(
    "html",
    recognizes,
    table.read,
    write,
    plain=True,
    order=-1,  # before csv, which would read the answers as well
    ending=".html",
    write_folder=write_folder,
    wants_pictures=True,
    reads="the CSV of answers that its page gives",
    writes="a page to label on, without a server; DIR/ for pages of 200 rows",
)
