"""The pictures beside a sheet: what an annotator must see, and a spreadsheet cannot hold."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace

from altool.console import Console
from altool.labels.exchange import Format, Task
from altool.payloads.pictures import for_browsers
from altool.payloads.reading import Unusable
from altool.tables import check, ours, outputs, write
from altool.tables.listing import is_image_name
from altool.tables.picture_folders import write_pictures
from altool.text import count

LONGEST = 80  # characters of an id in a file's name


def folder(form: Format, location: str) -> str | None:
    """The folder of the pictures of an export to `location`; None where the format has none, and where it is no local path."""
    local = location != "-" and ("://" not in location or location.lower().startswith("file://"))
    return location.removesuffix(form.ending) + form.pictures if form.pictures and local else None


def beside(form: Format, location: str, tasks: Sequence[Task], console: Console) -> tuple[list[Task], Mapping[str, bytes]]:
    """The tasks as a format with `pictures` is given them, each with the name of its image's file, and those files by name.

    An image that no browser shows becomes PNG; one that cannot be decoded is left out with a warning.
    """
    images = [task for task in tasks if task.image is not None] if form.pictures else []
    target = folder(form, location)
    if images and target is None:
        left_out = f"the pictures of {count(len(images), 'query', 'queries')} are left out"
        console.warn(f"--export {form.name}={location}: {left_out}, as they lie beside a sheet; give a path")
    if not images or target is None:
        return list(tasks), {}
    names, files, strange = _files(images)
    if strange:
        queries = count(len(strange), "query", "queries")
        console.warn(f"--export {form.name}: {queries} with an image that cannot be decoded (ids {check.naming(list(map(str, strange)))})")
    within = outputs.local(target).name
    return [replace(task, picture_file=f"{within}/{names[task.id]}") if task.id in names else task for task in tasks], files


def write_beside(form: Format, location: str, files: Mapping[str, bytes]) -> None:
    """Write the files of `beside`, in place of the folder that altool wrote there before; that goes too where there are no files now.

    Raises UsageError where somebody else's files lie in it.
    """
    target = folder(form, location)
    if target is None:
        return
    path = outputs.local(target)
    if files:
        with write.replacing(path, "pictures") as temporary:
            write_pictures(files, temporary)
    elif path.is_dir() and ours.ours("pictures", path):
        shutil.rmtree(path)


def _files(tasks: Sequence[Task]) -> tuple[dict[str | int, str], Mapping[str, bytes], list[str | int]]:
    """The file name of each task's image by the task's id, the files' contents by name, and the ids of what cannot be decoded.

    A name is the rank, so that no two are alike, and what any file system takes of the id.
    """
    names: dict[str | int, str] = {}
    files: dict[str, bytes] = {}
    strange: list[str | int] = []
    width = len(str(max((task.rank for task in tasks), default=0)))
    for task in tasks:
        try:
            ending, content = for_browsers(task.image or b"")
        except Unusable:
            strange.append(task.id)
            continue
        name = os.path.splitext(str(task.id))[0] if is_image_name(str(task.id)) else str(task.id)
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:LONGEST]
        names[task.id] = f"{task.rank:0{width}d}-{plain}".rstrip("-") + ending
        files[names[task.id]] = content
    return names, files, strange
