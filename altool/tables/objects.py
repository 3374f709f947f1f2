"""Object storage (`s3://`, `gs://`): what altool needs of it, through pyarrow.fs.

An object is there whole or not at all, and is never changed: it is replaced. So a file is made in the folder for temporary files and put
as one object. A folder that must be read as one (a table in parts, a model) is as many objects under names of that run alone, and a
manifest, put last, that says which objects the folder is made of: readers take these and no others. So a run that is killed changes
nothing, of two runs that write the same target the last one counts, and neither removes what is the other's.

Objects are put by one call of the library, which no exception of Python's interrupts: a stream of pyarrow publishes what was written to
it when it is closed, also where a `with` block fails, and when it is forgotten. A small object is put by one request (PutObject); pyarrow
by default makes each, even an empty one, in three (CreateMultipartUpload, UploadPart, CompleteMultipartUpload), which a simple stand-in
for S3 may not answer.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from altool.errors import AltoolError, InputError, UsageError
from altool.text import masked

MANIFEST = "_manifest.json"
FORMAT = 1
STORES = ("s3://", "gs://", "gcs://", "abfs://", "abfss://", "hdfs://")
LEFT = 7 * 86_400  # seconds after which an object that no manifest names was left by a run that was killed
OWN = re.compile(r"(.+)-([0-9a-f]{20})((?:\.\w+)*)")
ACCESS = "check the address and your access to it"


def is_remote(location: str | Path) -> bool:
    """Is the location in an object store? `file://` is a path."""
    return "://" in str(location) and not str(location).lower().startswith("file://")


def names_object(text: str) -> bool:
    """Is a text, which may also be something else, the address of an object?"""
    return text.lower().startswith(STORES)


def path_of(location: str) -> Path | None:
    """The path of a location on this machine, `file://` too; None for one in an object store. Raises UsageError."""
    if "\0" in location:
        raise UsageError(f"{location}: a path cannot contain NUL", "give another path")
    if "://" not in location:
        return Path(location)
    return None if is_remote(location) else Path(Place("file" + location[4:])._opened[1])


def named(name: str, token: str) -> str:
    """The name of the object that holds the file `name` of the folder that the run of this token makes."""
    stem, dot, ending = name.partition(".") if not name.startswith(("_", ".")) else (name, "", "")
    return f"{stem}-{token}{dot}{ending}"


@dataclass(frozen=True)
class Place:
    """An address: an object, or what the names of objects begin with. Opened when it is first needed.

    What is asked of the store raises InputError where it cannot be reached or does not allow it; an address that is none, UsageError.
    """

    uri: str

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        import pyarrow as pa  # here alone, as below: what reads small files is imported where no table is read
        from pyarrow import fs

        address, _, query = self.uri.partition("?")
        wanted = f"{query}&allow_delayed_open=true".lstrip("&") if address.lower().startswith("s3://") else query
        try:
            try:
                return fs.FileSystem.from_uri(f"{address}?{wanted}" if wanted else address)
            except pa.ArrowInvalid:  # an older pyarrow does not have that option
                return fs.FileSystem.from_uri(self.uri)
        except (pa.ArrowException, OSError, ImportError, ValueError) as error:
            reason = masked(" ".join(str(error).split()))[:200]
            raise UsageError(f"{self}: not an address that altool can write to ({reason})", "give another path") from error

    @property
    def filesystem(self) -> Any:
        return self._opened[0]

    @property
    def path(self) -> str:
        """The bucket, and the name in it."""
        return self._opened[1].rstrip("/")

    @property
    def name(self) -> str:
        """What comes after the last slash."""
        return self.uri.partition("?")[0].rstrip("/").rpartition("/")[2]

    def __str__(self) -> str:
        return masked(self.uri)

    def __truediv__(self, name: str) -> Place:
        address, question, query = self.uri.partition("?")
        return Place(f"{address.rstrip('/')}/{name}{question}{query}")

    def beside(self, name: str) -> Place:
        """The place of another name before the last slash."""
        address, question, query = self.uri.partition("?")
        return Place(f"{address.rstrip('/').rpartition('/')[0]}/{name}{question}{query}")

    def kind(self) -> str:
        """What is there: "file", "folder" (objects below it), or "" for neither."""
        from pyarrow import fs

        with self._reached("cannot be reached"):
            found = self.filesystem.get_file_info(self.path).type
        return {fs.FileType.File: "file", fs.FileType.Directory: "folder"}.get(found, "")

    def files(self) -> dict[str, float]:
        """The names of all objects below, as they go on from here, in name order, and when each was put (seconds since 1970)."""
        from pyarrow import fs

        with self._reached("cannot be read"):
            found = self.filesystem.get_file_info(fs.FileSelector(self.path, recursive=True, allow_not_found=True))
        cut = len(self.path) + 1
        of_files = ((one.path[cut:], (one.mtime_ns or 0) / 1e9) for one in found if one.type == fs.FileType.File)
        return dict(sorted(one for one in of_files if one[0]))

    def read(self, largest: int | None = None) -> bytes:
        """The object's content. Raises InputError where it is not there, or has more than `largest` bytes."""
        with self._reached("cannot be read"), self.filesystem.open_input_file(self.path) as file:
            if largest is not None and file.size() > largest:
                raise InputError(f"{self}: found {file.size():,} bytes, expected at most {largest:,}", ACCESS)
            return file.read()

    @contextmanager
    def reading(self) -> Iterator[io.BufferedReader]:
        """The object, open for reading."""
        with self._reached("cannot be read"), self.filesystem.open_input_file(self.path) as file, io.BufferedReader(file) as reader:
            yield reader

    def fetch(self, target: Path) -> None:
        """Copy the object to a path."""
        from pyarrow import fs

        with self._reached("cannot be read"):
            fs.copy_files(self.path, str(target), self.filesystem, fs.LocalFileSystem(), use_threads=False)

    def put(self, content: bytes | memoryview | Path) -> None:
        """Put an object, or the one that takes its place: the content, or that of a file. Raises UsageError where it cannot be written."""
        from pyarrow import fs

        if not isinstance(content, Path):
            with tempfile.TemporaryDirectory(prefix="altool-") as folder:
                file = Path(folder, "object")
                file.write_bytes(content)
                return self.put(file)
        with self._reached("cannot be written", UsageError):
            fs.copy_files(str(content), self.path, fs.LocalFileSystem(), self.filesystem, use_threads=False)
        return None

    def remove(self) -> None:
        """Remove the object, if it is there."""
        with self._reached("cannot be removed", UsageError):
            try:
                self.filesystem.delete_file(self.path)
            except FileNotFoundError:
                return

    @contextmanager
    def _reached(self, what: str, kind: type[InputError] | type[UsageError] = InputError) -> Iterator[None]:
        import pyarrow as pa
        from pyarrow import fs

        try:
            yield
        except AltoolError:
            raise
        except Exception as error:
            # A store that a library in Python stands behind (hf://) has errors of its own kind.
            if not isinstance(error, pa.ArrowException | OSError) and not isinstance(self.filesystem, fs.PyFileSystem):
                raise
            reason = "it is not there" if isinstance(error, FileNotFoundError) else masked(" ".join(str(error).split()))
            raise kind(f"{self} {what} ({reason})", ACCESS) from error


# Folders that are read as one


def manifest(content: bytes, label: str) -> dict[str, str]:
    """{file of the folder: its object} as a manifest says it. Raises InputError where it is none of altool's."""
    found = None
    with suppress(ValueError, RecursionError):
        found = json.loads(content)
    listed = found.get("objects") if isinstance(found, dict) and found.get("altool") == FORMAT else None
    if not isinstance(listed, dict) or not all(isinstance(name, str) and "/" not in name for name in (*listed, *listed.values())):
        raise InputError(f"{label}: {MANIFEST} is not one that altool wrote", "give a folder that altool wrote")
    return listed


def listed(folder: Place) -> dict[str, str] | None:
    """What the folder's manifest says; None where it has none."""
    place = folder / MANIFEST
    return manifest(place.read(), str(folder)) if place.kind() == "file" else None


class Folder:
    """A folder that is being made: files are put as they are finished, `publish` makes them the folder's."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._token = uuid.uuid4().hex[:20]
        self._objects: dict[str, str] = {}

    def put(self, file: Path) -> None:
        """Put a finished file under a name of this run's."""
        name = named(file.name, self._token)
        (self.place / name).put(file)
        self._objects[file.name] = name

    def publish(self) -> None:
        """Put the manifest; then remove the objects of the one that it replaces, and those that killed runs left a week ago."""
        before = listed(self.place) or {}
        content = {"altool": FORMAT, "objects": dict(sorted(self._objects.items()))}
        (self.place / MANIFEST).put(json.dumps(content, indent=1).encode())
        old = {name for name, when in self.place.files().items() if OWN.fullmatch(name) and when < time.time() - LEFT}
        for name in sorted((old | set(before.values())) - set(self._objects.values())):
            (self.place / name).remove()

    def withdraw(self) -> None:
        """Remove what was put: nothing was published."""
        for name in self._objects.values():
            (self.place / name).remove()


# Folders that people look into: pages, pictures, a simulated run. Their files keep their names, and the one that makes them whole is last.


def put_files(place: Place, folder: Path, last: str) -> None:
    """Put the files of a folder in place of those that are there; the one called `last` goes first, and comes last."""
    there = place.files()
    if last in there:
        (place / last).remove()
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    for name in sorted(files, key=lambda name: (name == last, name)):
        if name == last:
            for old in sorted(set(there) - set(files)):
                (place / old).remove()
        (place / name).put(files[name])


# Copies on this machine


def stamp(filesystem: Any, path: str) -> object:
    """What changes when an object is replaced. Raises OSError."""
    found = filesystem.get_file_info(path)
    return found.size, found.mtime_ns


def local_copy(location: str, label: str) -> str:
    """A file or a folder as a path on this machine, for as long as the process lives: one in an object store is copied, a folder with a
    manifest as the files that it names. Any other path is that itself.

    Raises InputError, which begins with `label`, where there is nothing at an address.
    """
    if is_remote(location):
        return _copied(location, label)
    path = path_of(location) or Path(location)
    names = of_manifest(path)
    if not names:
        return location
    target = _room() / path.name
    target.mkdir()
    for name, each in names.items():
        if not (path / each).is_file():
            raise InputError(f"{label}: {each} is not there, which its {MANIFEST} names", "copy the folder again")
        shutil.copyfile(path / each, target / name)
    return str(target)


@cache
def _copied(location: str, label: str) -> str:
    place = Place(location)
    kind = place.kind()
    if not kind:
        raise InputError(f"{label}: no such file or folder", ACCESS)
    target = _room() / place.name
    if kind == "file":
        place.fetch(target)
        return str(target)
    target.mkdir()
    for name, each in (listed(place) or {name: name for name in place.files() if "/" not in name}).items():
        (place / each).fetch(target / name)
    return str(target)


def copy(file: Path, location: str) -> None:
    """Put a file at an address; where there is no file, what is there goes."""
    place = Place(location)
    if file.exists():
        place.put(file)
    elif place.kind() == "file":
        place.remove()


def of_manifest(folder: Path) -> dict[str, str]:
    """{file: object} of a copy on this machine of such a folder; empty where it has no manifest of altool's."""
    with suppress(OSError, InputError):
        return manifest((folder / MANIFEST).read_bytes(), str(folder))
    return {}


def stage(location: str, room: Path | None = None) -> Path:
    """The folder in `room`, by default the folder for temporary files, where what a run has done so far lies that writes to the address; a
    killed one leaves it to the next on this machine. Raises UsageError where it is somebody else's."""
    digest = hashlib.sha256(location.encode()).hexdigest()[:20]
    folder = Path(tempfile.gettempdir(), f"altool-{digest}") if room is None else room / f".altool-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
        raise UsageError(f"{folder} is another user's", "set TMPDIR to a folder of your own")
    return folder


def unstage(location: str) -> None:
    """Remove the folder of `stage`, if nothing is left in it."""
    with suppress(OSError):
        stage(location).rmdir()


def _room() -> Path:
    """An empty folder for one copy."""
    _rooms.append(tempfile.TemporaryDirectory(prefix="altool-copy-"))
    return Path(_rooms[-1].name)


_rooms: list[tempfile.TemporaryDirectory[str]] = []  # keeps the copies of this process until it ends


def beside(location: str, ending: str) -> str:
    """The location of what lies beside a table: its name without .parquet, and with the ending."""
    address, question, query = location.partition("?") if is_remote(location) else (location, "", "")
    return address.rstrip("/").removesuffix(".parquet") + ending + question + query
