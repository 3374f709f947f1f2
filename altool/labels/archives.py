"""Zip archives as tools export them. Nothing is written by a name out of an archive, and nothing is unpacked beyond `LARGEST` bytes."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from altool.errors import InputError
from altool.tables.listing import decompressed
from altool.text import count

LARGEST = 4 << 30  # bytes that the members of an archive may have together
MOST = 2_000_000  # members
CHUNK = 1 << 20
HINT = "unpack it and give the files in it"


class Limited:
    """A stream that ends with an error behind `left` bytes: what an archive says of its sizes need not be true."""

    def __init__(self, name: str, stream: IO[bytes], left: int) -> None:
        self.name, self.stream, self.left = name, stream, left

    def read(self, size: int = CHUNK) -> bytes:
        content = self.stream.read(size if size >= 0 else CHUNK)
        self.left -= len(content)
        if self.left < 0:
            raise InputError(f"{self.name}: its files have more than {LARGEST >> 30} GiB", HINT)
        return content


def opened(name: str, file: Any) -> zipfile.ZipFile:
    """The archive in an open file. Raises InputError, which begins with `name`, for one that is damaged, and for a name that leaves it."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise InputError(f"{name}: it is a damaged zip archive ({error})", "export it again") from error
    names = archive.namelist()
    if len(names) > MOST:
        raise InputError(f"{name}: it is a zip archive of {count(len(names), 'file')}", HINT)
    if outside := [member for member in names if leaves(member)]:
        raise InputError(f"{name}: a name in it leads out of it ({outside[0][:80]!r})", "export it again")
    return archive


def leaves(member: str) -> bool:
    """Does a name lead out of its archive?"""
    parts = member.replace("\\", "/").split("/")
    return member.startswith(("/", "\\")) or ".." in parts or (len(member) > 1 and member[1] == ":")


def shown(archive: zipfile.ZipFile) -> list[str]:
    """The names of its files, without folders and what systems put beside them."""
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return [name for name in names if not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))]


def unpacked(name: str, archive: zipfile.ZipFile, members: list[str]) -> Iterator[tuple[str, str]]:
    """(member, path of a file with its content) of each. Raises InputError for one that cannot be read, and for too many bytes."""
    left = LARGEST
    for member in members:
        try:
            with archive.open(member) as stream:
                limited = Limited(name, stream, left)
                path = decompressed(limited)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
            raise InputError(f"{name}: {member} cannot be unpacked ({error})", HINT) from error
        left = limited.left
        yield member, path
