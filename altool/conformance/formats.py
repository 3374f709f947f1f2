"""What every format of an annotation tool promises: `for check in CHECKS.values(): check(Case(record, tool))`.

Each check raises AssertionError, which says what is wrong. `tool` stands for the annotation tool: it makes the export that somebody gets
who gave these answers.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from altool.errors import AltoolError
from altool.labels import registry
from altool.labels.exchange import Answers, Export, Format, Naming, Task
from altool.labels.opening import open_exports

CLASSES = ("ant", "bee")
HOSTILE = ("=1+1", "@SUM(A1)", "a,b;c\td", 'say "no"', "it's", "<b>&amp;</b>", "line\nbreak", "x" * 5000, "größe 😀", " padded", "null x")
PLAIN = {"csv": b"id,label\nr-1,ant\n", "jsonl": b'{"id": "r-1", "label": "ant"}\n', "json": b'[{"id": "r-1", "label": "ant"}]'}
HALF = "half \ud83d"  # of a surrogate pair, as a tool may cut a text


@dataclass(frozen=True)
class Said:
    """What an annotator did with a task: gave the `label`, skipped it, rejected the suggested label, or nothing yet (`open`)."""

    task: Task
    what: Literal["labeled", "skipped", "rejected", "open"] = "labeled"
    label: str = "ant"


# The export of these answers; the bytes are what `write` made of the tasks, None for a format that is only read. It raises ValueError for
# what the tool cannot say, as a half of a surrogate pair in UTF-8, or a rejection where there are none.
Tool = Callable[[Sequence[Said], bytes | None], bytes]


@dataclass(frozen=True)
class Case:
    """A format, its tool, and exports of other formats by their names."""

    record: Format
    tool: Tool
    others: Mapping[str, bytes] = field(default_factory=dict)

    def written(self, tasks: Sequence[Task]) -> bytes | None:
        """The file that the tool imports; None for a format that is only read."""
        return self.record.write(tasks, CLASSES)[""] if self.record.write else None

    def export(self, said: Sequence[Said]) -> bytes:
        """What the tool gives back."""
        tasks = list({one.task.id: one.task for one in said}.values())
        return self.tool(said, self.written(tasks))

    def read(self, content: bytes) -> Answers:
        """The answers in an export."""
        return registry.read_as(self.record, opened(content), Naming({}, classes=CLASSES))

    def rows(self, said: Sequence[Said]) -> list[dict[str, Any]]:
        """The answers in the export of what was said, as rows."""
        found: list[dict[str, Any]] = self.read(self.export(said)).table.to_pylist()
        return found


def opened(content: bytes) -> Export:
    """An export with this content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "export")
        path.write_bytes(content)
        (export,) = open_exports(str(path))
    return export


def tasks(texts: Sequence[str]) -> list[Task]:
    """A task for each text, whose ids are r-1, r-2, …"""
    suggested: dict[str, Any] = {"suggested_label": "ant", "suggested_probability": 0.5}
    return [_task(f"r-{rank}", rank, text, **suggested) for rank, text in enumerate(texts, 1)]


def _task(id_: str | int, rank: int, text: str, **values: Any) -> Task:
    """A task of round 3 with a text, and a picture that is named by its id."""
    return Task(id_, rank, 3, text=text, path=f"{id_}.jpg", **values)


def _counts(row: Mapping[str, Any]) -> bool:
    """Is this answer a label that would be taken?"""
    return row["label"] is not None and row["reason"] is None and row["status"] != "skipped"


def known_by_content(case: Case) -> None:
    """An export is recognised by its content."""
    export = opened(case.export([Said(task) for task in tasks(["one", "two"])]))
    assert case.record.recognizes(export), f"{case.record.name} does not recognise an export of its own"


def no_other(case: Case) -> None:
    """No other format's export is recognised, nor are ids and labels alone; a plain one may be in the same encoding."""
    table = io.BytesIO()
    pq.write_table(pa.table({"id": ["r-1"], "label": ["ant"]}), table)
    for name, content in {**PLAIN, "parquet": table.getvalue(), **case.others}.items():
        try:
            taken = case.record.recognizes(opened(content))
        except Exception as error:
            raise AssertionError(f"{case.record.name} fails on an export of {name}: {type(error).__name__}: {error}") from error
        assert not taken or case.record.plain or name == case.record.name, f"{case.record.name} recognises {name}'s export"


def answers_come_back(case: Case) -> None:
    """Ids, labels, rounds and ranks are read as they were asked and answered."""
    asked = tasks(["one", "two", "three"])
    labels = ["ant", "bee", "a class that no list has"]
    rows = case.rows([Said(task, label=label) for task, label in zip(asked, labels, strict=True)])
    found = [(str(row["id"]), row["label"], row["reason"]) for row in rows]
    expected = [(str(task.id), label, None) for task, label in zip(asked, labels, strict=True)]
    assert found == expected, f"expected (id, label, reason) {expected}, found {found}"
    for row, task in zip(rows, asked, strict=True):
        exact = case.record.write is not None and case.record.keeps_rank
        assert row["round"] == task.round or (row["round"] is None and not exact), f"expected round {task.round}, found {row['round']}"
        assert row["rank"] == str(task.rank) or (row["rank"] is None and not exact), f"expected rank {task.rank}, found {row['rank']}"


def integers_come_back(case: Case) -> None:
    """Ids that are integers are read as the same numbers."""
    asked = [_task(number, rank, "one") for rank, number in enumerate((7, 2**53 + 1), 1)]
    found = [str(row["id"]) for row in case.rows([Said(task) for task in asked])]
    assert found == ["7", str(2**53 + 1)], f"expected ids 7 and {2**53 + 1}, found {found}"


def same_bytes(case: Case) -> None:
    """The same tasks give the same bytes, and only the files that the record names."""
    if case.record.write is None:
        return
    asked = tasks(HOSTILE)
    files = case.record.write(asked, CLASSES)
    assert files == case.record.write(asked, CLASSES), "the same tasks give other bytes the second time"
    assert "" in files, "no file is written under the name that the user gave"
    strange = set(files) - {"", *case.record.sidecars}
    assert not strange, f"writes {', '.join(sorted(strange))}, which are not among its sidecars"


def named_files(case: Case) -> None:
    """What is written has an ending, and so has the folder of its pictures, if any; the tasks' pictures are named in it."""
    record = case.record
    if record.write is None:
        return
    for what, ending in (("ending", record.ending), *([("pictures", record.pictures)] if record.pictures else [])):
        assert re.fullmatch(r"\.[\w.]+", ending), f"expected {what} that begins with a dot, found {ending!r}"
    assert record.ending != record.pictures, f"the file and the folder of its pictures are both called {record.ending}"
    if record.pictures:
        content = record.write([Task("r-1", 1, 3, image=b"x", picture_file="todo.images/1-r-1.png")], CLASSES)[""]
        assert b"todo.images/1-r-1.png" in content, "the task's picture is not named"


def hostile_texts(case: Case) -> None:
    """Texts, labels and ids come back as they were, or are refused."""
    for text in (*HOSTILE, HALF):
        for said in (Said(_task("r-1", 1, text)), Said(_task("r-1", 1, "x"), label=text), Said(_task(text, 1, "x"))):
            try:
                rows = case.rows([said])
            except (AltoolError, ValueError):
                continue
            taken = [(str(row["id"]), row["label"]) for row in rows if _counts(row)]
            assert taken in ([], [(str(said.task.id), said.label)]), f"{(said.task.id, said.label)!a} came back as {taken!a}"


def no_answer_no_label(case: Case) -> None:
    """A task that nobody answered, skipped or rejected is no label."""
    first, second = tasks(["one", "two"])
    for what in ("open", "skipped", "rejected"):
        try:
            rows = case.rows([Said(first, what), Said(second, label="bee")])
        except ValueError:
            continue
        taken = [(str(row["id"]), row["label"]) for row in rows if _counts(row)]
        assert taken == [("r-2", "bee")], f"a task that is {what} was read as a label: {taken}"


def twice(case: Case) -> None:
    """Two answers on one id are two answers."""
    (task,) = tasks(["one"])
    try:
        rows = case.rows([Said(task, label="ant"), Said(task, label="bee")])
    except ValueError:
        return
    found = sorted(row["label"] for row in rows)
    assert found == ["ant", "bee"], f"expected both answers on one id, found {found}"


def empty(case: Case) -> None:
    """An export without rows has no answer, or is refused."""
    try:
        rows = case.rows([])
    except (AltoolError, ValueError):
        return
    assert not any(_counts(row) for row in rows), f"an empty export has answers: {rows}"


CHECKS: dict[str, Callable[[Case], None]] = {
    check.__name__: check
    for check in (
        *(known_by_content, no_other, answers_come_back, integers_come_back, same_bytes, named_files),
        *(hostile_texts, no_answer_no_label, twice, empty),
    )
}
