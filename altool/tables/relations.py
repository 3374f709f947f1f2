"""How the locations of a run's outputs and inputs meet: as what they lead to, through links of both kinds."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from altool.tables.objects import path_of

IS, IN, HOLDS, MATCHED = "is", "lies in", "holds", "would be read as part of"


def place_of(path: Path) -> str:
    """The path without links and dots above its last name, which may be a link."""
    if path.name in ("", ".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(path.parent), path.name)


def identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def above_of(place: str) -> frozenset[tuple[int, int]]:
    """What the folders above a place are."""
    return frozenset(filter(None, (identity(above) for above in Path(place).parents)))


class Inputs:
    """What a location of an input, or of another output, leads to."""

    def __init__(self, location: str, *, globs: bool = True) -> None:
        self.pattern: str | None = None
        self.places: set[str] = set()  # the location's own
        self.linked: set[str] = set()  # where the links in it lead
        self.folders: set[tuple[int, int]] = set()
        self._walked: list[str] = []
        path = path_of(location)
        if path is None:
            return
        found = [str(path)]
        if globs and glob.has_magic(found[0]) and not os.path.lexists(path):
            self.pattern = found[0]
            found = glob.glob(found[0], recursive=True, include_hidden=True)
        for one in found:
            self.places |= {place_of(Path(one)), os.path.realpath(one)}
        folders = [one for one in found if os.path.isdir(one)]
        while folders:
            folder = folders.pop()
            own = identity(folder)
            if own is None or own in self.folders or not os.access(folder, os.R_OK):
                continue
            self.folders.add(own)
            self._walked.append(folder)
            for entry in os.scandir(folder):
                if entry.is_symlink():
                    self.linked.add(os.path.realpath(entry.path))
                if entry.is_dir():
                    folders.append(entry.path)

    @cached_property
    def files(self) -> frozenset[tuple[int, int]]:
        """What the files in its folders are. Looked up one by one, of millions of images too: only for an output that is there."""
        entries = (entry for folder in self._walked for entry in os.scandir(folder) if not entry.is_dir())
        return frozenset(filter(None, (identity(entry.path) for entry in entries)))


def relation(location: str, other: str, found: Inputs) -> str:
    """How an output at `location` meets what `found` knows of the location `other`; empty if not at all."""
    path, second = path_of(location), path_of(other)
    if path is None or second is None:
        return _remote_relation(location, other) if path is None and second is None else ""
    places = {place_of(path), os.path.realpath(path)}
    own = identity(path)
    theirs = {identity(place) for place in found.places} - {None}
    if places & found.places or own in theirs:
        return IS if found.pattern is None else MATCHED
    above = frozenset().union(*(above_of(place) for place in places))
    if above & (theirs | found.folders) or (own is not None and own in found.files) or places & found.linked:
        return IN
    if any(_is_below(place, root) for place in places for root in (*found.places, *found.linked)):
        return IN
    if found.pattern is not None and any(_matches(place, found.pattern) for place in places):
        return MATCHED
    if own is not None and any(own in above_of(place) for place in (*found.places, *found.linked)):
        return HOLDS
    if any(_is_below(root, place) for place in places for root in (*found.places, *found.linked)):
        return HOLDS
    return ""


def _is_below(place: str, folder: str) -> bool:
    return place.startswith(folder.rstrip("/") + "/")


def _matches(place: str, pattern: str) -> bool:
    """Would a glob match the place, or a folder above it, if it were there? `**` stands for any folders."""
    fixed, rest = [], list(Path(pattern).parts)
    while rest and not glob.has_magic(rest[0]):
        fixed.append(rest.pop(0))
    base = os.path.realpath(os.path.join(*fixed) if fixed else ".")
    return _is_below(place, base) and _fit(Path(place).relative_to(base).parts, rest)


def _fit(names: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return True
    if patterns[0] == "**":
        return any(_fit(names[start:], patterns[1:]) for start in range(len(names) + 1))
    return bool(names) and fnmatch(names[0], patterns[0]) and _fit(names[1:], patterns[1:])


def _remote_relation(location: str, other: str) -> str:
    """As `relation`, of two URIs, by their text: nothing else is known of them."""
    one, two = _parts(location), _parts(other)
    if one[:2] != two[:2]:
        return ""
    if one[2] == two[2]:
        return IS
    if _is_below(one[2], two[2]):
        return IN
    if "*" in two[2] and _fit(one[2].split("/"), two[2].split("/")):
        return MATCHED
    return HOLDS if _is_below(two[2], one[2]) else ""


def _parts(uri: str) -> tuple[str, str, str]:
    found = urlsplit(uri.partition("?")[0])
    return found.scheme.lower(), found.netloc.rpartition("@")[2], os.path.normpath("/" + found.path.strip("/"))
