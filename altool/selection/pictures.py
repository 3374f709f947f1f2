"""The pictures of the rows that people are to see, for formats that show them; and the pages that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from altool.console import Console
from altool.labels.exchange import Format, Task
from altool.payloads.pictures import Shown, shown
from altool.payloads.reading import Unusable, read
from altool.payloads.shape import Payload
from altool.tables import check, write
from altool.tables.items import Folder, Outside
from altool.tables.read import Source
from altool.text import count

LARGE = 20_000_000  # bytes of a page that browsers open slowly


class Pictures:
    """The pictures of an items table's rows. Each is read, and made small, by itself: many large ones do not fit into memory."""

    def __init__(self, items: Source) -> None:
        self._folder = Folder(items, allow_outside=False)
        self._found: dict[str | int, Shown] = {}
        self._faults: dict[str | int, str] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Take the picture of a row of items: its `image`, else the file at its `path`. A row may have neither, but a text."""
        try:
            payload = self._payload(row)
            if payload is not None:
                self._found[row["id"]] = shown(read(payload))
            elif row.get("text") is None:
                self._faults[row["id"]] = "the row is empty"
        except Unusable as error:
            self._faults[row["id"]] = str(error)

    def _payload(self, row: Mapping[str, Any]) -> Payload:
        if row.get("image") is not None:
            image: bytes = row["image"]
            return image
        try:
            return None if row.get("path") is None else self._folder.file(row["path"])
        except Outside:
            raise Unusable("a path out of the table's folder") from None

    def to(self, tasks: Sequence[Task], name: str, console: Console) -> list[Task]:
        """The tasks with their pictures, or with the reason why there is none, of which the console hears. `name` is the format's."""
        given = [
            replace(task, image=None, picture=self._found.get(task.id), fault=self._faults.get(task.id, self._missing(task)))
            for task in tasks
        ]
        if faulty := [task for task in given if task.fault is not None]:
            reasons = check.naming(sorted({task.fault for task in faulty if task.fault is not None}))
            ids = check.naming([task.id for task in faulty])
            console.warn(f"--export {name}: {count(len(faulty), 'row')} cannot be shown ({reasons}; ids {ids}); people can skip them")
        return given

    def _missing(self, task: Task) -> str | None:
        return None if task.text is not None or task.id in self._found else "the items have no such row"


def write_pages(form: Format, tasks: Sequence[Task], classes: Sequence[str], location: str, console: Console) -> None:
    """Write a format that has pages: a file, or where `location` ends in a slash a folder of several, whole or not at all."""
    assert form.write is not None
    assert form.write_folder is not None
    if location.endswith("/"):
        with write.replacing(location, f"{form.name}/") as folder:
            folder.mkdir()
            for name, content in form.write_folder(tasks, classes):
                (folder / name).write_bytes(content)
        return
    page = form.write(tasks, classes)[""]
    write.write_bytes(page, location)
    if len(page) > LARGE:
        console.warn(
            f"--export {form.name}: {location} is {len(page) / 1e6:,.0f} MB, and opens slowly; select fewer rows, or write pages of "
            f"fewer rows into a folder: --export {form.name}=DIR/"
        )
