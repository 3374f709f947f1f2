"""The members of a tar and where their bytes lie, from its headers alone: nothing is unpacked, and of the content nothing is read.

Formats: ustar, GNU and pax, as POSIX.1-2017 (pax, "Extended header") and GNU tar's manual ("Basic Tar Format") have them. Python's
`tarfile` reads the same, but takes a tar that was cut off between two members, or joined to another one, for a whole one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

BLOCK = 512  # bytes of a header; content is filled up to as many
WINDOW = 8 * BLOCK  # read at once: a pax header, its content and the member's own header
END = bytes(BLOCK)
MAGIC = b"ustar"  # at 257: of ustar, GNU and pax alike
LONG_HEADER = 1 << 20  # bytes that names and times of a member do not take
REGULAR = b"0\x007"
HARD_LINK, FOLDER = b"1", b"5"


class BadTar(Exception):
    """What is wrong with a tar, and what to do."""

    def __init__(self, problem: str, hint: str = "write it again") -> None:
        super().__init__(problem)
        self.problem, self.hint = problem, hint


class Entry(NamedTuple):
    """A member: its name, its kind as the header has it, where its content begins, its length, and what it is a link to."""

    name: str
    kind: bytes
    offset: int
    size: int
    link: str


def is_tar(head: bytes) -> bool:
    """Does a file with these first bytes look like a tar?"""
    return head[257:262] == MAGIC


def entries(path: str) -> Iterator[Entry]:
    """The members of a tar, in its order. Raises BadTar for one that is damaged, cut off, or followed by something else."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield from _entries(handle, os.fstat(handle).st_size)
    finally:
        os.close(handle)


def _entries(handle: int, end: int) -> Iterator[Entry]:
    window, start = b"", 0

    def read(offset: int, size: int) -> bytes:
        nonlocal window, start
        if size > WINDOW:
            return os.pread(handle, size, offset)
        if not start <= offset <= offset + size <= start + len(window):
            window, start = os.pread(handle, WINDOW, offset), offset
        return window[offset - start : offset - start + size]

    offset = 0
    always: dict[str, str] = {}  # of pax: what holds for every member from here on
    own: dict[str, str] = {}  # what the headers before a member say of it
    while True:
        head = read(offset, BLOCK)
        if len(head) < BLOCK:
            raise BadTar("it is cut off: its end is missing")
        if head == END:
            break
        if not _is_sound(head):
            raise BadTar(f"the header at byte {offset:,} is damaged")
        kind, size = head[156:157], _number(head[124:136])
        content = offset + BLOCK
        if kind in b"xgLK":
            if size > LONG_HEADER or content + size > end:
                raise BadTar(f"it is cut off or damaged at byte {offset:,}")
            body = read(content, size)
            if kind in b"xg":
                (own if kind == b"x" else always).update(_pax(body, offset))
            else:
                own["path" if kind == b"L" else "linkpath"] = body.rstrip(b"\0").decode("utf-8", "surrogateescape")
            offset = content + _filled(size)
            continue
        said = always | own
        own = {}
        name = said.get("path") or _name(head)
        if "size" in said and said["size"].isdecimal():
            size = int(said["size"])
        if kind in REGULAR and name.endswith("/"):
            kind = FOLDER
        if kind not in REGULAR:
            size = size if kind == b"S" or kind not in b"123456" else 0
        if content + size > end:
            raise BadTar(f"it is cut off within {name}")
        sparse = any(key.startswith("GNU.sparse.") for key in said)
        yield Entry(name, b"S" if sparse else kind, content, size, said.get("linkpath") or _text(head[157:257]))
        offset = content + _filled(size)
    while offset < end:
        rest = os.pread(handle, 1 << 20, offset)
        if rest.strip(b"\0"):
            raise BadTar(f"more follows behind its end, at byte {offset:,}", "join tars with tar --concatenate, not with cat")
        offset += len(rest)


def _is_sound(head: bytes) -> bool:
    """Is the sum of the header's bytes the one that it says? Its own place counts as blanks."""
    try:
        said = int(head[148:156].split(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        return False
    return said == sum(head) - sum(head[148:156]) + 8 * 32


def _number(field: bytes) -> int:
    """Octal digits, or as GNU has it for large ones, the bytes behind a first one of 128. Raises BadTar."""
    if field[0] == 128:
        return int.from_bytes(field[1:], "big")
    try:
        return int(field.split(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        raise BadTar("the size of a member is damaged") from None


def _name(head: bytes) -> str:
    name = _text(head[:100])
    prefix = _text(head[345:500]) if head[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")


def _pax(body: bytes, offset: int) -> dict[str, str]:
    """The records `LENGTH KEY=VALUE` of an extended header."""
    found = {}
    while body.strip(b"\0"):
        length = body.split(b" ", 1)[0]
        record = body[len(length) + 1 : int(length)] if length.isdigit() else b""
        key, equals, value = record.removesuffix(b"\n").partition(b"=")
        if not equals:
            raise BadTar(f"the header at byte {offset:,} is damaged")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
        body = body[int(length) :]
    return found


def _filled(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
