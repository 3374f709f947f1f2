"""Outputs destroy nothing: one check, before any work, of all outputs of a run against its inputs, each other and what is there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altool.errors import InputError, UsageError
from altool.tables.objects import Place, names_object, path_of
from altool.tables.ours import ours, refuse_foreign
from altool.tables.relations import IN, MATCHED, Inputs, above_of, identity, place_of, relation

LONGER = len("..2147483647.tmp-lock")  # what a temporary name has that its target's has not
ELSEWHERE = "give another path"


@dataclass(frozen=True)
class Output:
    """What a run writes, where `location` is not None.

    `option` names it in messages; `kind` is a kind of table, `page`, `model`, `run`, an export's format (with a slash: a folder of it),
    `config`, or `folder`: one to which files are added. `parts`: the table is a folder of files. `local`: it goes to a path, not to a URI.
    A `sidecar` comes with another output, and replaces without a word what altool wrote as one. It may lie `within` the folders of these
    options.
    """

    option: str
    location: str | None
    kind: str
    parts: bool = False
    local: bool = False
    sidecar: bool = False
    within: tuple[str, ...] = ()

    @property
    def folder(self) -> bool:
        return self.parts or self.kind in ("model", "run", "folder", "pictures") or self.kind.endswith("/")

    @property
    def shown(self) -> str:
        return f"{self.option} {self.location}"


def given(options: Any, *names: str) -> list[tuple[str, str]]:
    """(option, location) of the inputs that the fields `names` of a command's options give; `text:NAME` may also be no file."""
    found = []
    for name in names:
        text, field = name.startswith("text:"), name.removeprefix("text:")
        value = getattr(options, field)
        flag = "--" + {"from_model": "from"}.get(field, field.replace("_", "-"))
        locations = [value] if isinstance(value, str) else value or []
        found += [(flag, location) for location in locations if not text or names_object(location) or os.path.isfile(location)]
    return found


def local(location: str | os.PathLike[str]) -> Path:
    """The path of an output: `file://` is one, too. Raises UsageError for any other URI."""
    path = path_of(str(location))
    if path is None:
        raise UsageError(f"{location} is not a local path", "write it to a path, and copy it")
    return path


def check(outputs: Iterable[Output], inputs: Sequence[tuple[str, str]] = (), *, overwrite: bool = False, json: bool = False) -> None:
    """Raises UsageError for an output that cannot be written, that is, lies in or holds an input or another output, or that is there
    already; with `overwrite`, for one that altool did not write as that kind. With `json`, standard output is taken.

    `inputs` are (option, location), as `given` gives them. Locations are compared as what they lead to, through links of both kinds.
    """
    wanted = [output for output in outputs if output.location is not None]
    streams = [output for output in wanted if output.location == "-"]
    if len(streams) + json > 1:
        names = [output.option for output in streams] + (["--json"] if json else [])
        raise UsageError(f"{' and '.join(names)}: only one of them can be on standard output", "write the others to files")
    files = [output for output in wanted if output.location != "-"]
    try:
        for output in files:
            _check_shape(output)
        for place, output in enumerate(files):
            for other in files[:place]:
                if how := relation(output.location or "", other.location or "", Inputs(other.location or "", globs=False)):
                    raise UsageError(f"{output.shown} {how} the {other.shown}", "give each a path of its own")
        for option, location in inputs:
            if location == "-":
                continue
            found = Inputs(location)
            for output in files:
                how = relation(output.location or "", location, found)
                if how and not (output.within and option in output.within and how in (IN, MATCHED) and _same_kind(output)):
                    raise UsageError(f"{output.shown} {how} the {option} {location}", ELSEWHERE)
        for output in files:
            _check_there(output, overwrite)
    except OSError as error:
        raise UsageError(f"{error.filename or 'an output'} cannot be written ({error.strerror or error})", ELSEWHERE) from error


def _same_kind(output: Output) -> bool:
    path = path_of(output.location or "")
    return path is None or not path.exists() or ours(output.kind, path)


def _check_shape(output: Output) -> None:
    location = output.location or ""
    path = path_of(location)
    if path is None:
        if output.local:
            raise UsageError(f"{output.shown} is not a local path", "write it to a path, and copy it")
        if not output.folder and location.partition("?")[0].endswith("/"):
            raise UsageError(f"{output.shown} names a folder", "give the path of a file")
        there = _kind_of(output)
        if there == "folder" and not output.folder:
            raise UsageError(f"{output.shown} is a folder", "give the path of a file")
        if there == "file" and output.folder:
            raise UsageError(f"{output.shown} is a file, not a folder", ELSEWHERE)
        return
    if not location or (not output.folder and location.endswith(("/", "/.", "/.."))):
        raise UsageError(f"{output.shown} names a folder" if location else f"{output.option} is empty", "give the path of a file")
    if path.is_dir() and not output.folder:
        raise UsageError(f"{output.shown} is a folder", "give the path of a file")
    if output.folder and os.path.lexists(path) and not path.is_dir():
        raise UsageError(f"{output.shown} is a file, not a folder", ELSEWHERE)
    if output.kind != "folder" and identity(path) in {identity("."), *above_of(os.getcwd())}:
        raise UsageError(f"{output.shown} is the folder that this run is in, or lies above it", ELSEWHERE)
    place = Path(place_of(path))
    for above in place.parents:
        if os.path.lexists(above):
            limit = os.pathconf(above, "PC_NAME_MAX") - (0 if output.kind == "folder" else LONGER)
            if len(os.fsencode(place.name)) > limit:
                raise UsageError(f"{output.option}: the name of the output is longer than {limit} bytes", "give a shorter name")
            if not above.is_dir():
                raise UsageError(f"{output.shown}: {above} is not a folder", ELSEWHERE)
            if not os.access(above, os.W_OK | os.X_OK):
                raise UsageError(f"{output.shown} cannot be written: {above} is not writable", "give a path that you may write to")
            break
    if output.kind == "folder" and path.is_dir() and not os.access(path, os.W_OK | os.X_OK):
        raise UsageError(f"{output.shown} cannot be written: it is not writable", "give a path that you may write to")


def _kind_of(output: Output) -> str:
    """What is at the address of an output: "file", "folder" or ""."""
    place = Place(output.location or "")
    try:
        found = place.kind()
    except InputError as error:
        raise UsageError(f"{output.option}: {error.message}", error.hint) from error
    return "" if found == "folder" and not place.files() else found  # a folder may be an object of its own, with none below it


def _check_there(output: Output, overwrite: bool) -> None:
    location = output.location or ""
    if output.kind == "folder":
        return
    path = path_of(location)
    if not (_kind_of(output) if path is None else os.path.lexists(path)):
        return
    if not overwrite and not output.sidecar:
        raise UsageError(f"{location} exists", "give --overwrite to replace it, or another --output")
    refuse_foreign(output.kind, location, parts=output.parts)
