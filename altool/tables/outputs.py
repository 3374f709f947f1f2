"""Outputs destroy nothing: one check, before any work, of all outputs of a run against its inputs, each other and what is there."""

from __future__ import annotations

import csv
import glob
import io
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from altool.errors import AltoolError, InputError, UsageError
from altool.tables.outside import load_json, read_bytes
from altool.tables.picture_folders import are_pictures
from altool.tables.schema import ALWAYS, KINDS

LONGER = len("..2147483647.tmp-lock")  # what a temporary name has that its target's has not
ELSEWHERE = "give another path"
KEPT = "move it away, or give another path; altool replaces nothing else"
WHAT = {"model": "a model", "page": "a page of altool report", "run": "a simulated run", "csv": "a sheet"}
WHAT |= {"label-studio": "Label Studio tasks", "config": "a labeling config", "pictures": "a folder of a sheet's pictures"}
WHAT |= {"html": "a labeling page", "html/": "labeling pages", "index": "an index"}
# What a sheet holds before anybody fills it in; every other column is for answers.
SHEET = ("altool_id", "altool_round", "altool_rank", "text", "path", "image", "suggestion", "suggestion_score", "tier")
CONFIG = rb'<View>(<(Text|Image) [^<>]*/>)*<Choices name="label" [^<>]*>(<Choice value=[^<>]*/>)*</Choices></View>\n'
MODEL = frozenset(("model.json", "weights.safetensors", "vaal.safetensors", "space.safetensors", "space.bin"))
FITS = frozenset(("_space.safetensors", "_space.bin"))  # in a folder of features
RUN = frozenset(("history.parquet", "picks.parquet", "times.parquet"))
INDEX = b"altool-index-1\0\0"  # what an index (tables/neighbours.py) begins with
PAGES = re.compile(r"index\.html|page-\d{3,}\.html")
PAGE = b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="altool select --export html">\n'


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
        found += [(flag, location) for location in locations if not text or os.path.isfile(location)]
    return found


def local(location: str | os.PathLike[str]) -> Path:
    """The path of an output: `file://` is one, too. Raises UsageError for any other URI."""
    path = _path(str(location))
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
                if relation := _relation(output.location or "", other.location or "", _Inputs(other.location or "", globs=False)):
                    raise UsageError(f"{output.shown} {relation} the {other.shown}", "give each a path of its own")
        for option, location in inputs:
            if location == "-":
                continue
            found = _Inputs(location)
            for output in files:
                relation = _relation(output.location or "", location, found)
                if relation and not (output.within and option in output.within and relation in (IN, MATCHED) and _same_kind(output)):
                    raise UsageError(f"{output.shown} {relation} the {option} {location}", ELSEWHERE)
        for output in files:
            _check_there(output, overwrite)
    except OSError as error:
        raise UsageError(f"{error.filename or 'an output'} cannot be written ({error.strerror or error})", ELSEWHERE) from error


def ours(kind: str, location: str | os.PathLike[str], *, parts: bool = False) -> bool:
    """Did altool write what is at this path, or URI, as this kind? What is empty is nobody's work, and may be replaced."""
    path = _path(str(location))
    if path is None:
        filesystem, name = _filesystem(str(location))
        with filesystem.open_input_stream(name) as file:
            return _ours(kind, io.BytesIO(file.read()))
    if path.is_dir():
        names = {entry.name for entry in path.iterdir()}
        if kind == "model":
            return not names or ({"model.json"} <= names <= MODEL and _regular(path, names) and _is_model(path))
        if kind == "pictures":
            return not names or are_pictures(path, names)
        if kind == "run":
            return not names or (names <= RUN and all(ours(name.removesuffix(".parquet"), path / name) for name in names))
        if kind == "html/":
            return all(PAGES.fullmatch(name) and ours("html", path / name) for name in names)
        part, left = re.compile(r"part-\d{5,}\.parquet"), re.compile(r"\.part-\d{5,}\.parquet\.\d+\.\w+(-lock)?")  # a killed update
        return parts and all(left.fullmatch(name) or (part.fullmatch(name) and ours(kind, path / name)) for name in names - FITS)
    if parts or kind in ("model", "run") or kind.endswith("/") or not path.is_file():
        return False
    with open(path, "rb") as file:
        return _ours(kind, file)


def _same_kind(output: Output) -> bool:
    path = _path(output.location or "")
    return path is None or not path.exists() or ours(output.kind, path)


def _regular(folder: Path, names: Iterable[str]) -> bool:
    return all(stat.S_ISREG((folder / name).lstat().st_mode) for name in names)


def _is_model(folder: Path) -> bool:
    try:
        facts = load_json(read_bytes(folder / "model.json", "model"), "model")
    except InputError:
        return False
    return isinstance(facts, dict) and {"format", "classifier", "classes", "width"} <= facts.keys()


def _ours(kind: str, file: BinaryIO) -> bool:
    head = file.read(1 << 16)
    file.seek(0)
    if not head:
        return True
    if kind in KINDS:
        return _is_table(kind, head, file)
    checks: dict[str, Callable[[bytes, BinaryIO], bool]] = {
        "index": lambda head, file: head.startswith(INDEX),
        "page": lambda head, file: head.startswith(b"<!DOCTYPE html>") and _is_page(file.read()),
        "csv": lambda head, file: _is_empty_sheet(file),
        "label-studio": lambda head, file: head.startswith(b"[\n") and _are_tasks(file),
        "config": lambda head, file: bool(re.fullmatch(CONFIG, file.read())),
        "html": lambda head, file: head.startswith(PAGE) and file.read().endswith(b"</body>\n</html>\n"),
    }
    return kind in checks and checks[kind](head, file)


def _is_table(kind: str, head: bytes, file: BinaryIO) -> bool:
    try:
        if head[:4] == b"PAR1":
            return _kind_of(pq.read_schema(file)) == kind
        if head[:4] == b"\xff\xff\xff\xff":
            return _kind_of(pa.ipc.open_stream(file).schema) == kind
        line = file.readline().decode()
        names = list(load_json(line, "")) if line.startswith("{") else next(csv.reader([line]))
    except (pa.ArrowException, OSError, ValueError, csv.Error, StopIteration, InputError):
        return False
    known, always = list(KINDS[kind].columns), ALWAYS.get(kind, ())
    return bool(always) and set(always) <= set(names) and [name for name in known if name in names] == names


def _kind_of(schema: pa.Schema) -> str:
    return bytes((schema.metadata or {}).get(b"altool.kind", b"")).decode(errors="replace")


def _is_page(content: bytes) -> bool:
    # Pages of altool before they had a script have a footer of their own.
    made = b'\n<meta name="generator" content="altool report">' in content[:500] or b"\n<footer>altool report; {" in content
    return made and content.endswith((b"</script>\n</body>\n</html>\n", b"</footer>\n</body>\n</html>\n"))


def _is_empty_sheet(file: BinaryIO) -> bool:
    """A sheet that nobody has filled in: what people wrote is not altool's."""
    longest = csv.field_size_limit(2**31 - 1)
    try:
        rows = csv.reader(io.StringIO(file.read().decode(), newline=""))
        header = next(rows)
        answers = [place for place, name in enumerate(header) if name not in SHEET]
        return header[:3] == list(SHEET[:3]) and all(len(row) == len(header) and not any(row[place] for place in answers) for row in rows)
    except (ValueError, csv.Error, StopIteration):
        return False
    finally:
        csv.field_size_limit(longest)


def _are_tasks(file: BinaryIO) -> bool:
    """Tasks as altool writes them, one a line, without annotations."""
    lines = [line.rstrip(b",\n") for line in file][1:]
    if lines[-1:] != [b"]"]:
        return False
    try:
        tasks = [load_json(line, "") for line in lines[:-1]]
    except InputError:
        return False
    return all(isinstance(task, dict) and task.keys() == {"data", "predictions"} and "altool_id" in task["data"] for task in tasks)


# What a path leads to


def _path(location: str) -> Path | None:
    """The local path of a location; None for a URI that is not `file://`."""
    if "\0" in location:
        raise UsageError(f"{location}: a path cannot contain NUL", ELSEWHERE)
    if "://" not in location:
        return Path(location)
    if not location.lower().startswith("file://"):
        return None
    return Path(_filesystem("file" + location[4:])[1])


def _filesystem(uri: str) -> tuple[Any, str]:
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
    except (pa.ArrowException, OSError, ImportError, ValueError) as error:
        raise UsageError(f"{uri}: not an address that altool can write to ({' '.join(str(error).split())[:200]})", ELSEWHERE) from error
    return filesystem, path


def _check_shape(output: Output) -> None:
    location = output.location or ""
    path = _path(location)
    if path is None:
        if output.local or (output.folder and output.kind != "folder"):
            raise UsageError(f"{output.shown} is not a local path", "write it to a path, and copy it")
        return
    if not location or (not output.folder and location.endswith(("/", "/.", "/.."))):
        raise UsageError(f"{output.shown} names a folder" if location else f"{output.option} is empty", "give the path of a file")
    if path.is_dir() and not output.folder:
        raise UsageError(f"{output.shown} is a folder", "give the path of a file")
    if output.folder and os.path.lexists(path) and not path.is_dir():
        raise UsageError(f"{output.shown} is a file, not a folder", ELSEWHERE)
    if output.kind != "folder" and _identity(path) in {_identity("."), *_above(os.getcwd())}:
        raise UsageError(f"{output.shown} is the folder that this run is in, or lies above it", ELSEWHERE)
    place = Path(_place(path))
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


def _check_there(output: Output, overwrite: bool) -> None:
    location = output.location or ""
    if output.kind == "folder":
        return
    path = _path(location)
    if path is None:
        from pyarrow import fs

        filesystem, name = _filesystem(location)
        try:
            kind = filesystem.get_file_info(name).type
        except OSError as error:
            raise UsageError(
                f"{output.shown} cannot be reached ({' '.join(str(error).split())})", "check the address and your access"
            ) from error
        if kind == fs.FileType.Directory:
            raise UsageError(f"{output.shown} is a folder", "give the path of a file")
        there = kind != fs.FileType.NotFound
    else:
        there = os.path.lexists(path)
    if not there:
        return
    if not overwrite and not output.sidecar:
        raise UsageError(f"{location} exists", "give --overwrite to replace it, or another --output")
    refuse_foreign(output.kind, location, parts=output.parts)


def refuse_foreign(kind: str, location: str | os.PathLike[str], *, parts: bool = False, shown: str = "") -> None:
    """Raises UsageError unless altool wrote what is at this path, or URI, as this kind; `shown` is its name in the message."""
    try:
        if ours(kind, location, parts=parts):
            return
        why = "holds answers, or " if kind == "csv" else ""
    except AltoolError:
        why = ""
    raise UsageError(f"{shown or location} exists and {why}is not {WHAT.get(kind, f'a table of {kind}')} written by altool", KEPT)


IS, IN, HOLDS, MATCHED = "is", "lies in", "holds", "would be read as part of"


def _place(path: Path) -> str:
    """The path without links and dots above its last name, which may be a link."""
    if path.name in ("", ".."):
        return os.path.realpath(path)
    return os.path.join(os.path.realpath(path.parent), path.name)


def _identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _above(place: str) -> frozenset[tuple[int, int]]:
    """What the folders above a place are."""
    return frozenset(filter(None, (_identity(above) for above in Path(place).parents)))


class _Inputs:
    """What a location of an input, or of another output, leads to."""

    def __init__(self, location: str, *, globs: bool = True) -> None:
        self.pattern: str | None = None
        self.places: set[str] = set()  # the location's own
        self.linked: set[str] = set()  # where the links in it lead
        self.folders: set[tuple[int, int]] = set()
        self._walked: list[str] = []
        path = _path(location)
        if path is None:
            return
        found = [str(path)]
        if globs and glob.has_magic(found[0]) and not os.path.lexists(path):
            self.pattern = found[0]
            found = glob.glob(found[0], recursive=True, include_hidden=True)
        for one in found:
            self.places |= {_place(Path(one)), os.path.realpath(one)}
        folders = [one for one in found if os.path.isdir(one)]
        while folders:
            folder = folders.pop()
            own = _identity(folder)
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
        return frozenset(filter(None, (_identity(entry.path) for entry in entries)))


def _relation(location: str, other: str, found: _Inputs) -> str:
    """How an output at `location` meets what `found` knows of the location `other`; empty if not at all."""
    path, second = _path(location), _path(other)
    if path is None or second is None:
        return _remote_relation(location, other) if path is None and second is None else ""
    places = {_place(path), os.path.realpath(path)}
    own = _identity(path)
    theirs = {_identity(place) for place in found.places} - {None}
    if places & found.places or own in theirs:
        return IS if found.pattern is None else MATCHED
    above = frozenset().union(*(_above(place) for place in places))
    if above & (theirs | found.folders) or (own is not None and own in found.files) or places & found.linked:
        return IN
    if any(_is_below(place, root) for place in places for root in (*found.places, *found.linked)):
        return IN
    if found.pattern is not None and any(_matches(place, found.pattern) for place in places):
        return MATCHED
    if own is not None and any(own in _above(place) for place in (*found.places, *found.linked)):
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
    """As `_relation`, of two URIs, by their text: nothing else is known of them."""
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
