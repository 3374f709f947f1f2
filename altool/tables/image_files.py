"""A folder of images as an items table: a row for each image file, whose id and `path` are its path below the folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa

from altool.errors import InputError
from altool.tables.fragments import MemoryFragment
from altool.tables.listing import Listing, fixed
from altool.tables.outside import decode, read_bytes

SURROGATE = re.compile("[\ud800-\udfff]")  # what stands in a name for a byte that is not UTF-8


class ImageFiles(MemoryFragment):
    """The rows of a folder of images: nothing but names, so that its folders can be listed instead of looking up each file."""


def texts_beside(paths: Sequence[str], ending: str) -> dict[str, str]:
    """{image: file} of the files of images' names, but for an ending such as txt."""
    found = {path: f"{os.path.splitext(path)[0]}.{ending}" for path in paths}
    return {path: text for path, text in found.items() if os.path.isfile(text)}


def image_rows(
    label: str, location: str, found: Listing, paths: Sequence[str], texts: Mapping[str, Mapping[str, str]] = MappingProxyType({})
) -> ImageFiles:
    """The image files at these `paths` of a listing, in name order, as a table with the columns `id` and `path` (string).

    Both are the path below the folder or, of a glob, below its part before the first wildcard: the same on every machine. `texts`
    are further columns, {name: {image: file}}. Raises InputError, which begins with `label`, for a name or a text that is not UTF-8.
    """
    root = found.folder or fixed(location)
    if "://" in root:
        from pyarrow import fs

        root = fs.FileSystem.from_uri(root)[1]
    start = root.rstrip("/") + "/"
    placed = sorted((path.removeprefix(start).lstrip("/"), path) for path in paths)
    names = [name for name, _ in placed]
    try:
        ids = pa.array(names, pa.string())
    except UnicodeEncodeError as error:
        strange = next(name for name in names if SURROGATE.search(name))
        shown = os.fsencode(strange).decode("utf-8", "backslashreplace")
        raise InputError(f"{label}: the file name {shown} is not UTF-8", "rename the file") from error
    columns = {name: pa.array([_text(label, files.get(path)) for _, path in placed], pa.string()) for name, files in texts.items()}
    return ImageFiles(location, pa.table({"id": ids, "path": ids, **columns}))


def _text(label: str, path: str | None) -> str | None:
    return None if path is None else decode(read_bytes(path, label), f"{label}: {path}")
