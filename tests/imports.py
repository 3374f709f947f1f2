"""`altool import-labels` in this process, and what it left in the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from altool.commands import import_labels
from altool.console import Console
from altool.labels.consensus import resolve
from altool.tables import label_log
from altool.tables.read import Reader

PARTS = ("imported", "known", "unlabeled", "rejected", "failed", "left_out", "retracted")


def imported(folder: Path, *exports: str, **options: Any) -> dict[str, Any]:
    """Import files of `folder` into its `log`, by its `q.parquet` if it is there; the summary, with `warnings` and the `line`.

    Every record must be accounted for.
    """
    found: list[tuple[dict[str, Any], str]] = []
    console = Console(silent=True)
    console.result = lambda summary, line: found.append((summary, line))  # type: ignore[method-assign]
    options = {"labels": str(folder / "log"), **options}
    if exports:
        options["exports"] = [str(folder / name) for name in exports]
        if (folder / "q.parquet").exists():
            options = {"queries": [str(folder / "q.parquet")], **options}
    import_labels.run(import_labels.Options(**options), console)
    ((summary, line),) = found
    if "records" in summary:
        assert summary["records"] == sum(summary[name] for name in PARTS) + sum(summary["refused"].values()), summary
    return {**summary, "warnings": console.warnings, "line": line}


def queries(folder: Path, ids: list[Any], classes: list[str] | None = None, round_: int = 0, name: str = "q.parquet") -> None:
    """A round's queries in `folder`, ranked as `ids` are."""
    count = len(ids)
    table = pa.table(
        {
            "id": ids,
            "rank": pa.array(range(1, count + 1), pa.int32()),
            "round": pa.array([round_] * count, pa.int32()),
            "source": ["explore"] * count,
        }
    )
    pq.write_table(table.replace_schema_metadata({"altool.classes": json.dumps(classes)} if classes else None), folder / name)


def log_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of the log, sorted."""
    return sorted(read_log(folder).to_pylist(), key=str)


def said(folder: Path) -> dict[Any, tuple[str | None, str | None, str | None]]:
    """{id: (label, annotator, source)} of the log's rows, of which no id has two."""
    rows = log_rows(folder)
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: (row["label"], row["annotator"], row["source"]) for row in rows}


def counted(folder: Path) -> dict[Any, str | None]:
    """{id: label} as the log resolves it."""
    table = resolve(read_log(folder)).table
    return dict(zip(table.column("id").to_pylist(), table.column("label").to_pylist(), strict=True))


def rejects(folder: Path) -> list[tuple[Any, ...]]:
    """(id, label, reason) of what was refused or rejected, sorted."""
    table = pq.read_table(folder / "log.rejects")
    return sorted((row["id"], row["label"], row["reason"]) for row in table.to_pylist())


def read_log(folder: Path) -> pa.Table:
    """The label log."""
    reader = Reader()
    source = reader.open(str(folder / "log"), "labels", allow_empty=True)
    reader.match_ids()
    return label_log.read(source)
