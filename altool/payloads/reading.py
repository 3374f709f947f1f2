"""Reading what a row holds. Runs in worker processes: no torch, and pyarrow only for files at a URI."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from altool.payloads.shape import Loaded, Payload

DIGEST_BYTES = 16


class Unusable(Exception):
    """A row that a backbone cannot work on; the message is the reason."""


def read(payload: Payload) -> bytes:
    """The bytes of a row. Raises Unusable where there are none, or a file cannot be read."""
    if payload is None:
        raise Unusable("null")
    if isinstance(payload, tuple):
        try:
            payload = _read_piece(*payload) if len(payload) == 3 else _read_file(*payload)
        except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
            missing = isinstance(error, FileNotFoundError)
            raise Unusable("no such file" if missing else f"the file cannot be read ({type(error).__name__})") from error
    return payload.encode() if isinstance(payload, str) else payload


def _read_file(root: str, name: str) -> bytes:
    if root:
        filesystem, folder = _filesystem(root)
        with filesystem.open_input_file(f"{folder.rstrip('/')}/{name}") as stream:
            return stream.read()
    if os.path.lexists(name) and not os.path.isfile(name):
        raise Unusable("not a file")  # a pipe or a device could be read for ever
    with open(name, "rb") as file:
        return file.read()


def _read_piece(name: str, offset: int, length: int) -> bytes:
    handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.pread(handle, length, offset)
    finally:
        os.close(handle)
    if len(content) < length:
        raise Unusable("the file ends before it")
    return content


@functools.cache
def _filesystem(root: str) -> tuple[Any, str]:
    from pyarrow import fs

    return fs.FileSystem.from_uri(root)


def digest(data: bytes) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(data).digest()[:DIGEST_BYTES], np.uint8)


def digests(payloads: Sequence[Payload]) -> np.ndarray:
    """uint8 (n, 16): a digest of each payload's bytes, zero where they cannot be read."""
    found = np.zeros((len(payloads), DIGEST_BYTES), np.uint8)
    for row, payload in enumerate(payloads):
        try:
            found[row] = digest(read(payload))
        except Unusable:
            continue
    return found


def load_texts(payloads: Sequence[Payload]) -> Loaded:
    """Texts as they are; a null one cannot be used."""
    reasons = ["null" if payload is None else None for payload in payloads]
    return Loaded(digests(payloads), ["" if payload is None else payload for payload in payloads], reasons)
