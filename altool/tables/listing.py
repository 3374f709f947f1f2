"""The files behind a location: a file, a folder, a glob, a URI, a pipe or standard input.

Links are followed, each real folder once. Names that begin with a dot or an underscore are hidden, as in every tool that writes folders
of Parquet. The folder of a table that has a log of its own (Delta Lake, Iceberg, …) is refused: deleted and rewritten rows lie there too,
and altool.tables.lakes reads some of them by their logs.
"""

from __future__ import annotations

import glob
import os
import re
import select
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa

from altool.errors import InputError
from altool.tables.check import short
from altool.tables.objects import MANIFEST, manifest
from altool.tables.space import BESIDE
from altool.text import count

PIPE_SECONDS = 10.0  # how long a pipe may be without a writer
NAMED = 3  # files named in a message
LEVELS = 8  # folders above a file in which a table's log is looked for
ENDINGS = (".parquet", ".parq", ".pq", ".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".arrow", ".feather", ".ipc")
PARQUET = (".parquet", ".parq", ".pq")
IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
TARS = (".tar", ".tgz", ".tbz2", ".txz", *(f".tar{ending}" for ending in (".gz", ".bz2", ".xz", ".zst", ".lz4")))
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".lz4")
TRANSIENT = (".tmp", ".partial", ".crc", "_temporary", ".ipynb_checkpoints", ".rejects.parquet")  # nobody's rows
PART_FILE = re.compile(r"\.shard-\d{5,}-of-\d{5,}\.arrow")  # what --shard leaves in the folder of a table (altool.tables.parts)
# In a folder of a table: what a killed update leaves, and the parts of --shard.
LEFT = re.compile(r"\.part-\d{5,}\.parquet\.\d+\.\w+(-lock)?|\.\.?(shard-\d{5,}-of-\d{5,}\.arrow|space-\w+\.\w+)(\.\d+\.\w+(-lock)?)?")
NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"


class Listing(NamedTuple):
    """`paths` in name order; the `folder` that they lie in ("": the location names none); their `filesystem` (None: this machine's);
    and the `hidden` paths that look like tables or images."""

    paths: list[str]
    folder: str
    filesystem: Any
    hidden: list[str]


def listing(label: str, location: str, allow_empty: bool = False) -> Listing:
    """The files behind a location. Standard input and pipes are spooled to a file, for they can be read once only.

    Raises InputError, which begins with `label`, where there is nothing (a folder may be empty with `allow_empty`), for a link to
    nothing, and for a table that has a log of its own.
    """
    if location == "-":
        return Listing([_spool_stdin()], "", None, [])
    if "\0" in location:
        raise InputError(f"{label}: no such file or folder", "check the path")
    try:
        found = _remote(label, location) if "://" in location else _local(label, location)
    except (OSError, pa.ArrowException, ImportError, UnicodeError) as error:
        raise _closed(label, error) from error
    if not found.paths and not (found.folder and allow_empty):
        problem = "no files in it" if found.folder else "no such file or folder"
        if found.hidden:
            problem = f"only hidden files in it, whose names begin with a dot or an underscore ({naming(found.hidden, found.folder)})"
        if found.hidden and all(PART_FILE.fullmatch(os.path.basename(path)) for path in found.hidden):
            text = f"{label}: {count(len(found.hidden), 'part')} of --shard in it, which are no table yet"
            raise InputError(text, f"join them, when all are there: altool merge {found.folder}")
        raise InputError(f"{label}: {problem}", "check the path; a glob must match at least one file")
    return found


def _closed(label: str, error: Exception) -> InputError:
    missing = f"type: pip install {error.name}; or download the files" if isinstance(error, ImportError) and error.name else ""
    return InputError(f"{label}: cannot be opened ({short(error)})", missing or "check the address and your access to it")


def partition_values(path: str, folder: str) -> dict[str, str | None]:
    """The column values that Hive folder names (`round=3/`) between `folder` and the file give; always text, None for a null."""
    values: dict[str, str | None] = {}
    for part in os.path.dirname(path[len(folder) :]).split("/") if folder else ():
        name, equals, value = part.partition("=")
        if equals and name:
            values[unquote(name)] = None if value == NO_PARTITION else unquote(value)
    return values


def is_table_name(path: str) -> bool:
    """Does the file's name end as those of tables do?"""
    name = path.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return name.endswith(ENDINGS)


def is_image_name(path: str) -> bool:
    """Does the file's name end as those of images do?"""
    return path.lower().endswith(IMAGES)


def is_tar_name(path: str) -> bool:
    """Does the file's name end as those of tars do, compressed ones too?"""
    return path.lower().endswith(TARS)


def fixed(location: str) -> str:
    """A glob's part before its first wildcard ("." where it begins with one); any other location as it is."""
    if "://" in location:
        address, question, query = location.partition("?")
        return (address.split("*")[0].rsplit("/", 1)[0] if "*" in address else address) + question + query
    while glob.has_magic(location) and not os.path.lexists(location):
        location = os.path.dirname(location)
    return location or "."


def naming(paths: Sequence[str], folder: str) -> str:
    """The first of some files, as messages name them: below their folder, where there is one."""
    names = [os.path.relpath(path, folder) if folder else path for path in paths]
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")


def _local(label: str, location: str) -> Listing:
    if os.path.isdir(location):
        refuse_log(label, location, above=True)
        return _visible(list(_walk(label, location)), location, None)
    if os.path.lexists(location):
        if not os.path.exists(location):
            raise InputError(f"{label}: it is a link to nothing ({os.readlink(location)})", "mend the link, or give the file itself")
        if location.endswith(PARQUET):
            refuse_log(label, os.path.dirname(location), above=True)
        return Listing([_regular(label, location)], "", None, [])
    place = fixed(location)  # a folder whose own name has brackets in it
    literal = glob.escape(place) + location[len(place) :] if location.startswith(place) else location
    matches = sorted(glob.glob(location, recursive=True) or glob.glob(literal, recursive=True))
    pattern = os.path.basename(location)
    hidden, paths = [], []
    for match in matches:
        if os.path.basename(match).startswith(("_", ".")) and not pattern.startswith(("_", ".")):
            hidden += [match] if _shown(match) else []
        elif os.path.isdir(match):
            refuse_log(label, match, above=True)
            inner = _visible(list(_walk(label, match)), match, None)
            hidden += inner.hidden
            paths += inner.paths
        elif not os.path.exists(match):
            raise InputError(f"{label}: {match} is a link to nothing ({os.readlink(match)})", "mend the link, or remove it")
        elif os.path.isfile(match):
            paths.append(match)
    for folder in dict.fromkeys(os.path.dirname(path) for path in paths):
        refuse_log(label, folder or ".", above=True)
    return Listing(sorted(dict.fromkeys(paths)), "", None, hidden)


def _walk(label: str, folder: str) -> Iterator[str]:
    """All files below a folder, of which only links are looked up one by one. Raises InputError for a link to nothing, and for a table
    with a log."""
    seen: set[str] = set()
    waiting = [folder]
    while waiting:
        root = waiting.pop()
        real = os.path.realpath(root)
        if real in seen:
            continue
        seen.add(real)
        refuse_log(label, root)
        folders = []
        with os.scandir(root) as entries:
            for entry in entries:
                path, linked = entry.path, entry.is_symlink()
                if os.path.isdir(path) if linked else entry.is_dir():
                    folders.append(path)
                elif os.path.isfile(path) if linked else entry.is_file():
                    yield path
                elif linked and not entry.name.startswith((".", "_")) and not os.path.exists(path):
                    raise InputError(f"{label}: {path} is a link to nothing ({os.readlink(path)})", "mend the link, or remove it")
        waiting += sorted(folders, reverse=True)


def _visible(paths: Sequence[str], folder: str, filesystem: Any) -> Listing:
    """The paths below a folder, without the hidden ones."""

    def hidden(path: str) -> bool:
        return path.endswith(BESIDE) or any(part.startswith((".", "_")) for part in path[len(folder) :].split("/"))

    visible: list[str] = []
    others: list[str] = []
    for path, place in sorted(_listed(paths, filesystem).items()):
        (others if hidden(path) else visible).append(place)
    return Listing(visible, folder, filesystem, [path for path in others if _shown(path[len(folder) :])])


def _listed(paths: Sequence[str], filesystem: Any) -> dict[str, str]:
    """{path: where it lies}: in a folder with a manifest the files that it names lie under other names, and nothing else is part of it."""
    found = {path: path for path in paths}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name != MANIFEST:
            continue
        with suppress(InputError):  # somebody else's
            with open(path, "rb") if filesystem is None else filesystem.open_input_file(path) as file:
                objects = manifest(file.read(), folder)
            found = {one: place for one, place in found.items() if one.rpartition("/")[0] != folder}
            found |= {f"{folder}/{file}": f"{folder}/{place}" for file, place in objects.items()}
    return found


def _shown(path: str) -> bool:
    """Is a hidden file worth a word? Not what tools leave beside tables and images."""
    parts = path.split("/")
    left_by_tools = parts[-1].startswith("._") or any(mark in part for part in parts for mark in TRANSIENT)
    return (is_table_name(path) or is_image_name(path) or is_tar_name(path)) and not left_by_tools


# What a table with a log keeps in its folder.
DELTA, ICEBERG = "Delta Lake", "Iceberg"
LOGS = {
    DELTA: ("_delta_log/*",),
    ICEBERG: ("metadata/*.metadata.json*", "metadata/version-hint.text"),
    "Hudi": (".hoodie/*",),
    "Lance": ("_versions/*.manifest",),
}
READ = (DELTA, ICEBERG)  # those that altool.tables.lakes reads
HINTS = {"Hudi": "with the tool that reads it, for example Spark", "Lance": "with the lance package"}


def log_of(folder: str) -> str:
    """The kind of the table with a log that a folder is; "" where it is none."""
    for kind, marks in LOGS.items():
        inner = os.path.join(folder, os.path.dirname(marks[0]))
        if os.path.isdir(inner) and any(fnmatch(name, os.path.basename(mark)) for name in os.listdir(inner) for mark in marks):
            return kind
    return ""


def refuse_log(label: str, folder: str, *, above: bool = False) -> None:
    """Raise InputError where a folder (or one `above` it) is that of a table with a log."""
    full = os.path.abspath(folder)
    for _ in range(LEVELS if above else 1):
        if kind := log_of(full):
            raise _logged(label, kind, folder, full)
        full = os.path.dirname(full)


def _logged(label: str, kind: str, what: str, folder: str) -> InputError:
    """What to say of `what`, a place in the `folder` of a table with a log."""
    part = "" if folder in (what, os.path.abspath(what)) else "part of "
    text = f"{'it' if label.endswith(what) else what} is {part}{'an' if kind == ICEBERG else 'a'} {kind} table"
    hint = f"write its current rows to a Parquet file {HINTS.get(kind, 'with the tool that wrote it')}"
    return InputError(
        f"{label}: {text}: its files also hold rows that were deleted or rewritten, which only its log tells apart",
        f"give the folder of the table: {folder}" if (part or not label.endswith(what)) and kind in READ else hint,
    )


def _remote(label: str, uri: str) -> Listing:
    """`listing` for a URI: a file, a folder, or a glob (`*` stays within a folder)."""
    from pyarrow import fs

    address, question, query = uri.partition("?")
    base = address.split("*")[0].rsplit("/", 1)[0] if "*" in address else address
    filesystem, path = fs.FileSystem.from_uri(base + question + query)
    if isinstance(filesystem, fs.LocalFileSystem):  # a file:// address is a path, under every rule for paths
        return _local(label, glob.escape(path) + address[len(base) :] if "*" in address else path)
    try:
        info = filesystem.get_file_info(path)
    except Exception as error:  # of the library that reads such addresses (hf://): they have no common base
        raise _closed(label, error) from error
    if info.type == fs.FileType.File:
        return Listing([path], "", filesystem, [])
    selector = fs.FileSelector(path, recursive=True, allow_not_found=True)
    paths = [entry.path for entry in filesystem.get_file_info(selector) if entry.type == fs.FileType.File]
    for kind, marks in LOGS.items():
        if any(fnmatch(found, f"*/{mark}") for found in paths for mark in marks):
            raise _logged(label, kind, uri, uri)
    if "*" in address:
        pattern = (path + address[len(base) :]).split("/")
        named = sorted(_listed(paths, filesystem).items())
        paths = [at for one, at in named if len(pattern) == one.count("/") + 1 and all(map(fnmatch, one.split("/"), pattern))]
        return Listing(paths, "", filesystem, [])
    return _visible(paths, "" if info.type == fs.FileType.NotFound else path, filesystem)


def _regular(label: str, path: str) -> str:
    """The path of a regular file; a pipe is spooled to one. Raises InputError for a device."""
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode):
        return path
    if stat.S_ISFIFO(mode):
        return _spool_pipe(label, path)
    raise InputError(f"{label}: it is a device or a socket, not a file", "give a file; - is standard input")


@cache
def _spool_stdin() -> str:
    """Standard input as a file: Parquet is read from its end, and a stream can be read once only."""
    spool = _spool()
    shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
    spool.flush()
    return str(spool.name)


@cache
def _spool_pipe(label: str, path: str) -> str:
    """A named pipe, or one of the shell's, as a file. Raises InputError where nobody writes to it."""
    spool = _spool()
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        given_up = time.monotonic() + PIPE_SECONDS
        read = 0
        while True:
            try:
                content = os.read(handle, 1 << 20)
            except BlockingIOError:  # somebody has it open and will write
                select.select([handle], [], [])
                continue
            if content:
                spool.write(content)
                read += len(content)
            elif read:
                break
            elif time.monotonic() > given_up:
                raise InputError(
                    f"{label}: it is a pipe that gave nothing in {PIPE_SECONDS:g} seconds",
                    "start the command that writes to it, or give a file",
                )
            else:
                time.sleep(0.02)
    finally:
        os.close(handle)
    spool.flush()
    return str(spool.name)


def _spool() -> Any:
    spool = tempfile.NamedTemporaryFile(prefix="altool-spool-")  # noqa: SIM115 (closed, and so deleted, when the process ends)
    _spools.append(spool)
    return spool


def decompressed(stream: Any) -> str:
    """The path of a file with what `stream` holds, for as long as the process lives."""
    spool = _spool()
    shutil.copyfileobj(stream, spool, 1 << 20)
    spool.flush()
    return str(spool.name)


_spools: list[Any] = []  # keeps the temporary files of this process until it ends
