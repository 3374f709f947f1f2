"""The answers of an export as the command line wants them: which rows count, who gave them, and under which names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from altool.errors import UsageError
from altool.labels import lookalikes
from altool.labels.exchange import Answers


def where(given_: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`COLUMN=VALUE`, each of one pair; several values of one column all count."""
    found: dict[str, tuple[str, ...]] = {}
    for text in given_:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--where: expected COLUMN=VALUE, found {text!r}", "for example --where status=approved")
        found[name] = (*found.get(name, ()), value)
    return found


def signed(answers: Answers, annotator: str) -> Answers:
    """The answers, those without an annotator with this one; `file`: with the name of their file."""
    name = Path(answers.name.removeprefix("export ")).stem if annotator == "file" else annotator.strip()
    if not name or (annotator == "file" and answers.name == "export -"):
        raise UsageError(f"--annotator {annotator}: {answers.name} has no file name", "name who answered: --annotator NAME")
    column = pc.fill_null(answers.table.column("annotator"), name)
    return replace(answers, table=answers.table.set_column(answers.table.column_names.index("annotator"), "annotator", column))


def trimmed(answers: Answers) -> Answers:
    """The answers with names of classes and people as they are without blanks at their ends."""
    table = answers.table
    for name in ("label", "annotator", "suggested_label"):
        texts = [value if value is None else lookalikes.trimmed(value) or None for value in table.column(name).to_pylist()]
        table = table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))
    return replace(answers, table=table)


def without_ids(answers: Answers) -> Answers:
    """The answers, which `--match` is to give their ids."""
    return replace(answers, table=answers.table.set_column(0, "id", pa.nulls(len(answers.table), pa.string())), id_type=None)
