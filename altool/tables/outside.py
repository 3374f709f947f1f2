"""Small files and texts from outside the program: read only if they are files of a sane size, and parsed whatever they hold."""

from __future__ import annotations

import json
import os
import re
import stat
from typing import Any

from altool.errors import InputError
from altool.tables.objects import Place, is_remote

DEEPEST = 100  # lists and objects in each other: as Python can still print and compare
LARGEST = 64 << 20  # bytes of a file that people write
UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # byte-order marks
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_bytes(path: str | os.PathLike[str], label: str, largest: int = LARGEST) -> bytes:
    """The content of a regular file, or an object, of at most `largest` bytes. Raises InputError, which begins with `label`, for anything
    else.

    A pipe or a device is never waited for.
    """
    hint = "check the path and your access to it"
    if is_remote(str(path)):
        try:
            return Place(str(path)).read(largest)
        except InputError as error:
            raise InputError(f"{label}: {error.message}" if str(path) not in label else error.message, error.hint) from error
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{label}: cannot be read ({reason})", hint) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise InputError(f"{label}: it is {what}, not a file", "write it to a file")
        if status.st_size > largest:
            raise InputError(f"{label}: found {status.st_size:,} bytes, expected at most {largest:,}", hint)
        with open(handle, "rb", closefd=False) as file:
            return file.read(largest)
    except OSError as error:
        raise InputError(f"{label}: cannot be read ({error.strerror})", hint) from error
    finally:
        os.close(handle)


class NotUtf8(InputError):
    """A text in another encoding, which is probably `guess`."""

    guess = "cp1252"


def decode(content: bytes, label: str) -> str:
    """UTF-8, with or without a byte-order mark. Raises NotUtf8, which begins with `label`, for anything else."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        guess = "UTF-16" if content[:2] in UTF_16 else "probably Windows-1252, as spreadsheets write it"
        found = NotUtf8(
            f"{label}: not UTF-8 ({guess}; the first such byte is in line {line:,})",
            'save it as UTF-8: in a spreadsheet as "CSV UTF-8", or by iconv -f WINDOWS-1252 -t UTF-8',
        )
        found.guess = "utf-16" if content[:2] in UTF_16 else found.guess
        raise found from error


def load_json(text: str | bytes, label: str) -> Any:
    """What a JSON text says. Raises InputError, which begins with `label`, for one that is no JSON or that nothing could be done with:
    lists in each other beyond all use, half a surrogate pair, an integer of thousands of digits."""
    text = decode(text, label) if isinstance(text, bytes) else text.removeprefix("\ufeff")
    try:
        value = json.loads(text)
        if SURROGATE.search(text) or not text.isascii():
            (json.dumps(value, ensure_ascii=False) if SURROGATE.search(text) else text).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{label}: a text with half a surrogate pair, which is not a character", "write it as UTF-8") from error
    except RecursionError as error:
        raise _deep(label) from error
    except ValueError as error:
        raise InputError(f"{label}: not JSON ({str(error).splitlines()[0]})", "write it again") from error
    _check_depth(value, label)
    return value


def load_toml(content: bytes, label: str) -> dict[str, Any]:
    """What a TOML file says. Raises InputError, which begins with `label`, as `load_json` does."""
    import tomllib  # here alone: few runs need it

    try:
        value = tomllib.loads(decode(content, label))
    except RecursionError as error:
        raise _deep(label) from error
    except ValueError as error:
        raise InputError(f"{label}: not TOML ({str(error).splitlines()[0]})", "correct the line") from error
    _check_depth(value, label)
    return value


def _check_depth(value: Any, label: str) -> None:
    level = [value]
    for _ in range(DEEPEST):
        containers = [part for part in level if isinstance(part, dict | list)]
        if not containers:
            return
        level = [part for one in containers for part in (one.values() if isinstance(one, dict) else one)]
    raise _deep(label)


def _deep(label: str) -> InputError:
    return InputError(f"{label}: lists or objects nested more than {DEEPEST} deep", "write it flat")
