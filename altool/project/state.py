"""Where a project stands, as its files tell it: what was asked, what is answered, what can be learned and measured."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from altool.errors import InputError
from altool.labels.consensus import Labels, resolve
from altool.tables import label_log
from altool.tables.outside import load_json, read_bytes
from altool.tables.read import Reader, Source

OWN = ".altool"  # what altool keeps for itself in a project's folder
ROUNDS, UNDONE = "rounds", "undone"
ASKED, WAITING, MET, EXHAUSTED = "asked", "waiting", "met", "exhausted"
IMPORTS = f"{OWN}/imports.json"
# Files of a folder of answers that are no exports: notes, pictures, what systems leave behind.
NO_EXPORTS = (
    ".md",
    ".rst",
    ".pdf",
    ".html",
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".py",
    ".sh",
    ".log",
    ".bak",
    ".tmp",
    ".part",
    ".crdownload",
    "~",
)
QUERIES = re.compile(r"queries(?:-(\d+))?\.parquet")


@dataclass(frozen=True)
class Asked:
    """A round: its `number`, and the tables of what it asked, relative to the project's `folder`, in the order in which they were asked.
    A strategy that asks and waits has several; the last of them is without rows when its round is over."""

    folder: Path
    number: int
    tables: Sequence[str]

    @property
    def path(self) -> str:
        return place(self.number)

    @cached_property
    def sizes(self) -> list[int]:
        """The rows of each table."""
        return [pq.read_metadata(self.folder / table).num_rows for table in self.tables]

    @cached_property
    def ids(self) -> pa.Array:
        """What people are to answer: rows that the machine labels itself are left out."""
        return _by_people(self._rows)

    @property
    def last_ids(self) -> pa.Array:
        """The same of its last table that has rows."""
        return _by_people(self._sources[-1].read(["id", "source"]))

    @property
    def key(self) -> str:
        """What tells its last questions from all others, also from those of a round of the same number that was undone."""
        digest = hashlib.sha256("\n".join(map(str, self.ids.to_pylist())).encode()).hexdigest()
        return f"{self.number}.{len(self.tables)} {digest[:12]}"

    @property
    def automatic(self) -> bool:
        """Has the machine labels of its own to give?"""
        return bool(pc.any(pc.equal(self._rows.column("source"), "auto")).as_py())

    @property
    def held_out(self) -> int:
        """How many of its rows are asked to measure on."""
        return pc.sum(pc.equal(self._rows.column("source"), "holdout")).as_py() or 0

    @property
    def asks_on(self) -> bool:
        """Does its strategy ask by the answers, so that all of them have to come?"""
        return "phase" in self._sources[-1]

    @cached_property
    def _rows(self) -> pa.Table:
        return pa.concat_tables([source.read(["id", "source"]) for source in self._sources])

    @cached_property
    def _sources(self) -> list[Source]:
        filled = [table for table, rows in zip(self.tables, self.sizes, strict=True) if rows]
        return [Reader().open(str(self.folder / table), "queries") for table in filled]


@dataclass(frozen=True)
class Known:
    """What the label log holds: the labels to learn from and their classes, the held-out ones, and whether some of the former were drawn
    at random, so that models can be measured on them."""

    labels: int
    classes: int
    most: int  # labels of the most frequent class
    held_out: int
    drawn: bool

    @classmethod
    def of(cls, log: Labels | None) -> Known:
        if log is None:
            return cls(0, 0, 0, 0, False)
        training = log.training
        counts = training.column("label").value_counts().field("counts").to_pylist()
        drawn = pc.any(pc.is_in(training.column("source"), value_set=pa.array(["seed", "explore"]))).as_py()
        return cls(training.num_rows, len(counts), max(counts, default=0), log.holdout.num_rows, bool(drawn))


def _by_people(queries: pa.Table) -> pa.Array:
    return queries.filter(pc.not_equal(queries.column("source"), "auto")).column("id").combine_chunks()


def place(number: int) -> str:
    """The folder of a round, relative to the project's."""
    return f"{ROUNDS}/{number:03d}"


def asked(folder: Path) -> list[Asked]:
    """The rounds that asked for something, by their numbers. A table without rows asked nothing, unless it ends a round."""
    found = []
    for path in sorted((folder / ROUNDS).glob("*"), key=lambda path: (len(path.name), path.name)):
        if not re.fullmatch(r"\d{3,}", path.name) or not path.is_dir():
            continue  # somebody's note
        tables = sorted(entry.name for entry in path.iterdir() if QUERIES.fullmatch(entry.name))
        one = Asked(folder, int(path.name), [f"{ROUNDS}/{path.name}/{table}" for table in sorted(tables, key=_batch)])
        if tables and one.sizes[0]:
            found.append(one)
    return found


def _batch(name: str) -> int:
    found = QUERIES.fullmatch(name)
    return int(found[1] or 1) if found else 0


def read_log(folder: Path, location: str) -> pa.Table | None:
    """The label log; None where there is none yet."""
    if not (folder / location).is_dir():
        return None
    source = Reader().open(str(folder / location), "labels", allow_empty=True)
    return label_log.read(source) if source.fragments else None


def open_ids(one: Asked, log: pa.Table | None) -> pa.Array:
    """The ids that a round asked for and nobody has answered or skipped."""
    if log is None or not len(one.ids):
        return one.ids
    if log.column("id").type != one.ids.type:
        raise InputError(f"labels: ids are {log.column('id').type}, but {one.tables[0]} has {one.ids.type}", "give this project's labels")
    taken = resolve(log.filter(pc.is_in(log.column("id"), value_set=one.ids))).taken
    return one.ids.filter(pc.invert(pc.is_in(one.ids, value_set=taken)))


def exports_of(folder: Path, one: Asked) -> list[str]:
    """The files for annotators of a round's last questions, relative to the project's folder."""
    names = sorted(path.name for path in (folder / one.path).glob(f"{todo(len(one.tables))}.*") if path.is_file())
    return [f"{one.path}/{name}" for name in names]


def answers(folder: Path, location: str) -> list[str]:
    """The files of answers, those that came first first, relative to the project's folder. Hidden ones and notes are none."""
    if not (folder / location).is_dir():
        return []
    found = [path for path in (folder / location).iterdir() if not path.name.startswith((".", "_"))]
    found = [path for path in found if not path.name.lower().endswith(NO_EXPORTS)]
    found.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [os.path.relpath(path, folder) for path in found]


def todo(batch: int) -> str:
    """The name, without an ending, of what annotators are given of a round's questions."""
    return "todo" if batch == 1 else f"todo-{batch:03d}"


def load(path: Path) -> Any:
    """A JSON file that altool wrote; an empty object where there is none."""
    return load_json(read_bytes(path, str(path)), str(path)) if path.exists() else {}


def save(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all."""
    from altool.tables.write import write_bytes

    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes((json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode(), str(path))


def stamp(path: Path) -> list[Any]:
    """What tells whether a file, or a folder of tables, has changed."""
    if os.path.isdir(path):
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        return [[entry.name, *_stamp(entry.stat())] for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    return _stamp(path.stat()) if os.path.exists(path) else []  # a list of classes is too long a name for a file


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns]
