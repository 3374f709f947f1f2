"""Locations of folders that files are added to, on this machine or in an object store."""

from __future__ import annotations

import os

from altool.tables.objects import Place, is_remote


def within(folder: str, name: str) -> str:
    """The location of a file of the folder; what a URI asks for (`?endpoint_override=…`) stays behind it."""
    return (Place(folder) / name).uri if "://" in folder else os.path.join(folder.rstrip("/") or "/", name)


def sibling(folder: str, name: str) -> str:
    """The location of what lies beside the folder."""
    return Place(folder).beside(name).uri if "://" in folder else os.path.join(os.path.dirname(folder.rstrip("/")), name)


def beside(folder: str, ending: str) -> str:
    """The location that is called as the folder, with an ending."""
    return sibling(folder, Place(folder).name + ending) if "://" in folder else folder.rstrip("/") + ending


def exists(location: str) -> bool:
    """Is there a file, or an object? Raises InputError where the place cannot be reached."""
    return Place(location).kind() == "file" if is_remote(location) else os.path.exists(_path(location))


def is_folder(location: str) -> bool:
    """Is there a folder, or in an object store anything below this address? Raises InputError where the place cannot be reached."""
    return Place(location).kind() == "folder" if is_remote(location) else os.path.isdir(_path(location))


def _path(location: str) -> str:
    return Place(location).path if "://" in location else location
