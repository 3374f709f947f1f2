"""Did altool write what is there? Only then is it replaced."""

from __future__ import annotations

import csv
import io
import os
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from altool.errors import AltoolError, InputError, UsageError
from altool.tables.listing import LEFT
from altool.tables.objects import MANIFEST, OWN, Place, listed, path_of
from altool.tables.outside import load_json, read_bytes
from altool.tables.picture_folders import are_pictures, are_remote_pictures
from altool.tables.schema import ALWAYS, KINDS

KEPT = "move it away, or give another path; altool replaces nothing else"
WHAT = {"model": "a model", "page": "a page of altool report", "run": "a simulated run", "csv": "a sheet"}
WHAT |= {"label-studio": "Label Studio tasks", "config": "a labeling config", "pictures": "a folder of a sheet's pictures"}
WHAT |= {"html": "a labeling page", "html/": "labeling pages", "index": "an index"}
# What a sheet holds before anybody fills it in; every other column is for answers.
SHEET = ("altool_id", "altool_round", "altool_rank", "text", "path", "image", "suggestion", "suggestion_score", "tier")
CONFIG = rb'<View>(<(Text|Image) [^<>]*/>)*<Choices name="label" [^<>]*>(<Choice value=[^<>]*/>)*</Choices></View>\n'
MODEL = frozenset(("model.json", "weights.safetensors", "vaal.safetensors", "space.safetensors", "space.bin"))
FITS = frozenset(("_space.safetensors", "_space.bin"))  # in a folder of features
RUN = frozenset(("history.parquet", "picks.parquet", "times.parquet"))
INDEX = b"altool-index-1\0\0"  # what an index (tables/neighbours.py) begins with
PAGES = re.compile(r"index\.html|page-\d{3,}\.html")
PAGE = b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="generator" content="altool select --export html">\n'


def ours(kind: str, location: str | os.PathLike[str], *, parts: bool = False) -> bool:
    """Did altool write what is at this path, or URI, as this kind? What is empty is nobody's work, and may be replaced."""
    path = path_of(str(location))
    if path is None:
        return _ours_remote(kind, Place(str(location)), parts)
    if path.is_dir():
        names = {entry.name for entry in path.iterdir()}
        if kind == "model":
            return not names or ({"model.json"} <= names <= MODEL and _regular(path, names) and _is_model(path))
        if kind == "pictures":
            return not names or are_pictures(path, names)
        if kind == "run":
            return not names or (names <= RUN and all(ours(name.removesuffix(".parquet"), path / name) for name in names))
        if kind == "html/":
            return all(PAGES.fullmatch(name) and ours("html", path / name) for name in names)
        part = re.compile(r"part-\d{5,}\.parquet")
        return parts and all(LEFT.fullmatch(name) or (part.fullmatch(name) and ours(kind, path / name)) for name in names - FITS)
    if parts or kind in ("model", "run") or kind.endswith("/") or not path.is_file():
        return False
    with open(path, "rb") as file:
        return _ours(kind, file)


def _ours_remote(kind: str, place: Place, parts: bool) -> bool:
    """`ours` in an object store. Beside the objects that a manifest names, others may lie there that killed runs left."""

    def is_(name: str, kind: str) -> bool:
        with (place / name if name else place).reading() as file:
            return _ours(kind, file)

    if place.kind() == "file":
        return not (parts or kind in ("model", "run") or kind.endswith("/")) and is_("", kind)
    names = set(place.files())
    if kind == "run":
        return names <= RUN and all(is_(name, name.removesuffix(".parquet")) for name in names)
    if kind == "html/":
        return all(PAGES.fullmatch(name) and is_(name, "html") for name in names)
    if kind == "pictures":
        return not names or are_remote_pictures(place, names)
    files = (listed(place) or {}) if MANIFEST in names else {}
    if not all(OWN.fullmatch(name) for name in names - {MANIFEST}):
        return False
    if kind == "model":
        return not files or ({"model.json"} <= files.keys() <= MODEL and _is_facts(place / files["model.json"]))
    part = re.compile(r"part-\d{5,}\.parquet")
    return parts and all(part.fullmatch(name) and is_(files[name], kind) for name in files.keys() - FITS)


def _is_facts(place: Place) -> bool:
    try:
        return _has_facts(load_json(place.read(), "model"))
    except InputError:
        return False


def _has_facts(facts: Any) -> bool:
    return isinstance(facts, dict) and {"format", "classifier", "classes", "width"} <= facts.keys()


def _regular(folder: Path, names: Iterable[str]) -> bool:
    return all(stat.S_ISREG((folder / name).lstat().st_mode) for name in names)


def _is_model(folder: Path) -> bool:
    try:
        facts = load_json(read_bytes(folder / "model.json", "model"), "model")
    except InputError:
        return False
    return _has_facts(facts)


def _ours(kind: str, file: BinaryIO) -> bool:
    head = file.read(1 << 16)
    file.seek(0)
    if not head:
        return True
    if kind in KINDS:
        return _is_table(kind, head, file)
    checks: dict[str, Callable[[bytes, BinaryIO], bool]] = {
        "index": lambda head, file: head.startswith(INDEX),
        "page": lambda head, file: head.startswith(b"<!DOCTYPE html>") and _is_page(file.read()),
        "csv": lambda head, file: _is_empty_sheet(file),
        "label-studio": lambda head, file: head.startswith(b"[\n") and _are_tasks(file),
        "config": lambda head, file: bool(re.fullmatch(CONFIG, file.read())),
        "html": lambda head, file: head.startswith(PAGE) and file.read().endswith(b"</body>\n</html>\n"),
    }
    return kind in checks and checks[kind](head, file)


def _is_table(kind: str, head: bytes, file: BinaryIO) -> bool:
    try:
        if head[:4] == b"PAR1":
            return _kind_of(pq.read_schema(file)) == kind
        if head[:4] == b"\xff\xff\xff\xff":
            return _kind_of(pa.ipc.open_stream(file).schema) == kind
        line = file.readline().decode()
        names = list(load_json(line, "")) if line.startswith("{") else next(csv.reader([line]))
    except (pa.ArrowException, OSError, ValueError, csv.Error, StopIteration, InputError):
        return False
    known, always = list(KINDS[kind].columns), ALWAYS.get(kind, ())
    return bool(always) and set(always) <= set(names) and [name for name in known if name in names] == names


def _kind_of(schema: pa.Schema) -> str:
    return bytes((schema.metadata or {}).get(b"altool.kind", b"")).decode(errors="replace")


def _is_page(content: bytes) -> bool:
    # Pages of altool before they had a script have a footer of their own.
    made = b'\n<meta name="generator" content="altool report">' in content[:500] or b"\n<footer>altool report; {" in content
    return made and content.endswith((b"</script>\n</body>\n</html>\n", b"</footer>\n</body>\n</html>\n"))


def _is_empty_sheet(file: BinaryIO) -> bool:
    """A sheet that nobody has filled in: what people wrote is not altool's."""
    longest = csv.field_size_limit(2**31 - 1)
    try:
        rows = csv.reader(io.StringIO(file.read().decode(), newline=""))
        header = next(rows)
        answers = [place for place, name in enumerate(header) if name not in SHEET]
        return header[:3] == list(SHEET[:3]) and all(len(row) == len(header) and not any(row[place] for place in answers) for row in rows)
    except (ValueError, csv.Error, StopIteration):
        return False
    finally:
        csv.field_size_limit(longest)


def _are_tasks(file: BinaryIO) -> bool:
    """Tasks as altool writes them, one a line, without annotations."""
    lines = [line.rstrip(b",\n") for line in file][1:]
    if lines[-1:] != [b"]"]:
        return False
    try:
        tasks = [load_json(line, "") for line in lines[:-1]]
    except InputError:
        return False
    return all(isinstance(task, dict) and task.keys() == {"data", "predictions"} and "altool_id" in task["data"] for task in tasks)


def refuse_foreign(kind: str, location: str | os.PathLike[str], *, parts: bool = False, shown: str = "") -> None:
    """Raises UsageError unless altool wrote what is at this path, or URI, as this kind; `shown` is its name in the message."""
    try:
        if ours(kind, location, parts=parts):
            return
        why = "holds answers, or " if kind == "csv" else ""
    except AltoolError:
        why = ""
    raise UsageError(f"{shown or location} exists and {why}is not {WHAT.get(kind, f'a table of {kind}')} written by altool", KEPT)
