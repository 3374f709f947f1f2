"""`--label-map`: other names for a tool's labels, on the command line or in a file."""

from __future__ import annotations

import csv
import io
import json
import os
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from altool.errors import InputError, UsageError
from altool.tables.objects import names_object
from altool.tables.outside import read_bytes

EXAMPLE = "for example --label-map pos=positive,neg=negative; names with a comma or = in a file: --label-map FILE"


def parse(given: Sequence[str]) -> dict[str, str]:
    """`OLD=NEW,…`, one pair whose names hold a comma, or a file (TOML, a JSON object, or CSV of two columns). Raises UsageError, and
    InputError for a file that is none of these."""
    names: dict[str, str] = {}
    for text in given:
        for old, new in _file(text) if (names_object(text) or os.path.isfile(text)) else pairs(text, "--label-map"):
            if not old or not new:
                raise UsageError(f"--label-map: expected OLD=NEW, found {f'{old}={new}'!r}", EXAMPLE)
            if old in names:
                raise UsageError(f"--label-map: {old!r} is given twice", "give each OLD once")
            names[old] = new
    return names


def pairs(text: str, option: str) -> Iterable[tuple[str, str]]:
    """The pairs of `OLD=NEW,…`; a text whose only = stands behind a comma is one pair. Raises UsageError."""
    parts = [text] if text.count("=") == 1 and "," in text.partition("=")[0] else text.split(",")
    for part in filter(None, parts):
        old, equals, new = part.partition("=")
        if not equals or not old or not new:
            raise UsageError(
                f"{option}: expected OLD=NEW, found {part!r}", EXAMPLE if option == "--label-map" else f"for example {option} pos=positive"
            )
        yield old, new


def _file(path: str) -> Iterable[tuple[str, str]]:
    try:
        text = read_bytes(path, "--label-map").decode("utf-8-sig") if names_object(path) else Path(path).read_text("utf-8-sig")
        if text.lstrip().startswith("{"):
            found = json.loads(text)
        else:
            try:
                found = tomllib.loads(text)
            except tomllib.TOMLDecodeError:
                found = _table(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"--label-map {path}: cannot be read ({error})", 'write OLD = "NEW" lines, a JSON object or CSV of two columns'
        ) from error
    if not isinstance(found, dict) or not all(isinstance(new, str) for new in found.values()):
        raise InputError(f"--label-map {path}: expected one text per name", 'for example "Home, garden" = "home"')
    return found.items()


def _table(text: str) -> dict[str, str]:
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    rows = rows[1:] if rows and [cell.strip().lower() for cell in rows[0]] == ["old", "new"] else rows
    if not rows or any(len(row) != 2 for row in rows):
        raise ValueError("neither TOML nor CSV of two columns")
    if len({row[0] for row in rows}) < len(rows):
        raise ValueError("a name is given twice")
    return {row[0]: row[1] for row in rows}
