"""The pictures of tasks as annotation tools take them: addresses, or data URIs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, unquote

from altool.errors import InputError
from altool.labels.exchange import Task
from altool.text import count

MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF....WEBP", "image/webp"),
    (b"....ftypavif", "image/avif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)


def mime(image: bytes) -> str | None:
    """The image's type, by its first bytes; None if it is none that browsers and tools open."""
    return next((kind for magic, kind in MAGIC if _starts(image, magic)), None)


def _starts(image: bytes, magic: bytes) -> bool:
    """Does `image` begin with `magic`, in which a dot stands for any byte?"""
    return len(image) >= len(magic) and all(want in (ord("."), byte) for byte, want in zip(image, magic, strict=False))


def has(task: Task) -> bool:
    """Is there a picture to show?"""
    return task.image is not None or task.address is not None or task.path is not None


def shown(task: Task) -> str | None:
    """The picture as a tool takes it: its address, else its bytes as a data URI, else its path."""
    if task.address is not None or task.image is None:
        return task.path if task.address is None else task.address
    return f"data:{mime(task.image)};base64,{base64.b64encode(task.image).decode()}"


def address(prefix: str, task: Task) -> str:
    """The address of a task's picture behind `prefix` (`--image-url`): of its path, else of its id. A path that is an address stays."""
    name = str(task.id) if task.path is None else task.path
    return name if "://" in name else prefix + quote(name, safe="/")


def opens(task: Task) -> bool:
    """Can a browser open the picture? It has none of this machine's files."""
    return task.address is not None or task.image is not None or task.path is None or "://" in task.path


def check(tool: str, tasks: Sequence[Task]) -> None:
    """Raise InputError, which begins with `tool`, for tasks with nothing to show, or with bytes that are no picture."""
    empty = [task.id for task in tasks if task.text is None and not has(task)]
    if empty:
        raise InputError(f"{tool}: {count(len(empty), 'query', 'queries')} without text or image (ids {_naming(empty)})", "give --items")
    strange = [task.id for task in tasks if task.image is not None and task.address is None and mime(task.image) is None]
    if strange:
        raise InputError(
            f"{tool}: {count(len(strange), 'query', 'queries')} with an image that is no PNG, JPEG, GIF, WebP, AVIF, BMP or TIFF "
            f"(ids {_naming(strange)})",
            "leave these rows out: --exclude",
        )


def _naming(ids: Sequence[Any]) -> str:
    return ", ".join(str(value) for value in ids[:3])


def parts(path: str) -> list[str]:
    """The folders and the name of a path or an address."""
    path = path.rpartition("?d=")[2] if "?d=" in path else path.partition("?")[0] if "://" in path else path
    return [part for part in unquote(path).replace("\\", "/").split("/") if part not in ("", ".")]
