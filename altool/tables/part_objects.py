"""Parts of a table in object storage: objects under the names that part files have in the folder of a table on a disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from altool.errors import InputError, UsageError
from altool.tables import check, objects, parts
from altool.tables.objects import MANIFEST, Place

OF_PARTS = (".shard-", ".space-")  # what the names of the objects begin with: parts, and what a backbone has learned
REJECTS = ".rejects.parquet"


@contextmanager
def shard(location: str, number: int, of: int, *, dry_run: bool) -> Iterator[Path]:
    """A folder on this machine for part `number` of `of` of the table at an address, with the part that is there, if there is one; what is
    in the folder in the end is put there. What a killed run left in it the next on this machine goes on with.

    Raises UsageError where other objects are there than parts.
    """
    place = Place(location)
    there = list(place.files())
    parts.refuse_others(_others(there), f"--output {place}")
    room = objects.stage(f"{location} {number}/{of}")
    folder = room / (place.name or "parts")
    folder.mkdir(exist_ok=True)
    for name in there:
        if name == parts.name(number, of) or name.startswith(".space-"):
            (place / name).fetch(folder / name)
    yield folder
    if not dry_run:
        files = [path for path in folder.iterdir() if path.name.startswith(OF_PARTS)]
        for file in sorted(files, key=lambda path: path.name, reverse=True):  # what was learned comes before what needs it
            (place / file.name).put(file)
        shutil.rmtree(room)


@contextmanager
def whole(location: str, *, dry_run: bool) -> Iterator[Path | None]:
    """A folder on this machine with all parts of the table at an address, to make it a table, which is then put there in place of the
    parts: first what could not be used, then the files, at last their manifest. None where the table is there already.

    Raises InputError where nothing is there, and UsageError where something else is.
    """
    place = Place(location)
    there = list(place.files())
    if not there:
        raise InputError(f"{place}: no such folder", "give the --output of the shards")
    if MANIFEST in there:
        if not dry_run:
            _remove(place, there)  # of a merge that was killed when the table was whole
        yield None
        return
    if others := _others(there):
        raise UsageError(f"{place} holds other files than parts ({check.naming(others[: check.SHOWN])})", "move them away")
    room = objects.stage(location)
    folder = room / (place.name or "parts")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in there:
        if name.startswith(OF_PARTS):
            (place / name).fetch(folder / name)
    yield folder
    if not dry_run:
        objects.copy(folder.with_name(folder.name + REJECTS), objects.beside(location, REJECTS))
        made = objects.Folder(place)
        for file in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
            made.put(file)
        made.publish()
        _remove(place, there)
    shutil.rmtree(room)


def _others(names: list[str]) -> list[str]:
    return [name for name in names if not name.startswith(OF_PARTS)]


def _remove(place: Place, names: list[str]) -> None:
    for name in names:
        if name.startswith(OF_PARTS):
            (place / name).remove()
