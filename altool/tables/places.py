"""Folders that files are added to, on this machine or in object storage, by their locations: paths and URIs."""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa

from altool.errors import InputError
from altool.tables.check import short


def is_remote(location: str) -> bool:
    """Is it a URI of another machine's? `file://` is none."""
    return "://" in location and not location.lower().startswith("file://")


def within(folder: str, name: str) -> str:
    """The location of a file of the folder; what a URI asks for (`?endpoint_override=…`) stays behind it."""
    address, question, query = folder.partition("?") if "://" in folder else (folder, "", "")
    return f"{address.rstrip('/') or '/'}/{name}{question}{query}"


def beside(folder: str, ending: str) -> str:
    """The location that is called as the folder, with an ending."""
    address, question, query = folder.partition("?") if "://" in folder else (folder, "", "")
    return f"{address.rstrip('/')}{ending}{question}{query}"


def sibling(folder: str, name: str) -> str:
    """The location of a file that lies beside the folder."""
    address, question, query = folder.partition("?") if "://" in folder else (folder, "", "")
    return os.path.join(os.path.dirname(address.rstrip("/")), name) + question + query


def exists(location: str) -> bool:
    """Is there a file, or an object? Raises InputError where the place cannot be reached."""
    return os.path.exists(location) if "://" not in location else _info(location).type.name == "File"


def is_folder(location: str) -> bool:
    """Is there a folder, or in object storage anything below this address? Raises InputError where the place cannot be reached."""
    return os.path.isdir(location) if "://" not in location else _info(location).type.name == "Directory"


def _info(uri: str) -> Any:
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
        return filesystem.get_file_info(path)
    except (OSError, pa.ArrowException, ImportError, ValueError) as error:
        raise InputError(
            f"{uri.partition('?')[0]}: cannot be opened ({short(error)})", "check the address and your access to it"
        ) from error
